"""The photo or file that somebody sent comes into our own store before its turn begins."""

import logging
from dataclasses import replace

from bot.channels import Channel, NotFetched
from handlers.incoming import Incoming, Sent, StoredFile
from handlers.router import Router
from storage.conversation import Conversation
from storage.database import Database
from storage.files import LARGEST, FileStore, NotReadable
from storage.heard import was_heard
from storage.person import addressed

log = logging.getLogger("bot.intake")


class Fetching:
    """Only what the talk waits for is fetched."""

    def __init__(self, database: Database, router: Router, files: FileStore) -> None:
        self.database, self.router, self.files = database, router, files

    async def fetched(self, channel: Channel, incoming: Incoming, sent: Sent) -> Sent:
        """What was sent, with where it lies now, or with what was wrong with it; as it is where nothing is expected.

        Raises DatabaseAway or FilesAway.
        """
        if sent.kind not in ("photo", "file") or not await self._is_expected(incoming):
            return sent
        if (sent.size or 0) > LARGEST:
            return replace(sent, problem="too_big")
        try:
            content = await channel.fetch(sent)
            if len(content) > LARGEST:
                return replace(sent, problem="too_big")
            kept = await self.files.keep(content)
        except NotFetched:
            log.warning("file not fetched", extra={"action": "not_fetched", "channel": channel.name})
            return replace(sent, problem="not_fetched")
        except NotReadable:
            return replace(sent, problem="not_readable")
        return replace(sent, stored=StoredFile(kept.sha256, kept.media_type, kept.size, sent.name))

    async def _is_expected(self, incoming: Incoming) -> bool:
        async with self.database.transaction() as session:
            known = await addressed(session, incoming.address)
            conversation = known and await session.get(Conversation, known[1].id)
            if not conversation or not conversation.waits or await was_heard(session, incoming.key):
                return False
            return self.router.takes_files(conversation.waits)
