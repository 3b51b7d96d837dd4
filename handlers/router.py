"""Finds the function: a button carries its own address, a command names one, anything else goes where the talk waits."""

import re
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from inspect import signature
from typing import Any, Literal, get_type_hints

from handlers.errors import Misheard, UnknownCall
from handlers.incoming import Opened, Pressed, Resumed, Said, Withdrew
from handlers.turn import Turn
from locales import _
from locales.folding import fold
from storage.offers import offers_of

FORGETS_AFTER = timedelta(hours=12)
LONGEST_TOKEN = 64  # bytes; what the narrowest channel with buttons allows
_WORD = r"[A-Za-z0-9_.\-]{1,40}"
_ORDINAL = re.compile(r"(?:số |so )?(\d{1,3})[.)]?", re.IGNORECASE | re.ASCII)
_NUMBER = r"[0-9]{1,9}"  # no number of ours is longer, and the databases' integers hold it
Handler = Callable[..., Awaitable[None]]


class Named:
    """A function that a button, a page or a waiting conversation can call by name."""

    def __init__(self, name: str, function: Handler, kind: Literal["call", "page", "hears"]) -> None:
        self.name, self.function, self.kind = name, function, kind
        hints, self.parameters = get_type_hints(function), list(signature(function).parameters)[1:]
        self.types = [hints[parameter] for parameter in self.parameters]
        self.whole = re.compile(":".join([re.escape(name), *(f"({_NUMBER if kind is int else _WORD})" for kind in self.types)]))
        self.numbers = [at for at, kind in enumerate(self.types) if kind is int]
        self.files = False
        self.__doc__ = function.__doc__

    def token(self, *args: int | str) -> str:
        """The call as it is written into a button or into the conversation's row."""
        token = ":".join([self.name, *map(str, args)])
        if len(token) > LONGEST_TOKEN:
            raise ValueError(f"the call {token} is longer than {LONGEST_TOKEN} bytes")
        if not self.whole.fullmatch(token):
            raise UnknownCall(self.name)
        return token

    def read(self, token: str) -> list[Any]:
        """The call's arguments in their types. Raises UnknownCall where they do not fit."""
        found = self.whole.fullmatch(token)
        if found is None:
            raise UnknownCall(self.name)
        args: list[Any] = list(found.groups())
        for at in self.numbers:
            args[at] = int(args[at])
        return args

    async def __call__(self, turn: Turn, *args: Any) -> None:
        await self.go(turn, args)

    async def go(self, turn: Turn, args: Iterable[Any], token: str | None = None) -> None:
        """Runs it; `token` is the call as it was written, where it was."""
        if self.kind != "page":
            return await self.function(turn, *args)
        outer, turn.page = turn.page, token or self.token(*args)
        await self.function(turn, *args)
        turn.page = outer


