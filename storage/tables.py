"""All tables in one place, for migrations and tests."""

from sqlmodel import SQLModel

from storage import (  # noqa: F401
    assessment,
    assignment,
    consent,
    conversation,
    credential,
    decision,
    delivery,
    errand,
    event,
    evidence,
    heard,
    household,
    link,
    person,
    place,
    revision,
    sendings,
)
from storage.row import Row, read_directly

metadata = SQLModel.metadata
for model in Row.__subclasses__():
    read_directly(model)
