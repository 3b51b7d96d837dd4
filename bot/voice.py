"""How a delivery is put to a channel: as a new message, as a change of one, or as what an answered question becomes."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from bot.channels import Attachment, Buttons, Channel, Edit, NotThere, Outgoing
from bot.channels.cutting import fits
from bot.offers import offering
from storage.delivery import Delivery
from storage.files import DOCUMENTS, FileStore

log = logging.getLogger("bot.sender")
REMEMBERED = 2_000  # messages: the database knows the others


class Names:
    """What the platforms call the messages of the last moments: a look at the database less for most turns."""

    def __init__(self) -> None:
        self.by_delivery: OrderedDict[int, str] = OrderedDict()
        self.by_message: OrderedDict[tuple[str, str], int] = OrderedDict()

    def remember(self, delivery: Delivery, name: str) -> None:
        """What was just sent."""
        # A change does not make the message its own; a message that became another question is that one now.
        if delivery.edits is None:
            self.learn(delivery.address, delivery.id or 0, name)
        else:
            _keep(self.by_delivery, delivery.id or 0, name)

    def learn(self, address: str, delivery_id: int, name: str) -> None:
        """What another process may have sent, or this one long ago."""
        if self.by_delivery.get(delivery_id) == name and self.by_message.get((address, name)) == delivery_id:
            return
        _keep(self.by_delivery, delivery_id, name)
        _keep(self.by_message, (address, name), delivery_id)


class Voice:
    """`name_of` looks up what the platform calls the message of a delivery, where `names` does not know it; `url_of` gives
    where a platform may fetch a file."""

    def __init__(
        self,
        files: FileStore,
        names: Names,
        name_of: Callable[[int], Awaitable[str | None]],
        url_of: Callable[[str], str | None],
    ) -> None:
        self.files, self.names, self.name_of, self.url_of = files, names, name_of, url_of

    async def say(self, channel: Channel, delivery: Delivery) -> str | None:
        """The platform's name for the message; None where there was nothing to say any more.

        Raises SendError; DatabaseAway or FilesAway where what it needs cannot be looked up now.
        """
        chat, can, text = delivery.address.partition(":")[2], channel.can, delivery.text or ""
        listed, buttons = offering(can, delivery)
        if delivery.edits is not None:
            return await self._change(channel, delivery.edits, chat, delivery.text, buttons)
        if delivery.settles is not None:
            whole = f"{delivery.settled}\n\n{text}"
            if not can.edits:
                text = whole
            elif delivery.in_place and can.in_place and fits(whole, can.text_limit):
                if name := await self._change(channel, delivery.settles, chat, whole, buttons):
                    return name
            else:
                await self._change(channel, delivery.settles, chat, delivery.settled, ())
        shown = await asyncio.to_thread(self._attachment, delivery.attachment) if delivery.attachment else None
        said = "\n\n".join(part for part in (text, listed) if part)
        how = (delivery.kind, delivery.outside, delivery.wants_name, delivery.begun)
        return await channel.send(Outgoing(chat, delivery.id or 0, said, buttons, shown, *how))

    def _attachment(self, attached: dict[str, Any]) -> Attachment:
        """A document as it is, a picture as its preview, which bears no place."""
        sha256, media_type = attached["sha256"], attached["media_type"]
        document = media_type in DOCUMENTS.values()
        path = self.files.original(sha256) if document else self.files.preview(sha256)
        name = attached["name"] or ("tep" if document else "anh.jpg")
        kind, shown = ("file", media_type) if document else ("photo", "image/jpeg")
        return Attachment(kind, self.files.read(path), name, shown, sha256, self.url_of(sha256))

    async def _change(self, channel: Channel, changed: int, chat: str, text: str | None, buttons: Buttons) -> str | None:
        name = self.names.by_delivery.get(changed) or await self.name_of(changed)
        if name is None or not channel.can.edits:
            return None
        try:
            await channel.edit(Edit(chat, changed, name, text, buttons))
        except NotThere as gone:
            log.debug("nothing to edit", extra={"action": "edit_idle", "delivery": changed, "reason": str(gone)})
            return None
        return name


def _keep(kept: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    """The oldest goes where there are too many."""
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > REMEMBERED:
        kept.popitem(last=False)
