"""A stand-in for the Zalo Bot Platform: its API over real HTTP on this machine, and the people who use it.

    async with ZaloBotApi.open() as api:
        an = api.person("An")
        await an.says("xin chào")
        await an.waits_for("kính chào")

As strict as the platform is said to be, and as odd: an error's number is the HTTP status too, or comes in a 200; a
success bears error_code 0; one update a poll, without thanks, handed out again and again. A method that it does not know
is an error of the test: `stop` fails.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web

from bot.channels.cutting import units

BOT_ID = "1459232241454765289"
TOKEN = f"{BOT_ID}:zalo-bot-test-secret"
JAVA = "Java/1.8.0_192"
HEADER = "X-Bot-Api-Secret-Token"


class Refused(Exception):
    def __init__(self, code: int, description: str, status: int | None = None, field: str = "error_code") -> None:
        super().__init__(description)
        self.code, self.description, self.status, self.field = code, description, status or code, field

    def response(self) -> web.Response:
        body = {"ok": False, "description": self.description, self.field: self.code}
        return web.json_response(body, status=self.status)


@dataclass
class Message:
    """A message of the bot as the person sees it."""

    text: str
    kind: str = "text"  # text | photo
    photo: str | None = None
    buttons: tuple[()] = ()


class Person:
    """Somebody in a private chat. `sees` are the bot's messages, the oldest first."""

    def __init__(self, api: "ZaloBotApi", chat: str, name: str) -> None:
        self.api, self.chat, self.name = api, chat, name
        self.sees: list[Message] = []

    async def says(self, text: str) -> str:
        """All of these give the message_id."""
        return await self._sends("text", text=text)

    async def sends_photo(self, content: bytes, caption: str | None = None, field: str = "photo_url") -> str:
        url = self.api.keep_file(content)
        shown = {"photos": [{"url": url}]} if field == "photos" else {field: url}
        return await self._sends("image", message_type="CHAT_PHOTO", **shown, **({"caption": caption} if caption else {}))

    async def sends_document(self, content: bytes, name: str, caption: str | None = None) -> str:
        """The bot hears only that there was something."""
        return await self._sends("unsupported")

    async def sends_other(self, kind: str) -> str:
        match kind:
            case "voice":
                return await self._sends("voice", message_type="CHAT_VOICE", voice_url=self.api.keep_file(b"aac"))
            case "sticker":
                return await self._sends("sticker", sticker="0e078a2fb66a5f34067b", url=self.api.keep_file(b"png"))
        return await self._sends("unsupported")

    async def waits_for(self, words: str, seconds: float = 5) -> Message:
        """The newest message with these words, once it is there."""
        found = lambda: next((m for m in reversed(self.sees) if words in m.text), None)  # noqa: E731
        return await self.api.until(found, lambda: f"{words!r} in {[m.text[:60] for m in self.sees[-4:]]}", seconds)

    async def _sends(self, kind: str, **content: Any) -> str:
        return await self.api.happens(self.event(kind, **content))

    def event(self, kind: str, **content: Any) -> dict[str, Any]:
        message = {
            "date": int(time.time() * 1000), "chat": {"chat_type": "PRIVATE", "id": self.chat},
            "message_id": self.api.new_id("m"), "from": {"id": self.chat, "is_bot": False, "display_name": self.name}, **content,
        }  # fmt: skip
        return {"event_name": f"message.{kind}.received", "message": message}


