"""The contract of a channel: one way to hear and to speak. What a channel can do is data."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple, Protocol

from aiohttp import web

from handlers.incoming import Incoming, Sent

# Said where not even the person's language can be looked up.
BUSY = "Hệ thống đang bận, ông/bà chờ một chút. Tin vừa gửi không mất, trợ lý sẽ trả lời ngay khi được."
# For what is in hand when a channel stops. What is left comes again; with the messages still to be sent, a process ends
# within ten seconds.
FINISH_SECONDS = 2
Receive = Callable[[Incoming], Awaitable["Receipt"]]


Buttons = Sequence[Sequence[Sequence[str]]]  # rows of (label, token)


@dataclass(frozen=True)
class Receipt:
    """What became of an incoming message: `again` where it had been heard before, `busy` where it was not taken."""

    again: bool = False
    busy: bool = False


@dataclass(frozen=True)
class Can:
    """What a channel can do."""

    text_limit: int  # UTF-16 units
    label: str = ""  # what people call it
    buttons: bool = True  # where there are none, offers are written as a numbered list
    most_buttons: int | None = None  # below one message; the rest behind "Xem thêm"
    edits: bool = True
    unasked_per_second: float | None = None  # messages that nobody waits for, of all processes together; None: any number
    seconds_between: float = 0  # … to one chat
    in_place: bool = False  # a call each: an answered question becomes the next rather than a line above it
    files: bool = True  # pictures and documents can be shown
    keeps_history: bool = True  # the platform shows what was said before; otherwise we do
    window: timedelta | None = None  # after the person was heard, for which they can be told something unasked; None: always
    templates: frozenset[str] = frozenset()  # the kinds of notice that reach a person beyond the window
    pushes: bool = True  # what is said reaches the person's phone; otherwise it lies ready until they come
    most_a_month: int | None = None  # messages
    most_people: int | None = None


@dataclass(frozen=True)
class Attachment:
    """A file to be shown: a picture, or a document with its name. `url` is where the platform may fetch it, if anywhere."""

    kind: str  # photo | file
    content: bytes
    name: str
    media_type: str
    sha256: str
    url: str | None = None


class Outgoing(NamedTuple):
    """One message for one chat, in that reader's words."""

    chat: str  # the address without the channel's name
    delivery_id: int
    text: str
    buttons: Buttons = ()
    attachment: Attachment | None = None
    kind: str | None = None  # what sort of notice
    outside: bool = False  # beyond the channel's window: as the approved template of this kind
    wants_name: bool = False  # the reader's own, which the channel may let them share
    begun: int = 0  # so many of its pieces have arrived already


class Edit(NamedTuple):
    """A change of a message that was sent: None keeps its text."""

    chat: str
    delivery_id: int  # the delivery whose message changes
    message_id: str
    text: str | None
    buttons: Buttons = ()


class SendError(Exception):
    """This message will never arrive; the reason is for the log."""


class NotThere(SendError):
    """The message that was to be changed is gone, or cannot be changed."""


class TryAgain(SendError):
    """Not now; `after` seconds from now. `too_fast` where the platform complains of the pace; `begun` pieces have arrived."""

    def __init__(self, reason: str, after: float, too_fast: bool = False) -> None:
        super().__init__(reason)
        self.after, self.too_fast, self.begun = after, too_fast, 0


class NotNow(TryAgain):
    """This message waits; what else there is for the same person need not."""


class Unreachable(SendError):
    """The person cannot be reached at this address any more."""


class NotFetched(Exception):
    """A file that a person sent could not be fetched from the platform."""


class Channel(Protocol):
    """One way to hear and to speak."""

    name: str
    can: Can

    def routes(self, receive: Receive) -> Iterable[web.AbstractRouteDef]:
        """What this channel serves over HTTP: its webhook, its page."""

    async def start(self, receive: Receive) -> None:
        """Begins to hear; every message goes through `receive`, whose return means that it is safe."""

    async def stop(self) -> None:
        """Stops hearing; what is in hand is finished."""

    async def send(self, message: Outgoing) -> str:
        """Sends, and gives the platform's name for the message, or "" where it arrived and the name is not known.

        Raises TryAgain, Unreachable or SendError.
        """

    async def edit(self, change: Edit) -> None:
        """Changes a sent message. Raises like `send`, and NotThere."""

    async def fetch(self, sent: Sent) -> bytes:
        """The content of a file that a person sent. Raises NotFetched."""

    def link(self, payload: str) -> str | None:
        """The address that opens this channel with a payload, if it has one."""


class ChannelProblem(Exception):
    """A channel's settings cannot be right; one line that names the setting."""
