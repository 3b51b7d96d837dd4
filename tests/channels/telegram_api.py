"""A stand-in for Telegram: the Bot API over real HTTP on this machine, and the people who use it.

    async with TelegramApi.open() as api:            # or: api = await TelegramApi.start(); …; await api.stop()
        an = api.person(77, "An")
        await an.says("xin chào")
        message = await an.waits_for("Mời ông/bà")
        await an.presses("Đồng ý")

It is as strict as Telegram: unknown chats, long texts, buttons over 64 bytes, edits that change nothing are refused.
A method that it does not know is an error of the test: `stop` fails.
"""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from tests.channels.telegram_methods import METHODS, Problem, Webhook
from tests.channels.telegram_people import Person

TOKEN = "123456:TEST-TOKEN"
LONGEST_POLL = 50  # seconds
TEXTS = ("text", "caption", "secret_token", "url", "file_id", "callback_query_id")
CONFLICT = "Conflict: terminated by {} request"
ONE_INSTANCE = CONFLICT.format("other getUpdates") + "; make sure that only one bot instance is running"
WEBHOOK_IS_SET = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"


@dataclass(frozen=True)
class Call:
    """What the bot asked for."""

    method: str
    values: dict[str, Any]


class TelegramApi:
    """`second` is how long a second lasts between two deliveries to the webhook; everything else is in real time."""

    def __init__(self, token: str = TOKEN) -> None:
        self.token, self.delay, self.second, self.duplicates = token, 0.0, 0.02, 0
        self.people: dict[int, Person] = {}
        self.calls: list[Call] = []
        self.unknown: list[str] = []
        self.failures: dict[str, list[Problem]] = {}
        self.files: dict[str, bytes] = {}
        self.commands: dict[str, list[dict[str, str]]] = {}
        self.answered: set[str] = set()
        self.queries: set[str] = set()
        self.updates: dict[int, dict[str, Any]] = {}  # not confirmed yet
        self.deliveries: list[tuple[int, int]] = []  # (update_id, the webhook's answer)
        self.webhook: Webhook | None = None
        self.doors: list[str] = []  # where a proxy in front of several processes would pass the webhook's calls on to
        self.allowed: list[str] = []
        self.url = ""
        self._numbers: dict[str, int] = {}
        self._changed = asyncio.Event()
        self._poll: asyncio.Future[str] | None = None
        self._last_poll: tuple[int | None, float] = (None, 0.0)
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._stopping = False
        self._runner: web.AppRunner
        self._client: aiohttp.ClientSession

    @classmethod
    async def start(cls, token: str = TOKEN) -> "TelegramApi":
        api = cls(token)
        app = web.Application(client_max_size=60 * 1024 * 1024)
        app.router.add_route("*", "/bot{token}/{method}", api._serve)
        app.router.add_get("/file/bot{token}/{path:.+}", api._serve_file)
        api._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await api._runner.setup()
        site = web.TCPSite(api._runner, "127.0.0.1", 0)
        await site.start()
        api.url = f"http://127.0.0.1:{api._runner.addresses[0][1]}"
        api._client = aiohttp.ClientSession()
        return api

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, token: str = TOKEN) -> AsyncIterator["TelegramApi"]:
        api = await cls.start(token)
        try:
            yield api
        finally:
            await api.stop()

    async def stop(self) -> None:
        """Fails where the bot called a method that does not exist here."""
        self._stopping = True
        self.end_poll("Internal Server Error: restart")
        for worker in self._workers.values():
            worker.cancel()
        await asyncio.gather(*self._workers.values(), return_exceptions=True)
        await self._client.close()
        await self._runner.cleanup()
        assert not self.unknown, f"the stand-in does not know {self.unknown}"

    def person(self, number: int, name: str = "An", language: str = "vi") -> Person:
        """Somebody who has opened the bot; the same person for the same number."""
        return self.people.setdefault(number, Person(self, number, name, language))

    def block(self, number: int, blocked: bool = True) -> None:
        self.person(number).blocked = blocked

    def fail_next(self, method: str, code: int, description: str = "", retry_after: int | None = None, times: int = 1) -> None:
        """The next calls of `method` fail; for a download say "file"."""
        self.failures.setdefault(method, []).extend([Problem(code, description, retry_after)] * times)

    def calls_of(self, method: str) -> list[dict[str, Any]]:
        return [call.values for call in self.calls if call.method == method]

    def number(self, of: str, first: int = 1) -> int:
        """The next number of this kind."""
        self._numbers[of] = self._numbers.get(of, first - 1) + 1
        return self._numbers[of]

    def keep_file(self, content: bytes, name: str) -> str:
        """Puts a file on the server; gives its file_id."""
        file_id = f"FILE-{self.number('file')}-{name}"
        self.files[file_id] = content
        return file_id

    def add_update(self, **content: Any) -> int:
        """Something happened; gives its update_id, or 0 where the bot has not asked for such things."""
        if self.allowed and not content.keys() & set(self.allowed):
            return 0
        number = self.number("update", first=900_000_001)
        self.updates[number] = {"update_id": number, **content}
        self.changed()
        if self.webhook:
            self.deliver()
        return number

    def changed(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def until(self, holds: Callable[[], Any], what: Callable[[], str] = lambda: "it", seconds: float = 5) -> Any:
        """Waits until `holds` gives something true, and gives it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not (result := holds()):
                    await self._changed.wait()
                return result
        raise AssertionError(f"waited {seconds} s in vain for {what()}")

    @property
    def is_polled(self) -> bool:
        """Whether a long poll waits right now."""
        return self._poll is not None

    async def all_heard(self, seconds: float = 5) -> None:
        """Waits until the bot has confirmed everything."""
        await self.until(lambda: not self.updates, lambda: f"{list(self.updates)} to be confirmed", seconds)

    async def _serve(self, request: web.Request) -> web.Response:
        method, values = request.match_info["method"], await _values(request)
        self.calls.append(Call(method, values))
        self.changed()
        await asyncio.sleep(self.delay)
        try:
            return web.json_response({"ok": True, "result": await self._answer(request, method, values)})
        except Problem as problem:
            return problem.response()

    async def _answer(self, request: web.Request, method: str, values: dict[str, Any]) -> Any:
        self._fail_if_told(method)
        if (given := request.match_info["token"]) != self.token:
            raise Problem(401, "Unauthorized") if ":" in given else Problem(404, "Not Found")
        if method == "getUpdates":
            return await self._get_updates(values)
        if method not in METHODS:
            self.unknown.append(method)
            raise Problem(404, "Not Found: method not found")
        result = METHODS[method](self, values)
        self.changed()
        return result

    def _fail_if_told(self, method: str) -> None:
        if self.failures.get(method):
            raise self.failures[method].pop(0)

    async def _serve_file(self, request: web.Request) -> web.Response:
        await asyncio.sleep(self.delay)
        try:
            self._fail_if_told("file")
        except Problem as problem:
            return problem.response()
        content = self.files.get(request.match_info["path"].removeprefix("files/"))
        if content is None or request.match_info["token"] != self.token:
            return Problem(404, "Not Found").response()
        return web.Response(body=content, content_type="application/octet-stream")

    async def _get_updates(self, values: dict[str, Any]) -> list[dict[str, Any]]:
        if self.webhook:
            raise Problem(409, WEBHOOK_IS_SET)
        self.end_poll(ONE_INSTANCE)
        if values.get("allowed_updates"):
            self.allowed = values["allowed_updates"]
        offset = values.get("offset")
        for number in [number for number in self.updates if offset is not None and number < offset]:
            del self.updates[number]
        self.changed()
        if not self.updates and values.get("timeout"):
            await self._wait_for_update(min(values["timeout"], LONGEST_POLL))
        return list(self.updates.values())[: self._most(offset, values.get("limit", 100))]

    def _most(self, offset: int | None, limit: int) -> int:
        """Asked again within half a second with the same offset, Telegram gives one update."""
        now = asyncio.get_running_loop().time()
        (last_offset, last_at), self._last_poll = self._last_poll, (offset, now)
        return 1 if offset is not None and offset == last_offset and now - last_at < 0.5 and self.updates else limit

    async def _wait_for_update(self, seconds: float) -> None:
        self._poll = poll = asyncio.get_running_loop().create_future()
        self.changed()
        try:
            async with asyncio.timeout(seconds):
                while not self.updates and not poll.done():
                    await self._changed.wait()
        except TimeoutError:
            return
        finally:
            if self._poll is poll:
                self._poll = None
        if poll.done():
            raise Problem(500 if self._stopping else 409, poll.result())

    def end_poll(self, reason: str) -> None:
        if self._poll and not self._poll.done():
            self._poll.set_result(reason)
            self.changed()

    def set_webhook(self, webhook: Webhook | None) -> None:
        self.webhook = webhook
        if webhook:
            self.end_poll(CONFLICT.format("setWebhook"))
            self.deliver()

    def deliver(self) -> None:
        """One worker for each chat's messages, another for the same person's presses: they may overtake each other."""
        for update in self.updates.values():
            key = _key(update)
            if key not in self._workers or self._workers[key].done():
                self._workers[key] = asyncio.create_task(self._deliver_all(key))

    async def _deliver_all(self, key: str) -> None:
        while self.webhook and (update := next((u for u in self.updates.values() if _key(u) == key), None)):
            await self._deliver(self.webhook, update)
            for _again in range(self.duplicates):
                await self._post(self.webhook, update)
            self.updates.pop(update["update_id"], None)
            self.changed()

    async def _deliver(self, webhook: Webhook, update: dict[str, Any]) -> None:
        """Tries until it is accepted: at once, then after 2, 4, 8 … seconds, or as long as the bot asks."""
        wait = 0.0
        while True:
            status, retry_after = await self._post(webhook, update)
            if 200 <= status < 300:
                return
            await asyncio.sleep((wait if retry_after is None else min(retry_after, 3600)) * self.second)
            wait = min(max(wait * 2, 2), 60)

    async def _post(self, webhook: Webhook, update: dict[str, Any]) -> tuple[int, float | None]:
        headers = {"X-Telegram-Bot-Api-Secret-Token": webhook.secret} if webhook.secret else {}
        url = random.choice(self.doors) + urlsplit(webhook.url).path if self.doors else webhook.url
        try:
            async with webhook.connections, self._client.post(url, json=update, headers=headers) as answer:
                status, retry_after = answer.status, answer.headers.get("Retry-After")
                asked = await answer.json() if status == 200 and answer.content_type == "application/json" else {}
        except aiohttp.ClientError:
            status, retry_after, asked = 0, None, {}
        if method := asked.pop("method", None):
            # A method may be called in the answer; nobody learns what came of it.
            self.calls.append(Call(method, asked))
            with contextlib.suppress(Problem):
                METHODS[method](self, asked)
        webhook.last_error = None if 200 <= status < 300 else f"Wrong response from the webhook: {status}"
        self.deliveries.append((update["update_id"], status))
        self.changed()
        return status, None if retry_after is None else float(retry_after)


def _key(update: dict[str, Any]) -> str:
    if query := update.get("callback_query"):
        return f"press {query['from']['id']}"
    message = update.get("message") or update.get("edited_message") or {"chat": {"id": 0}}
    return f"chat {message['chat']['id']}"


async def _values(request: web.Request) -> dict[str, Any]:
    """The parameters, however they came: in the address, as a form, with files, as JSON."""
    values: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        values |= await request.json()
    else:
        for name, value in (await request.post()).items():
            values[name] = value.file.read() if isinstance(value, web.FileField) else value
            if isinstance(value, web.FileField):
                values[f"{name} name"] = value.filename
    return {name: _plain(name, value) for name, value in values.items()}


def _plain(name: str, value: Any) -> Any:
    """Numbers, lists and objects come as JSON; a text stays what it is."""
    if name in TEXTS or name.endswith(" name") or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
