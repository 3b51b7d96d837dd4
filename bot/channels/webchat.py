"""The web chat: our own page, a WebSocket, and the history that no platform keeps for us."""

import asyncio
import contextlib
import json
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from bot.channels import FINISH_SECONDS, Can, Edit, NotFetched, Outgoing, Receive, TryAgain
from bot.channels.hearing import MALFORMED
from bot.channels.reading import number_of, text_of
from bot.pace import Pace
from bot.web.history import attached, lines_of
from bot.web.seats import Seats, network_address, same_origin, seat_name
from bot.web.uploads import read_upload
from handlers.incoming import Incoming, Meaning, Opened, Pressed, Said, Sent
from locales import _
from storage.database import Database
from storage.files import DOCUMENTS, LARGEST, FilesAway, FileStore
from storage.person import addressed
from storage.session import DatabaseAway

log = logging.getLogger("bot.webchat")
STATIC = Path(__file__).parent.parent / "web" / "static"
BEAT_SECONDS = 20
LARGEST_FRAME = 64 * 1024  # bytes
# From one network address: a full culture house, or a phone company's gateway on the evening of the loudspeaker.
NEW_CHATS_A_MINUTE, NEW_CHATS_AT_ONCE = 120, 600
MOST_HELLOS, MOST_PAGES = 3, 10  # of one page; open at once for one chat
UPLOADS_KEPT = 200  # between the upload and its turn
BELL = "webchat"
FRESH = timedelta(minutes=15)  # for so long a page is still before somebody's eyes
POLICY = "default-src 'self'; img-src 'self' blob: data:; connect-src 'self' ws: wss:; frame-ancestors 'none'"


class Socket:
    """One open page."""

    def __init__(self, ws: web.WebSocketResponse) -> None:
        self.ws = ws
        self.ready = asyncio.Lock()  # held while the history is written
        self.shown: set[int] = set()
        self.hellos = 0

    async def write(self, frame: dict[str, Any]) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            await self.ws.send_str(json.dumps(frame, ensure_ascii=False))


