"""A stand-in for the Zalo Official Account: its API, its consent, its webhook over real HTTP on this machine, and its people.

    async with ZaloOaApi.open() as api:
        an = api.person("An")
        await an.says("xin chào")
        await an.presses("Bắt đầu")

As strict as the platform is said to be: errors in a 200, single-use refresh tokens, windows by a clock that a test sets,
two seconds for the webhook, receipts and echoes after each message. A path that it does not know is an error of the test.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from bot.channels.cutting import units
from locales.text import HOME

APP_ID, APP_SECRET, SECRET_KEY = "360846524940903967", "app-secret-for-tests", "oa-secret-for-tests"
OA_ID = "388613280878808645"
FREE, REACHED = timedelta(hours=48), timedelta(days=7)
LADDER = (30, 300, 900, 1800, 3600)  # seconds until it is delivered again


class Refused(Exception):
    def __init__(self, code: int, message: str = "refused") -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass
class Message:
    """A message of the Official Account as the person sees it."""

    text: str
    kind: str = "text"  # text | photo | document | template
    choices: tuple[tuple[str, str], ...] = ()  # title, payload
    billed: bool = False

    @property
    def buttons(self) -> list[list[str]]:
        return [[title] for title, _payload in self.choices]


class Person:
    """Somebody who may follow the Official Account. `sees` are its messages, the oldest first."""

    def __init__(self, api: "ZaloOaApi", user: str, name: str) -> None:
        self.api, self.user, self.name = api, user, name
        self.follows, self.seen_at = True, api.now()
        self.sees: list[Message] = []

    async def says(self, text: str) -> str:
        """All of these give the msg_id."""
        return await self._sends("user_send_text", {"text": text})

    async def presses(self, label: str, message: Message | None = None) -> str:
        """The button with this label in `message`, or in the newest that has one: it comes back as text."""
        for shown in [message] if message else reversed(self.sees):
            for title, payload in shown.choices:
                if title == label:
                    return await self.says(payload)
        raise AssertionError(f"{self.name} sees no button {label!r}, but {[m.buttons for m in self.sees[-3:]]}")

    async def sends_photo(self, content: bytes, caption: str | None = None) -> str:
        url = self.api.keep_file(content)
        shown = {"attachments": [{"type": "image", "payload": {"thumbnail": url, "url": url}}]}
        return await self._sends("user_send_image", shown | ({"text": caption} if caption else {}))

    async def sends_document(self, content: bytes, name: str, caption: str | None = None) -> str:
        payload = {"url": self.api.keep_file(content), "size": str(len(content)), "name": name, "checksum": "…", "type": "pdf"}
        return await self._sends("user_send_file", {"attachments": [{"type": "file", "payload": payload}]})

    async def sends_other(self, kind: str) -> str:
        match kind:
            case "location":
                payload = {"coordinates": {"latitude": "10.764", "longitude": "106.656"}}
            case "voice":
                kind, payload = "audio", {"url": self.api.keep_file(b"amr")}
            case _:
                payload = {"url": self.api.keep_file(b"x"), "id": "1"}
        return await self._sends(f"user_send_{kind}", {"attachments": [{"type": kind, "payload": payload}]})

    async def turns(self, event: str) -> str:
        """follow or unfollow: no sender, other names."""
        self.follows, self.seen_at = event == "follow", self.api.now()
        return await self.api.happens({"event_name": event, "oa_id": OA_ID, "follower": {"id": self.user}, "source": "oa_profile"})

    async def submits_info(self, old: bool = False) -> str:
        more = {"phone": "84900000000"} | ({"address": "…", "ward": "…"} if old else {"user_dob": "…", "full_address": {}})
        return await self.api.happens(self._from() | {"event_name": "user_submit_info", "info": {"name": self.name} | more})

    async def withdraws(self) -> str:
        return await self.api.happens(self._from() | {"event_name": "user_withdraw"})

    async def waits_for(self, words: str, seconds: float = 5) -> Message:
        """The newest message with these words, once it is there."""
        found = lambda: next((m for m in reversed(self.sees) if words in m.text), None)  # noqa: E731
        return await self.api.until(found, lambda: f"{words!r} in {[m.text[:60] for m in self.sees[-4:]]}", seconds)

    def _from(self) -> dict[str, Any]:
        return {"sender": {"id": self.user}, "recipient": {"id": OA_ID}, "user_id_by_app": f"9{self.user}"}

    async def _sends(self, event: str, message: dict[str, Any]) -> str:
        self.seen_at = self.api.now()
        return await self.api.happens(self._from() | {"event_name": event, "message": message | {"msg_id": self.api.new_id()}})


class ZaloOaApi:
    """`second` is how long a second of the retry ladder lasts; `clock` gives the time of the windows and tokens."""

    def __init__(self) -> None:
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.second, self.duplicates, self.life, self.token_seconds = 0.0005, 0, 90_000, 0.0
        self.people: dict[str, Person] = {}
        self.calls: list[tuple[str, Any]] = []
        self.unknown: list[str] = []
        self.failures: dict[str, list[Refused | str]] = {}
        self.files: dict[str, bytes] = {}
        self.uploads: dict[str, datetime] = {}
        self.access: dict[str, datetime] = {}  # token -> its end
        self.refresh: dict[str, bool] = {}  # token -> still good
        self.challenges: dict[str, str] = {}  # code -> challenge
        self.refreshed = 0
        self.webhook: str | None = None
        self.waiting: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self._count = 0
        self._changed = asyncio.Event()
        self._workers: set[asyncio.Task[None]] = set()
        self._last_of: dict[str, asyncio.Task[None]] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls) -> AsyncIterator["ZaloOaApi"]:
        api = cls()
        app = web.Application(client_max_size=10 * 1024 * 1024)
        app.router.add_get("/photos/{name}", api._serve_file)
        app.router.add_post("/v4/oa/access_token", api._serve_tokens)
        app.router.add_route("*", "/{path:.*}", api._serve)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        api.host = f"127.0.0.1:{runner.addresses[0][1]}"
        api.url = f"http://{api.host}"
        api._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2))
        try:
            yield api
        finally:
            for worker in list(api._workers):
                worker.cancel()
            await asyncio.gather(*api._workers, return_exceptions=True)
            await api._client.close()
            await runner.cleanup()
            assert not api.unknown, f"the stand-in does not know {api.unknown}"

    def now(self) -> datetime:
        return self.clock()

    def new_id(self) -> str:
        self._count += 1
        return f"{self._count:020x}"

    def person(self, name: str) -> Person:
        if name not in self.people:
            self.people[name] = Person(self, f"24684588352919{len(self.people):04}", name)
        return self.people[name]

    def keep_file(self, content: bytes) -> str:
        name = self.new_id()
        self.files[name] = content
        return f"{self.url}/photos/{name}"

    def fail_next(self, path: str, failure: "Refused | str", times: int = 1) -> None:
        """A refusal; "cut" and "garbage" spoil the answer to what was done, "away" is a 502."""
        self.failures.setdefault(path, []).extend([failure] * times)

    def calls_of(self, path: str) -> list[Any]:
        return [values for name, values in self.calls if name == path]

    def consent(self, challenge: str) -> str:
        """What comes of the page where somebody consents: a code."""
        code = f"code-{self.new_id()}"
        self.challenges[code] = challenge
        return code

    def tokens(self) -> dict[str, str]:
        """A new pair."""
        pair = {"access_token": f"access-{self.new_id()}", "refresh_token": f"refresh-{self.new_id()}"}
        self.access[pair["access_token"]] = self.now() + timedelta(seconds=self.life)
        self.refresh[pair["refresh_token"]] = True
        return pair | {"expires_in": str(self.life)}

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
        """Waits until the webhook took everything."""
        await self.until(lambda: not self.waiting, lambda: "everything to be heard", seconds)

    async def happens(self, event: dict[str, Any]) -> str:
        """Something for the webhook; gives its msg_id, if it has one."""
        event = {"app_id": APP_ID, **event, "timestamp": str(int(self.now().timestamp() * 1000) + self._count)}
        self.waiting.append(event)
        who = (event.get("sender") or event.get("follower") or {}).get("id", "")
        worker = asyncio.create_task(self._deliver(event, self._last_of.get(who)))
        self._last_of[who] = worker
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)
        return str(event.get("message", {}).get("msg_id", ""))

    async def post(self, raw: bytes, signed: bool = True, tries: int = 0, prefix: str = "mac=") -> int:
        """One call of the webhook; gives its answer's status."""
        assert self.webhook
        headers = {"Content-Type": "application/json"} | ({"num_retry": str(tries)} if tries else {})
        if signed:
            headers["X-ZEvent-Signature"] = prefix + signature(raw)
        async with self._client.post(self.webhook, data=raw, headers=headers) as answer:
            return answer.status

    async def _deliver(self, event: dict[str, Any], before: asyncio.Task[None] | None) -> None:
        if before:
            await asyncio.wait([before])
        raw = json.dumps(event, ensure_ascii=False).encode()
        for tries, wait in enumerate((*LADDER, 0)):
            try:
                status = await self.post(raw, tries=tries)
            except (aiohttp.ClientError, TimeoutError):
                status = 0
            self.answers.append(status)
            if status == 200:
                for _again in range(self.duplicates):
                    self.answers.append(await self.post(raw, tries=1))
                break
            await asyncio.sleep(wait * self.second)
        self.waiting.remove(event)
        self.changed()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path, values = f"/{request.match_info['path']}", await _values(request)
        self.calls.append((path, values))
        self.changed()
        failure = self.failures[path].pop(0) if self.failures.get(path) else None
        if failure == "away":
            return web.Response(status=502, text="Bad Gateway")
        try:
            if isinstance(failure, Refused):
                raise failure
            self._check(request.headers.get("access_token"))
            data = self._answer(path, values)
        except Refused as refused:
            return web.json_response({"error": refused.code, "message": refused.message})
        except LookupError:
            self.unknown.append(path)
            return web.Response(status=404, text="You are accessing an empty or invalid API")
        self.changed()
        body = json.dumps({"data": data, "error": 0, "message": "Success"}).encode()
        if failure in ("cut", "garbage"):
            answer = web.StreamResponse(headers={"Content-Length": str(len(body))})
            await answer.prepare(request)
            await answer.write(body[: len(body) // 2] if failure == "cut" else b"<" * len(body))
            if failure == "cut" and request.transport:
                request.transport.close()
            return answer
        return web.Response(body=body, content_type="application/json")

    def _check(self, token: str | None) -> None:
        ends = self.access.get(token or "")
        if ends is None:
            raise Refused(-216, "Access token is invalid")
        if ends <= self.now():
            raise Refused(-216, "Access token has expired")

    def _answer(self, path: str, values: Any) -> dict[str, Any]:
        match path:
            case "/v3.0/oa/message/cs":
                return self._cs(values["recipient"]["user_id"], values["message"])
            case "/v3.0/oa/message/template":
                if not 6 <= self.now().astimezone(HOME).hour < 22:
                    raise Refused(-234, "forbidden at night")
                person = self._user(values["user_id"])
                person.sees.append(Message(values["template_data"]["noi_dung"], "template", billed=True))
                return {"message_id": self.new_id(), "quota": {}}
            case "/v2.0/oa/upload/image":
                if len(values["file"]) > 1024 * 1024:
                    raise Refused(-210, "file is too large")
                if not values["file"].startswith((b"\xff\xd8", b"\x89PNG")):
                    raise Refused(-201, "file is invalid. We only support png and jpeg")
                return {"attachment_id": self._kept("image")}
            case "/v2.0/oa/upload/file":
                return {"token": self._kept("file")}
            case "/v2.0/oa/getoa":
                return {"oa_id": OA_ID, "name": "Hội Khuyến học xã Cẩm Bình", "is_verified": True}
        raise LookupError(path)

    def _cs(self, user: str, message: dict[str, Any]) -> dict[str, Any]:
        person = self._user(user)
        if not person.follows:
            raise Refused(-213, "user has not followed the OA")
        silent = self.now() - person.seen_at
        if silent > REACHED:
            raise Refused(-230, "no interaction in 7 days")
        if units(message.get("text", "")) > 2000:
            raise Refused(-201, "text is invalid")
        shown = self._shown(message)
        shown.billed = silent > FREE
        person.sees.append(shown)
        name = self.new_id()
        for event, sender in (("oa_send_text", OA_ID), ("user_received_message", OA_ID)):
            echo = {"event_name": event, "sender": {"id": sender}, "recipient": {"id": user}, "message": {"msg_id": name, "text": shown.text}}
            if self.webhook:
                task = asyncio.ensure_future(self.happens(echo))
                self._workers.add(task)  # type: ignore[arg-type]
                task.add_done_callback(self._workers.discard)  # type: ignore[arg-type]
        return {"message_id": name, "user_id": user}

    def _shown(self, message: dict[str, Any]) -> Message:
        attachment = message.get("attachment", {})
        payload, text = attachment.get("payload", {}), message.get("text", "")
        if payload.get("template_type") == "request_user_info":
            (element,) = payload["elements"]
            if len(element["title"]) > 100 or len(element["subtitle"]) > 500 or not element["image_url"]:
                raise Refused(-201, "elements is invalid")
            return Message(element["title"], "request")
        if attachment.get("type") == "file":
            self._is_kept(payload["token"])
            return Message(text, "document")
        if payload.get("template_type") == "media":
            self._is_kept(payload["elements"][0]["attachment_id"])
            return Message(text, "photo")
        if not text:
            raise Refused(-201, "text is invalid")
        buttons = payload.get("buttons", [])
        for button in buttons:
            if button["type"] != "oa.query.hide" or len(button["title"]) > 100 or len(button["payload"]) > 1000:
                raise Refused(-201, "buttons is invalid")
        if len(buttons) > 5:
            raise Refused(-201, "buttons is invalid")
        return Message(text, choices=tuple((button["title"], button["payload"]) for button in buttons))

    def _user(self, user: Any) -> Person:
        found = next((person for person in self.people.values() if person.user == user), None)
        if found is None:
            raise Refused(-201, "user_id is invalid")
        return found

    def _kept(self, kind: str) -> str:
        name = f"ATT-{kind}-{self.new_id()}"
        self.uploads[name] = self.now() + timedelta(days=7)
        return name

    def _is_kept(self, name: str) -> None:
        if name not in self.uploads or self.uploads[name] <= self.now():
            raise Refused(-100, "attachment is expired")

    async def _serve_tokens(self, request: web.Request) -> web.Response:
        values = dict(await request.post())
        self.calls.append(("/v4/oa/access_token", values))
        await asyncio.sleep(self.token_seconds)
        failure = self.failures["tokens"].pop(0) if self.failures.get("tokens") else None
        if failure == "away":
            return web.Response(status=502, text="Bad Gateway")
        if isinstance(failure, Refused):
            return web.json_response({"error": failure.code, "message": failure.message})
        if request.headers.get("secret_key") != APP_SECRET:
            return web.Response(status=404, text="You are accessing an empty or invalid API")
        if values.get("app_id") != APP_ID:
            return web.json_response({"error": -14002, "error_name": "Invalid app id"})
        if values.get("grant_type") == "authorization_code":
            challenge = self.challenges.pop(str(values.get("code")), None)
            if challenge is None or challenge != challenge_of(str(values.get("code_verifier"))):
                return web.json_response({"error": -14003, "message": "Invalid code verifier"})
        elif not self.refresh.get(str(values.get("refresh_token"))):
            return web.json_response({"error": -118, "message": "invalid_grant"})
        else:
            self.refresh[str(values["refresh_token"])] = False
            self.refreshed += 1
        pair = self.tokens()
        self.changed()
        if failure == "lost":
            assert request.transport
            request.transport.abort()  # type: ignore[attr-defined]
        return web.json_response(pair)

    async def _serve_file(self, request: web.Request) -> web.Response:
        content = self.files.get(request.match_info["name"])
        return web.Response(status=404) if content is None else web.Response(body=content, content_type="image/jpeg")


def signature(raw: bytes) -> str:
    timestamp = ""
    for read in (orjson.loads, json.loads):  # one knows no half emoji, the other nothing deep
        with contextlib.suppress(ValueError, AttributeError, RecursionError):
            timestamp = str(read(raw).get("timestamp", ""))
    return hashlib.sha256(APP_ID.encode() + raw + timestamp.encode("utf-8", "surrogatepass") + SECRET_KEY.encode()).hexdigest()


def challenge_of(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


async def _values(request: web.Request) -> Any:
    if request.content_type == "application/json":
        return await request.json()
    return {name: value.file.read() if isinstance(value, web.FileField) else value for name, value in (await request.post()).items()}
