"""What a page uploads: one file with its caption, read no further than is allowed."""

import json

from aiohttp import BodyPartReader, web

from bot.channels.reading import text_of
from storage.files import LARGEST


async def read_upload(request: web.Request) -> tuple[bytes, str | None, str | None]:
    """The file, its name and its caption. Raises HTTPRequestEntityTooLarge or HTTPBadRequest, in words."""
    content, name, caption = b"", None, None
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            continue
        if part.name == "caption":
            caption = text_of(await part.text())[:1000]
        elif part.name == "file":
            name = text_of(part.filename or "")[:120] or None
            content = await _limited(part)
    if not content:
        raise web.HTTPBadRequest(text=json.dumps({"error": "Trợ lý chưa nhận được tệp nào."}), content_type="application/json")
    return content, name, caption


async def _limited(part: BodyPartReader) -> bytes:
    content = bytearray()
    while chunk := await part.read_chunk(256 * 1024):
        content += chunk
        if len(content) > LARGEST:
            words = json.dumps({"error": "Tệp lớn quá 20 MB, ông/bà gửi ảnh nhỏ hơn giúp ạ."}, ensure_ascii=False)
            raise web.HTTPRequestEntityTooLarge(LARGEST, len(content), text=words, content_type="application/json")
    return bytes(content)
