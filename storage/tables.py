"""All tables in one place, for migrations and tests."""

from sqlmodel import SQLModel

from storage import (  # noqa: F401
    assessment,
    assignment,
    consent,
    conversation,
    decision,
    delivery,
    event,
    evidence,
    heard,
    household,
    person,
    place,
    revision,
)

metadata = SQLModel.metadata
