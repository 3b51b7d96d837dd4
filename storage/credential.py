"""The keys that a platform gives for a while: each pair is kept before it is used."""

from datetime import datetime

from sqlmodel import Field

from storage.moment import Moment
from storage.row import Row


class Credential(Row, table=True):
    """`refresh_token` works once: whoever would use it takes the lease first, and writes down the new pair before using it."""

    channel: str = Field(primary_key=True)
    access_token: str
    refresh_token: str
    obtained_at: datetime = Field(sa_type=Moment)
    expires_at: datetime = Field(sa_type=Moment)
    leased_until: datetime | None = Field(default=None, sa_type=Moment)  # a process is fetching the next pair
    problem: str | None = None  # why the next pair cannot be had: a human must consent again
