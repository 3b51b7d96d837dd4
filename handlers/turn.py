"""A turn: one person says something, and all that follows from it, in one transaction."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from handlers.errors import Misheard
from handlers.incoming import Incoming, Pressed, Said, StoredFile
from locales import Words
from locales.text import HOME
from storage.conversation import Conversation
from storage.event import Event
from storage.evidence import Evidence
from storage.person import Address, Person
from storage.session import Session
from storage.statements import new


@dataclass(slots=True)
class Button:
    """A label and the named call that it makes."""

    label: Words
    token: str


@dataclass(slots=True)
class Say:
    """One thing to be said to one person."""

    person_id: int
    text: Words | None
    rows: tuple[tuple[Button, ...], ...] = ()
    attachment: StoredFile | None = None
    question: bool = False  # the answer is expected next
    listed: int = 0  # so many of the buttons stand in the text with their numbers
    wants_name: bool = False  # the reader's own; some channels let people share it
    edits: int | None = None  # a delivery whose message changes
    settles: bool = False  # … because it was answered: its text is what stays of it
    settled: Words | None = None  # what stays of the question that was answered …
    settles_at: int | None = None  # … by this delivery
    kind: str | None = None  # of a notice: result, more, prompt, notice
    at: str | None = None  # the address, where it must be this one
    about: int | None = None
    round: int | None = None


T = TypeVar("T")
Row = Button | Iterable[Button] | None
Run = Callable[["Turn", str], Awaitable[None]]


@dataclass(slots=True, eq=False)
class Turn:
    """What a handler has in its hands: who speaks, what was meant, what is remembered, and a voice."""

    session: Session
    address: Address
    person: Person
    conversation: Conversation
    incoming: Incoming
    now: datetime
    run: Run  # the router's: go on with a named call
    association: str  # in whose name the bot speaks
    idle: timedelta = timedelta()  # how long the person was silent
    pressed: int | None = None  # the delivery whose button was pressed
    newest: int | None = None  # the last delivery at this address
    number: int | None = None  # kept for the first delivery to this address
    at_once: bool = True  # nothing that was said before waits: the reply may go as soon as it is committed
    unmarked: bool = False  # that the message was heard is to be marked on the first answer to it
    unasked: bool = False  # nobody spoke: what is said goes at the pace of notices
    label: str = ""  # what people call the channel
    links: Callable[[str], list[tuple[str, str]]] = lambda payload: []  # how the other channels are opened: label, address
    page: str | None = None  # the page that is being shown
    out: list[Say] = field(default_factory=list)
    drafts: dict[int, Any] = field(default_factory=dict)  # the papers in which the speaker may answer, with their criteria
    _today: date | None = None

    @property
    def me(self) -> int:
        return self.person.id  # type: ignore[return-value]

    @property
    def today(self) -> date:
        """The day on Viet Nam's calendar."""
        if self._today is None:
            self._today = self.now.astimezone(HOME).date()
        return self._today

    @property
    def year(self) -> int:
        return self.today.year

    def reply(self, text: Words, *rows: Row, attachment: StoredFile | None = None) -> None:
        """Says something to the speaker; expects nothing."""
        self.out.append(Say(self.me, text, _rows(rows), attachment))

    def ask(self, text: Words, *rows: Row, waits: str | None = None, listed: int = 0, name: bool = False) -> None:
        """Shows a page to the speaker: these buttons, and where free text goes. Remembers the page.

        The text itself lists the first `listed` of the buttons with their numbers. With `name` the speaker's own name is
        wanted, which some channels let people share with one tap.
        """
        self.out.append(Say(self.me, text, _rows(rows), question=True, listed=listed, wants_name=name))
        self.conversation.here = self.page
        self.conversation.waits = waits

    def tell(
        self, person_id: int, text: Words, *rows: Row, about: int | None = None, round: int | None = None, kind: str = "notice"
    ) -> None:
        """Says something to somebody else, wherever they can be reached."""
        self.out.append(Say(person_id, text, _rows(rows), about=about, round=round, kind=kind))

    def tell_at(self, address: str, person_id: int, text: Words, *rows: Row) -> None:
        """Says something to whoever is at this very address."""
        self.out.append(Say(person_id, text, _rows(rows), at=address, kind="notice"))

    def settle(self, text: Words) -> None:
        """Turns the question that was just answered into one short line without buttons."""
        answered = self.pressed or self.conversation.asked
        if answered is None or any(say.edits == answered for say in self.out):
            return
        self.out.append(Say(self.me, text, edits=answered, settles=True))
        if answered == self.conversation.asked:
            self.conversation.asked = None

    def rewrite(self, delivery_id: int, person_id: int, text: Words, *rows: Row) -> None:
        """Changes a message that was sent earlier, to anyone."""
        self.out.append(Say(person_id, text, _rows(rows), edits=delivery_id))

    async def go(self, name: str, *args: int | str) -> None:
        """Goes on with a call of another slice, in the same turn."""
        await self.run(self, ":".join([name, *map(str, args)]))

    def note(self, name: str, assessment_id: int | None = None, **detail: Any) -> None:
        """Appends an event."""
        whose = {"actor_id": self.me, "address": self.address.address, "assessment_id": assessment_id}
        self.session.add(new(Event, at=self.now, name=name, detail=detail, **whose))

    def text(self, otherwise: Words, longest: int = 500) -> str:
        """What was typed, cleaned of edges and control characters.

        Raises Misheard(otherwise) where it is not text, is empty or longer than `longest` characters.
        """
        meaning = self.incoming.meaning
        typed = tidy(meaning.text) if isinstance(meaning, Said) else ""
        if not typed or len(typed) > longest:
            raise Misheard(otherwise)
        return typed

    @property
    def elsewhere(self) -> bool:
        """Whether the open question was asked at another address: what is typed here is no answer to it."""
        return self.conversation.asked_at not in (None, self.address.address)

    @property
    def was_pressed(self) -> bool:
        return isinstance(self.incoming.meaning, Pressed)


def tidy(text: str) -> str:
    """The text in NFC, without control characters, with single spaces within a line."""
    from unicodedata import category, normalize

    kept = "".join(c for c in normalize("NFC", text) if c == "\n" or category(c) not in ("Cc", "Cf", "Cs", "Co"))
    return "\n".join(" ".join(line.split()) for line in kept.splitlines()).strip()


def in_order(rows: Iterable[Iterable[T]]) -> list[T]:
    """The choices in the order in which they are shown where only some fit at once: a row of many small ones comes last."""
    listed = [list(row) for row in rows]
    return [one for row in listed if len(row) == 1 for one in row] + [one for row in listed if len(row) > 1 for one in row]


def shown_file(evidence: Evidence) -> StoredFile:
    """The stored file behind a piece of evidence."""
    assert evidence.sha256 and evidence.media_type
    return StoredFile(evidence.sha256, evidence.media_type, evidence.size or 0, evidence.file_name)


def _rows(rows: Iterable[Row]) -> tuple[tuple[Button, ...], ...]:
    kept: list[tuple[Button, ...]] = []
    for row in rows:
        if isinstance(row, Button):
            kept.append((row,))
        elif row is not None and (several := tuple(row)):
            kept.append(several)
    return tuple(kept)


def button(label: Words, name: str, *args: int | str) -> Button:
    """A button for a call of any slice, by name: conversations link like pages and do not import each other."""
    return Button(label, ":".join([name, *map(str, args)]))
