"""The officers' roles, read from roles.toml."""

from pathlib import Path
from tomllib import loads
from typing import Literal

from pydantic import BaseModel, ConfigDict

from locales import Text, Words, _
from storage.place import Place, chain
from storage.session import Session


class Role(BaseModel):
    """One role: where it is held, and the words that go with it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    level: Literal["village", "commune", "province"]
    signs: bool = False
    watches: bool = False
    name: str
    short: str
    approve: str  # the button
    approved: str  # what was done, in the middle of a sentence
    told: str  # to the citizen, when the paper arrives here
    done: str  # to the citizen, when this role has approved


def _read() -> dict[str, Role]:
    data = loads((Path(__file__).parent / "roles.toml").read_text(encoding="utf-8"))
    return {name: Role(id=name, **fields) for name, fields in data.items()}


ROLES = _read()


def commune_word(places: list[Place]) -> Words:
    """ "xã" or "phường", from the chain of places that a village lies in."""
    kinds = {"phường": _("phường"), "đặc khu": _("đặc khu")}
    return next((kinds.get(place.kind, _("xã")) for place in places if place.level == "commune"), _("xã"))


async def role_words(session: Session, words: str, place_id: int) -> Words:
    """Words of a role, for the place that they are about."""
    return Text(words, {"commune": commune_word(await chain(session, place_id))})
