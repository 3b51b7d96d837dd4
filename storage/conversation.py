"""Where a person's talk stands: the page shown, what free text will mean, the answers offered."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON
from sqlmodel import Field

from storage.moment import Moment
from storage.row import Row


class Conversation(Row, table=True):
    person_id: int = Field(primary_key=True, foreign_key="person.id")
    here: str | None = None  # the page that is on the screen, as a call
    waits: str | None = None  # the call that gets what is typed or sent next
    offered: list[Any] = Field(default_factory=list, sa_type=JSON)  # [[label, token], …]; none: the open question's buttons
    asked: int | None = None  # the delivery that carries the last question
    asked_at: str | None = None  # the address where it was asked: what is typed elsewhere is no answer to it
    misses: int = 0
    speaking_for: int | None = Field(default=None, foreign_key="person.id")
    held: dict[str, Any] | None = Field(default=None, sa_type=JSON)  # what was typed so far for a thing not yet done
    linked_place: int | None = Field(default=None, foreign_key="place.id")  # the village of the link that was opened
    updated_at: datetime = Field(sa_type=Moment)
