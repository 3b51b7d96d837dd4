"""How an address comes to another person: a code that is said on one channel and entered on another."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON
from sqlmodel import Field

from storage.moment import Moment
from storage.row import Row


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
    moved: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)  # table -> keys of the rows
    at: datetime = Field(sa_type=Moment)
    undone_at: datetime | None = Field(default=None, sa_type=Moment)
