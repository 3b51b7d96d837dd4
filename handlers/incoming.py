"""What a person did, as every channel reports it."""

from dataclasses import dataclass, field

# Never changed once made; but `frozen` would make each four times as slow.


@dataclass(slots=True)
class StoredFile:
    """A file that lies in the file store."""

    sha256: str
    media_type: str
    size: int  # bytes
    name: str | None = None


@dataclass(slots=True)
class Said:
    text: str


@dataclass(slots=True)
class Pressed:
    token: str
    message_id: str | None = None  # the message that carried the button


@dataclass(slots=True)
class Opened:
    """A link or a QR code was opened; its payload is input like any other. Many platforms say it as the text `/start payload`."""

    payload: str


@dataclass(slots=True)
class Sent:
    """A photo, a file, or something that we cannot read (voice, sticker, video, contact, location).

    `reference` is the channel's own handle; intake replaces it by `stored`, or says in `problem` why it
    could not: too_big, not_readable, not_fetched.
    """

    kind: str  # photo | file | voice | sticker | video | location | contact | other
    reference: str | None = None
    name: str | None = None
    size: int | None = None
    caption: str | None = None
    stored: StoredFile | None = None
    problem: str | None = None


@dataclass(slots=True)
class Left:
    """The person does not want to hear from us at this address: stopped following, blocked."""


@dataclass(slots=True)
class Withdrew:
    """The person asks, through the platform, that what is kept about them be erased."""


@dataclass(slots=True)
class Resumed:
    """Nobody spoke: the talk is to go on at this address, because it cannot where it was."""


Meaning = Said | Pressed | Opened | Sent | Left | Withdrew | Resumed


@dataclass(slots=True)
class Incoming:
    """One message from one address. `key` is what the platform calls it: the same key is the same message."""

    key: str
    address: str
    meaning: Meaning
    language: str | None = None  # what the person's app is set to
    origin: str | None = field(default=None, compare=False)  # how to acknowledge a press, for the channel itself