class ZaloBotApi:
    """`wrapped` puts bodies of the webhook into the envelope; `in_200` says errors in a 200; `double_server` doubles that header."""

    def __init__(self) -> None:
        self.token, self.quota, self.second = TOKEN, 3000, 0.02
        self.wrapped = self.in_200 = self.double_server = False
        self.duplicates = 0
        self.people: dict[str, Person] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.unknown: list[str] = []
        self.failures: dict[str, list[Refused | str]] = {}
        self.files: dict[str, bytes] = {}
        self.updates: list[dict[str, Any]] = []  # that nobody has polled yet
        self.last: dict[str, Any] | None = None
        self.webhook: dict[str, str] | None = None
        self.waiting: list[dict[str, Any]] = []  # for the webhook
        self.answers: list[int] = []
        self.url = ""
        self._count, self._stopping = 0, False
        self._changed = asyncio.Event()
        self._workers: set[asyncio.Task[None]] = set()
        self._last_of: dict[str, asyncio.Task[None]] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls) -> AsyncIterator["ZaloBotApi"]:
        api = cls()
        app = web.Application()
        app.router.add_route("*", "/bot{token}/{method}", api._serve)
        app.router.add_get("/photos/{name}", api._serve_file)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        api.host = f"127.0.0.1:{runner.addresses[0][1]}"
        api.url = f"http://{api.host}"
        api._client = aiohttp.ClientSession(headers={"User-Agent": JAVA})
        try:
            yield api
        finally:
            api._stopping = True
            api.changed()  # ends the poll that waits
            for worker in list(api._workers):
                worker.cancel()
            await asyncio.gather(*api._workers, return_exceptions=True)
            await api._client.close()
            await runner.cleanup()
            assert not api.unknown, f"the stand-in does not know {api.unknown}"

    def person(self, name: str) -> Person:
        if name not in self.people:
            self.people[name] = Person(self, self.new_id("c"), name)
        return self.people[name]

    def new_id(self, mark: str) -> str:
        self._count += 1
        return f"{mark}{self._count:019x}"

    def keep_file(self, content: bytes) -> str:
        name = self.new_id("f")
        self.files[name] = content
        return f"{self.url}/photos/{name}"

    def fail_next(self, method: str, failure: "Refused | str", times: int = 1) -> None:
        """A refusal, or "cut" where the connection breaks within the answer, "garbage" where it is no JSON."""
        self.failures.setdefault(method, []).extend([failure] * times)

    def calls_of(self, method: str) -> list[dict[str, Any]]:
        return [values for name, values in self.calls if name == method]

    def changed(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, holds: Callable[[], Any], what: Callable[[], str] = lambda: "it", seconds: float = 5) -> Any:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not (result := holds()):
                    await self._changed.wait()
                return result
        raise AssertionError(f"waited {seconds} s in vain for {what()}")

    async def all_heard(self, seconds: float = 5) -> None:
        """Waits until everything was polled, or taken by the webhook."""
        await self.until(lambda: not self.updates and not self.waiting, lambda: "everything to be heard", seconds)

    async def happens(self, event: dict[str, Any]) -> str:
        """Something for the bot; gives its message_id."""
        if self.webhook:
            self.waiting.append(event)
            chat = event["message"]["chat"]["id"]
            worker = asyncio.create_task(self._deliver(event, self._last_of.get(chat)))
            self._last_of[chat] = worker
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        else:
            self.updates.append(event)
        self.changed()
        return str(event["message"]["message_id"])

    async def post(self, body: Any, secret: bool = True, raw: bytes | None = None) -> int:
        """One call of the webhook; gives its answer's status."""
        assert self.webhook
        headers = {"Content-Type": "application/json"} | ({HEADER: self.webhook["secret_token"]} if secret else {})
        content = {"data": raw, "headers": headers} if raw is not None else {"json": body, "headers": headers}
        async with self._client.post(self.webhook["url"], **content) as answer:
            return answer.status

    async def _deliver(self, event: dict[str, Any], before: asyncio.Task[None] | None) -> None:
        """One person's in order; what is not taken comes again."""
        if before:
            await asyncio.wait([before])
        body = {"ok": True, "result": event} if self.wrapped else event
        wait, times = 1, 1 + self.duplicates
        while times:
            try:
                self.answers.append(status := await self.post(body))
            except aiohttp.ClientError:
                status = 0
            if 200 <= status < 300:
                times -= 1
            else:
                await asyncio.sleep(wait * self.second)
                wait = min(wait * 2, 60)
        self.waiting.remove(event)
        self.changed()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        values = await request.json() if request.content_type == "application/json" else dict(await request.post())
        self.calls.append((method, values))
        self.changed()
        try:
            failure = self.failures[method].pop(0) if self.failures.get(method) else None
            if isinstance(failure, Refused):
                raise failure
            if request.match_info["token"] != self.token:
                raise Refused(401, "Unauthorized")
            result = await self._answer(method, values)
        except Refused as refused:
            self.changed()
            if self.in_200:
                refused.status = 200
            return refused.response()
        self.changed()
        if failure == "garbage":
            return web.Response(text="<html>")
        return await self._say(request, {"ok": True, "result": result, "error_code": 0}, cut=failure == "cut")

    async def _say(self, request: web.Request, body: dict[str, Any], cut: bool) -> web.StreamResponse:
        answer = web.json_response(body)
        if not (cut or self.double_server):
            return answer
        assert request.transport
        content = answer.body if isinstance(answer.body, bytes) else b""
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nServer: ZServer\r\nServer: nginx\r\n"
        head += f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode()
        request.transport.write(head + (content[: len(content) // 2] if cut else content))  # type: ignore[attr-defined]
        request.transport.close()
        return answer

    async def _answer(self, method: str, values: dict[str, Any]) -> Any:
        now = int(time.time() * 1000)
        match method:
            case "getMe":
                me = {"id": BOT_ID, "account_name": "bot.VDKyGxQvc", "account_type": "BASIC", "can_join_groups": False}
                return me | {"display_name": "Bot Khuyến học"}
            case "getUpdates":
                return await self._get_updates(float(values.get("timeout", 30)))
            case "setWebhook":
                return await self._set_webhook(values, now)
            case "deleteWebhook":
                self.webhook = None
                return {"url": "", "updated_at": now}
            case "getWebhookInfo":
                if self.webhook is None:
                    raise Refused(404, "Not Found")
                return {"url": self.webhook["url"], "updated_at": now}
            case "sendMessage":
                return self._show(values, Message(_text(values, "text", 1)))
            case "sendPhoto":
                await self._fetch(str(values.get("photo", "")))
                return self._show(values, Message(_text(values, "caption", 0), "photo", values["photo"]))
        self.unknown.append(method)
        raise Refused(404, "Not Found")

    async def _fetch(self, url: str) -> None:
        """The platform shows what it finds there."""
        try:
            async with self._client.get(url) as answer:
                found = answer.status == 200 and answer.content_type.startswith("image/")
        except (aiohttp.ClientError, ValueError):
            found = False
        if not found:
            raise Refused(400, "Bad Request: photo")

    def _show(self, values: dict[str, Any], message: Message) -> dict[str, Any]:
        person = next((p for p in self.people.values() if p.chat == values.get("chat_id")), None)
        if person is None:
            raise Refused(400, "Bad Request: chat not found")
        if self.quota <= 0:
            raise Refused(429, "Quota exceeded")
        self.quota -= 1
        person.sees.append(message)
        return {"message_id": self.new_id("b"), "date": int(time.time() * 1000)}

    async def _get_updates(self, seconds: float) -> dict[str, Any]:
        if self.webhook:
            raise Refused(400, "Bad Request: webhook is set")
        if not self.updates and self.last:
            return self.last
        try:
            async with asyncio.timeout(seconds):
                while not self.updates and not self._stopping:
                    await self._changed.wait()
        except TimeoutError:
            raise Refused(408, "Request timeout") from None
        if self._stopping:
            raise Refused(408, "Request timeout")
        self.last = self.updates.pop(0)
        return self.last

    async def _set_webhook(self, values: dict[str, Any], now: int) -> dict[str, Any]:
        if not 8 <= len(values.get("secret_token", "")) <= 256:
            raise Refused(400, "Bad Request: secret_token")
        self.webhook = values
        probe = {"event_name": "webhook.test", "message": {"date": now // 1000, "message_id": "webhook-test", "text": "test"}}
        try:
            status = await self.post(probe)
        except aiohttp.ClientError:
            status = 0
        outcome = "webhook.ok" if status == 200 else f"webhook.http.{status}" if status else "webhook.err.unreachable"
        check = {"ok": status == 200, "url": values["url"], "status_code": status, "outcome": outcome, "hint": "…"}
        return {"url": values["url"], "updated_at": now, "verification": check}

    async def _serve_file(self, request: web.Request) -> web.Response:
        content = self.files.get(request.match_info["name"])
        return web.Response(status=404) if content is None else web.Response(body=content, content_type="image/jpeg")


def _text(values: dict[str, Any], field: str, least: int) -> str:
    text = values.get(field, "")
    if not isinstance(text, str) or not least <= units(text) <= 2000:
        raise Refused(400, f"Bad Request: {field} is invalid")
    return text
