"""A point in time, as it is stored: aware in Python, UTC in the database."""

from datetime import UTC, datetime

from sqlalchemy import DateTime, Dialect
from sqlalchemy.types import TypeDecorator


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
    def bound(value: datetime | None) -> str | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone is not a point in time")
        known = value if value.tzinfo is UTC else value.astimezone(UTC)
        return known.isoformat(" ", "microseconds")[:26]

    @staticmethod
    def read(stored: str | None) -> datetime | None:
        return None if stored is None else datetime.fromisoformat(stored).replace(tzinfo=UTC)
