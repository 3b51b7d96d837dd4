"""How an address comes to another person: a code that is said on one channel and entered on another."""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, update
from sqlmodel import Field, col, select

from storage.moment import Moment
from storage.row import Row
from storage.session import Session
from storage.statements import query


class LinkCode(Row, table=True):
    """Six figures to be typed, or the long word of a link; only hashes are kept."""

    id: int | None = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id", index=True)
    figures_hash: str = Field(index=True)
    word_hash: str = Field(unique=True)
    made_by: int = Field(foreign_key="person.id")  # the person, or the officer who checked who asks
    rebinds: bool = False  # every former address loses access
    expires_at: datetime = Field(sa_type=Moment)
    used_at: datetime | None = Field(default=None, sa_type=Moment)


class Joined(Row, table=True):
    """An address that changed hands, and what came with it: enough to put it back."""

    id: int | None = Field(default=None, primary_key=True)
    address: str = Field(index=True)
    person_id: int = Field(foreign_key="person.id", index=True)
    former_id: int = Field(foreign_key="person.id")
    moved: list[Any] = Field(default_factory=list, sa_type=JSON)  # [table, key, field, before, after]
    at: datetime = Field(sa_type=Moment)
    undone_at: datetime | None = Field(default=None, sa_type=Moment)


@query
def _living(figures_hash, now):
    alive = (LinkCode.figures_hash == figures_hash, LinkCode.expires_at > now, col(LinkCode.used_at).is_(None))
    return select(LinkCode).where(*alive).with_for_update()


@query
def _worded(word_hash, now):
    alive = (LinkCode.word_hash == word_hash, LinkCode.expires_at > now, col(LinkCode.used_at).is_(None))
    return select(LinkCode).where(*alive).with_for_update()


async def make_code(
    session: Session, person_id: int, made_by: int, now: datetime, lives: timedelta, rebinds: bool = False
) -> tuple[str, str]:
    """A new code for this person, as six figures and as the word of a link; the earlier ones end."""
    mine = (LinkCode.person_id == person_id, LinkCode.expires_at > now)
    await session.exec(update(LinkCode).where(*mine).values(expires_at=now))
    figures, word = f"{secrets.randbelow(10**6):06}", secrets.token_urlsafe(16)
    # Of two people no two may hold the same figures at one time.
    while (await session.exec(_living(_hash(figures), now))).first():
        figures = f"{secrets.randbelow(10**6):06}"
    whose = {"person_id": person_id, "made_by": made_by, "rebinds": rebinds}
    session.add(LinkCode(figures_hash=_hash(figures), word_hash=_hash(word), expires_at=now + lives, **whose))
    return figures, word


async def code_by_figures(session: Session, figures: str, now: datetime) -> LinkCode | None:
    """The code with these six figures if it may still be used, held until the turn ends."""
    return (await session.exec(_living(_hash(figures), now))).first()


async def code_by_word(session: Session, word: str, now: datetime) -> LinkCode | None:
    """The same by the word of its link."""
    return (await session.exec(_worded(_hash(word), now))).first()


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


async def joined_since(session: Session, person_id: int, since: datetime) -> list[Joined]:
    """What was joined to this person since then, and may be undone."""
    mine = (Joined.person_id == person_id, Joined.at >= since, col(Joined.undone_at).is_(None))
    return list((await session.exec(select(Joined).where(*mine).order_by(col(Joined.id)))).all())