class Router:
    """The named calls and commands of one slice, or of all slices together."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.calls: dict[str, Named] = {}
        self.commands: dict[str, Named] = {}
        self.payloads: dict[str, Named] = {}

    def call(self, function: Handler) -> Named:
        """What a button does."""
        return self._add(function, "call")

    def page(self, function: Handler) -> Named:
        """Something that is shown, and can be shown again: where the person is."""
        return self._add(function, "page")

    def hears(self, function: Handler) -> Named:
        """What free text means while the conversation waits here; no button leads here."""
        return self._add(function, "hears")

    def hears_files(self, function: Handler) -> Named:
        """The same where a photo or a file is welcome too."""
        named = self._add(function, "hears")
        named.files = True
        return named

    def takes_files(self, token: str) -> bool:
        """Whether the call that waits wants photos and files."""
        named = self.calls.get(token.partition(":")[0])
        return named is not None and named.files

    def paper_of(self, token: str) -> int | None:
        """The paper that a call is about, where its first argument is one."""
        named, token = self._find(token)
        if named is None or named.parameters[:1] != ["paper_id"]:
            return None
        found = named.whole.fullmatch(token)
        return int(found[1]) if found else None

    def _find(self, token: str) -> tuple[Named | None, str]:
        """The call, and the token with its present name: a button may bear a former one."""
        name, colon, rest = token.partition(":")
        named = self.calls.get(name)
        return named, token if named is None or name == named.name else named.name + colon + rest

    def formerly(self, name: str) -> Callable[[Named], Named]:
        """Keeps a released name alive after a rename."""

        def keep(named: Named) -> Named:
            self.calls[name] = named
            return named

        return keep

    def command(self, *words: str) -> Callable[[Named], Named]:
        """The commands, and the words typed without a slash, that lead to a page without arguments."""

        def add(named: Named) -> Named:
            self.commands.update({fold(word): named for word in words})
            return named

        return add

    def opens(self, prefix: str) -> Callable[[Named], Named]:
        """The deep links whose payload begins with `prefix`; the rest of the payload is the argument."""

        def add(named: Named) -> Named:
            self.payloads[prefix] = named
            return named

        return add

    def include(self, *slices: "Router") -> "Router":
        for part in slices:
            self.calls |= part.calls
            self.commands |= part.commands
            self.payloads |= part.payloads
        return self

    async def run(self, turn: Turn, token: str) -> None:
        """Goes to a named call. Raises UnknownCall where the token is not one of ours."""
        named, token = self._find(token)
        if named is None or named.kind == "hears":
            raise UnknownCall(token.partition(":")[0][:40])
        await named.go(turn, named.read(token), token)

    async def route(self, turn: Turn) -> None:
        """Finds and runs what this turn's message means."""
        match turn.incoming.meaning:
            case Pressed(token):
                await self.run(turn, token)
            case Opened(payload):
                await self._open(turn, payload)
            case Said(text) if text.startswith("/"):
                await self._command(turn, text)
            case Resumed():
                await self.run(turn, "link.resumed")
            case Withdrew():
                await self.calls["mydata.erase"](turn)
            case Said(text) if token := await _chosen(turn, text):
                await self.run(turn, token)
            case Said(text) if len(text) < LONGEST_TOKEN and (named := self.commands.get(fold(text))):
                await named(turn)
            case _:
                await self._hear(turn)

    async def _command(self, turn: Turn, text: str) -> None:
        """A command; an unknown one gets the list of those that there are."""
        head, _space, rest = text.strip().partition(" ")
        if head == "/start" and rest:
            return await self._open(turn, rest.strip())
        # Telegram writes /trogiup@ten_bot in groups.
        named = self.commands.get(fold(head.partition("@")[0])) or self.commands["trogiup"]
        await named(turn)

    async def _open(self, turn: Turn, payload: str) -> None:
        for prefix, named in self.payloads.items():
            if payload.startswith(prefix) and re.fullmatch(_WORD, payload):
                return await named(turn, payload.removeprefix(prefix))
        await self.commands["start"](turn)

    async def _hear(self, turn: Turn) -> None:
        waits = turn.conversation.waits
        if turn.elsewhere and isinstance(turn.incoming.meaning, Said):
            turn.reply(_("Mời {you} làm tiếp từ đây."))
            return await self.run(turn, turn.conversation.here or "account.menu")
        if waits is None:
            raise Misheard(_("Trợ lý chưa hiểu ý {you}. {You} chọn một mục bên dưới, hoặc gõ số thứ tự, ví dụ: 1."))
        if turn.idle > FORGETS_AFTER and turn.conversation.here:
            # Who comes back after months says hello; that is no answer to a question long scrolled away.
            turn.reply(_("Mừng {you} trở lại. Mời {you} làm tiếp từ đây."))
            return await self.run(turn, turn.conversation.here)
        named, token = self._find(waits)
        if named is None:
            raise KeyError(waits)
        await named(turn, *named.read(token))

    def _add(self, function: Handler, kind: Literal["call", "page", "hears"]) -> Named:
        named = Named(f"{self.name}.{function.__name__}", function, kind)
        self.calls[named.name] = named
        return named


async def _chosen(turn: Turn, text: str) -> str | None:
    """The call that the typed words choose among those offered here."""
    return None if turn.elsewhere else offered(await offers_of(turn.session, turn.conversation), text)


def counts(labels: Iterable[str]) -> bool:
    """Whether some answers are numbers themselves: "7" among 0, 1, 2, 3 is a count, not the seventh button."""
    return any(label.isdecimal() for label in labels)


def offered(offers: list[list[str]], text: str) -> str | None:
    """The call that the typed words choose among those offered last: by label, with or without tone marks, or by number."""
    typed, bare = fold(text), text.strip()
    for label, token in offers:
        if bare == label or (typed and not typed.isdecimal() and fold(label) == typed):
            return token
    number = _ORDINAL.fullmatch(bare)
    if number and not counts(label for label, _token in offers) and 1 <= int(number[1]) <= len(offers):
        return offers[int(number[1]) - 1][1]
    return None
