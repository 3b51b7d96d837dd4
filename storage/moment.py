"""A point in time, as it is stored: aware in Python, UTC in the database."""

from datetime import UTC, datetime
from functools import lru_cache

from sqlalchemy import DateTime, Dialect
from sqlalchemy.types import TypeDecorator

WITHOUT_ZONE = len("2026-11-27 07:30:00.000000")


class Moment(TypeDecorator[datetime]):
    """`bound` and `read` are the way to SQLite's text and back; other databases know such times themselves."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone is not a point in time")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)

    @staticmethod
    @lru_cache(1000)
    def bound(value: datetime) -> str:
        """A turn writes its own time into every row."""
        if value.tzinfo is None:
            raise ValueError("a time without a zone is not a point in time")
        known = value if value.tzinfo is UTC else value.astimezone(UTC)
        return known.isoformat(" ", "microseconds")[:WITHOUT_ZONE]

    @staticmethod
    @lru_cache(1000)
    def read(stored: str) -> datetime:
        return datetime.fromisoformat(f"{stored}+00:00")
