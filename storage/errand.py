"""What could not be brought to a person on any channel: somebody of the village tells them by word of mouth."""

from datetime import datetime

from sqlmodel import Field

from storage.moment import Moment
from storage.row import Row


class Errand(Row, table=True):
    id: int | None = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id", index=True)
    place_id: int | None = Field(default=None, foreign_key="place.id", index=True)  # the village
    text: str  # in the person's words
    delivery_id: int | None = Field(default=None, unique=True)  # what could not be delivered
    created_at: datetime = Field(sa_type=Moment)
    done_at: datetime | None = Field(default=None, sa_type=Moment)
    done_by: int | None = Field(default=None, foreign_key="person.id")
