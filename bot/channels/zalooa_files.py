"""Pictures and documents for the Official Account: uploaded once, known for less than a week."""

import io
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from PIL import Image

from bot.channels import Attachment

LARGEST_IMAGE, LARGEST_FILE = 1024 * 1024, 5 * 1024 * 1024  # bytes
KNOWN_FOR = 6 * 24 * 3600  # seconds; the platform forgets after seven days
MOST = 2000
WIDTHS = (1280, 900, 600, 300)
FILES = {
    "application/pdf", "application/msword", "text/csv",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}  # fmt: skip
Upload = Callable[[str, bytes, str, str], Awaitable[dict[str, Any]]]  # (path, content, name, media type)


class Uploads:
    def __init__(self, upload: Upload) -> None:
        self.upload = upload
        self.known: OrderedDict[str, tuple[float, dict[str, Any]]] = OrderedDict()

    async def shown(self, file: Attachment, anew: bool = False) -> dict[str, Any] | None:
        """How a message bears this file; None where the platform takes no such file. Raises OaError."""
        at, made = self.known.get(file.sha256, (0.0, {}))
        if made and not anew and time.monotonic() - at < KNOWN_FOR:
            return made
        made_now = await self._uploaded(file)
        if made_now:
            self.known[file.sha256] = (time.monotonic(), made_now)
            if len(self.known) > MOST:
                self.known.popitem(last=False)
        return made_now

    async def _uploaded(self, file: Attachment) -> dict[str, Any] | None:
        if file.kind == "photo":
            data = await self.upload("/v2.0/oa/upload/image", small_enough(file.content), "anh.jpg", "image/jpeg")
            element = {"media_type": "image", "attachment_id": data["attachment_id"]}
            return {"type": "template", "payload": {"template_type": "media", "elements": [element]}}
        if file.media_type not in FILES or len(file.content) > LARGEST_FILE:
            return None
        data = await self.upload("/v2.0/oa/upload/file", file.content, file.name, file.media_type)
        return {"type": "file", "payload": {"token": data["token"]}}


def small_enough(content: bytes) -> bytes:
    """The picture as it is, or smaller."""
    for width in WIDTHS:
        if len(content) <= LARGEST_IMAGE:
            return content
        with Image.open(io.BytesIO(content)) as picture:
            picture.thumbnail((width, width))
            out = io.BytesIO()
            picture.convert("RGB").save(out, "JPEG", quality=80)
            content = out.getvalue()
    return content