class WebChat:
    name = "webchat"
    can = Can(text_limit=20_000, label=_("trang web").message, keeps_history=False, pushes=False, window=FRESH)

    def __init__(self, database: Database, files: FileStore, secret: bytes, base: str) -> None:
        self.database, self.files = database, files
        self.seats = Seats(secret, secure=base.startswith("https://"))
        self.base = base
        self.open: dict[str, set[Socket]] = {}
        self.uploads: OrderedDict[str, bytes] = OrderedDict()
        self.process = secrets.token_hex(4)
        self.listening: asyncio.Task[None] | None = None
        self.catching_up: set[asyncio.Task[None]] = set()
        self.newcomers = Pace(NEW_CHATS_A_MINUTE, NEW_CHATS_AT_ONCE, time.monotonic)
        self.page, self.wait = ((STATIC / name).read_text(encoding="utf-8") for name in ("index.html", "wait.html"))

    def routes(self, receive: Receive) -> Iterable[web.RouteDef | web.StaticDef]:
        async def socket(request: web.Request) -> web.WebSocketResponse:
            return await self._socket(request, receive)

        async def upload(request: web.Request) -> web.Response:
            return await self._upload(request, receive)

        return [
            web.get("/", self._page),
            web.get("/chat/{seat}", self._page),
            web.get("/ws/{seat}", socket),
            web.post("/upload/{seat}", upload),
            web.get("/files/{name}", self._file),
            web.static("/static", STATIC),
        ]

    async def start(self, receive: Receive) -> None:
        """The page comes to us; what another process says to it, we are told of."""
        self.listening = asyncio.create_task(self.database.driver.listen(BELL, self._told))

    async def stop(self) -> None:
        if self.listening:
            self.listening.cancel()
        # A page that is gone without a word does not keep the others waiting.
        await asyncio.gather(*(socket.ws.close() for sockets in self.open.values() for socket in sockets))

    async def send(self, message: Outgoing) -> str:
        """What no open page shows is there when one opens."""
        await self._ring(message.chat)
        frame = {
            "type": "line", "from": "bot", "seq": message.delivery_id, "id": message.delivery_id, "text": message.text,
            "at": None, "buttons": [[{"label": label, "token": token} for label, token in row] for row in message.buttons],
        }  # fmt: skip
        if message.attachment:
            frame |= attached(self.seats, message.attachment.sha256, message.attachment.media_type, message.attachment.name)
        for socket in list(self.open.get(message.chat, ())):
            async with socket.ready:
                await self._show(socket, [frame])
        return str(message.delivery_id)

    async def edit(self, change: Edit) -> None:
        buttons = [[{"label": label, "token": token} for label, token in row] for row in change.buttons]
        frame = {"type": "edit", "id": int(change.message_id), "text": change.text, "buttons": buttons}
        await self._ring(change.chat)
        for socket in list(self.open.get(change.chat, ())):
            async with socket.ready:
                await socket.write(frame)

    async def _ring(self, chat: str) -> None:
        """The page may be open at another process. Raises TryAgain where the database is away."""
        if self.database.alone:
            return
        try:
            await self.database.driver.ring(BELL, f"{self.process}:{chat}")
        except DatabaseAway as away:
            raise TryAgain(f"the other processes cannot be told: {away}", 1) from away

    def _told(self, words: str) -> None:
        process, _colon, chat = words.partition(":")
        if process != self.process and chat in self.open:
            task = asyncio.create_task(self._catch_up(chat))
            self.catching_up.add(task)
            task.add_done_callback(self.catching_up.discard)

    async def _catch_up(self, chat: str) -> None:
        """Shows the open pages of a chat what they have not shown yet."""
        for socket in list(self.open.get(chat, ())):
            async with socket.ready:
                async with self.database.transaction() as session:
                    lines = await lines_of(session, self.seats, f"webchat:{chat}", max(socket.shown, default=0) or 1)
                await self._show(socket, lines)

    async def _show(self, socket: Socket, lines: list[dict[str, Any]]) -> None:
        for line in lines:
            if line["type"] == "line" and line["from"] == "bot":
                if line["id"] in socket.shown:
                    continue
                socket.shown.add(line["id"])
            await socket.write(line)

    async def fetch(self, sent: Sent) -> bytes:
        try:
            return self.uploads[sent.reference or ""]
        except KeyError:
            raise NotFetched("the upload is gone") from None

    def link(self, payload: str) -> str | None:
        return f"{self.base}/?start={payload}"

    async def _page(self, request: web.Request) -> web.Response:
        seat = seat_name(request.match_info.get("seat", "1"))
        headers = {"Cache-Control": "no-store", "Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
        response = web.Response(text=self.page.replace("{{seat}}", seat), content_type="text/html", headers=headers)
        if self.seats.chat_of(request, seat) is None:
            if not self.newcomers.allows(network_address(request)):
                log.info("too many new chats", extra={"action": "new_chats_slowed"})
                return web.Response(text=self.wait, content_type="text/html", status=429, headers=headers)
            self.seats.give(response, seat)
        return response

    async def _socket(self, request: web.Request, receive: Receive) -> web.WebSocketResponse:
        chat = self._chat(request)
        if len(self.open.get(chat, ())) >= MOST_PAGES:
            raise web.HTTPTooManyRequests
        # Compression costs 190 µs a turn and 175 kB a page, for messages of one or two kB.
        ws = web.WebSocketResponse(
            heartbeat=BEAT_SECONDS, max_msg_size=LARGEST_FRAME, compress=False, timeout=FINISH_SECONDS
        )
        await ws.prepare(request)
        socket = Socket(ws)
        self.open.setdefault(chat, set()).add(socket)
        beat = asyncio.create_task(self._beat(socket))
        try:
            async for message in ws:
                if message.type == WSMsgType.TEXT:
                    await self._frame(socket, chat, message.data, receive)
        finally:
            beat.cancel()
            self.open[chat].discard(socket)
            if not self.open[chat]:
                del self.open[chat]
        return ws

    async def _beat(self, socket: Socket) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            await socket.write({"type": "beat"})

    async def _frame(self, socket: Socket, chat: str, data: str, receive: Receive) -> None:
        frame_id: str | None = None
        try:
            frame = json.loads(data)
            frame_id = _text(frame, "id", 40) if "id" in frame else None
            if frame["type"] == "hello":
                socket.hellos += 1
                if socket.hellos > MOST_HELLOS:
                    raise ValueError("a page says hello once")
                return await self._hello(socket, chat, frame, receive)
            await self._take(socket, chat, frame_id or "", _meaning(frame), receive)
        except MALFORMED:
            log.info("bad frame", extra={"action": "bad_frame"})
            await socket.write({"type": "error", "id": frame_id, "text": "Trợ lý không đọc được tin này."})
        except (DatabaseAway, FilesAway) as away:
            log.warning("frame not taken", extra={"action": "frame_waits", "reason": str(away)})
            await socket.write({"type": "error", "id": frame_id, "text": BUSY})
        except Exception:
            log.exception("frame not taken", extra={"action": "frame_failed"})
            await socket.write({"type": "error", "id": frame_id, "text": BUSY})

    async def _take(self, socket: Socket, chat: str, frame_id: str, meaning: Meaning, receive: Receive) -> None:
        receipt = await receive(Incoming(f"webchat:{chat}:{frame_id}", f"webchat:{chat}", meaning))
        await socket.write({"type": "error", "id": frame_id, "text": BUSY} if receipt.busy else {"type": "heard", "id": frame_id})

    async def _hello(self, socket: Socket, chat: str, frame: dict[str, Any], receive: Receive) -> None:
        """Shows what was said since the page was last open; a new chat begins by itself."""
        after = number_of(frame.get("after") or 0)
        async with socket.ready:
            async with self.database.transaction() as session:
                known = await addressed(session, f"webchat:{chat}")
                lines = await lines_of(session, self.seats, f"webchat:{chat}", after)
            await socket.write({"type": "welcome", "lang": known[1].language if known else "vi", "title": "Trợ lý khuyến học"})
            await self._show(socket, lines)
        if known is None and not frame.get("opening"):
            await receive(Incoming(f"webchat:{chat}:first", f"webchat:{chat}", Said("/start")))

    async def _upload(self, request: web.Request, receive: Receive) -> web.Response:
        """One photo or file; it is kept only if the talk expects one."""
        chat = self._chat(request)
        if any(reference.startswith(f"{chat}:") for reference in self.uploads):
            return web.json_response({"error": BUSY}, status=503)
        # Its place is taken before a byte is read: a flood of one person fills nobody else's memory.
        waiting = f"{chat}:"
        self.uploads[waiting] = b""
        try:
            return await self._uploaded(request, chat, receive)
        finally:
            self.uploads.pop(waiting, None)

    async def _uploaded(self, request: web.Request, chat: str, receive: Receive) -> web.Response:
        try:
            upload_id = _text(dict(request.query), "id", 40)
            content, name, caption = await read_upload(request)
        except (ValueError, LookupError, AssertionError) as odd:
            log.info("bad upload", extra={"action": "bad_upload"})
            raise web.HTTPBadRequest from odd
        reference = f"{chat}:{upload_id}"
        self.uploads[reference] = content
        while len(self.uploads) > UPLOADS_KEPT or sum(map(len, self.uploads.values())) > 10 * LARGEST:
            self.uploads.popitem(last=False)
        document = any(content.startswith(mark) for mark in DOCUMENTS)
        sent = Sent("file" if document else "photo", reference, name, len(content), caption)
        try:
            receipt = await receive(Incoming(f"webchat:{chat}:{upload_id}", f"webchat:{chat}", sent))
        finally:
            self.uploads.pop(reference, None)
        return web.json_response({"error": BUSY}, status=503) if receipt.busy else web.json_response({"ok": True})

    async def _file(self, request: web.Request) -> web.FileResponse:
        """A picture's preview or a document, to whoever was given the signed link."""
        sha256, _dot, mark = request.match_info["name"].partition(".")
        if not sha256.isalnum() or not self.seats.mark(f"file.{sha256}") == mark:
            raise web.HTTPNotFound
        preview = self.files.preview(sha256)
        path = preview if preview.exists() else self.files.original(sha256)
        if not path.exists():
            raise web.HTTPNotFound
        headers = {"Cache-Control": "private, max-age=3600", "X-Content-Type-Options": "nosniff"}
        if path != preview:
            headers |= {"Content-Disposition": "attachment", "Content-Type": "application/octet-stream"}
        else:
            headers |= {"Content-Type": "image/jpeg"}
        return web.FileResponse(path, headers=headers)

    def _chat(self, request: web.Request) -> str:
        """Whose request it is. Raises HTTPForbidden where the cookie is not ours or the page is another's."""
        chat = self.seats.chat_of(request, seat_name(request.match_info["seat"]))
        if chat is None or not same_origin(request):
            log.warning("refused at the door", extra={"action": "webchat_forbidden"})
            raise web.HTTPForbidden
        return chat


BUSY = "Hệ thống đang bận, ông/bà chờ một chút rồi gửi lại giúp ạ."


def _meaning(frame: dict[str, Any]) -> Meaning:
    if frame["type"] == "say":
        return Said(_text(frame, "text", 20_000))
    if frame["type"] == "open":
        return Opened(_text(frame, "text", 64))
    if frame["type"] == "press":
        return Pressed(_text(frame, "token", 64), str(number_of(frame["message"])))
    raise ValueError(frame["type"])


def _text(frame: dict[str, Any], key: str, longest: int) -> str:
    text = text_of(frame[key])
    if not 0 < len(text) <= longest:
        raise ValueError(key)
    return text
