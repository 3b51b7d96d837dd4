"""There and back again: what one version remembers, the version before it knows as well."""

from typing import Any

from alembic import command

from storage.conversation import Conversation
from storage.database import Database, alembic_config
from storage.delivery import Delivery, Fate
from storage.heard import was_heard
from storage.speaker import newcomer
from storage.statements import new
from tests.conftest import NOW


def _back_to_0003(connection: Any) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    command.downgrade(config, "0003")


async def test_a_message_that_was_heard_is_known_before_and_after(database: Database) -> None:
    async with database.transaction() as session:
        who = await newcomer(session, "telegram:1", NOW)
        session.add(new(Conversation, person_id=who.person.id, updated_at=NOW))
        said = {"address": "telegram:1", "channel": "telegram", "person_id": who.person.id, "text": "Chào"}
        session.add(new(Delivery, **said, answers="telegram:5", fate=Fate.SENT, not_before=NOW, created_at=NOW))
    await database.driver.migrate(_back_to_0003)
    async with database.transaction() as session:
        rows = await session.connection.fetch("SELECT key, address FROM heard", ())
        assert [tuple(row) for row in rows] == [("telegram:5", "telegram:1")]
    await database.upgrade()
    async with database.transaction() as session:
        assert await was_heard(session, "telegram:5")
