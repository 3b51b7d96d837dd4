"""What must hold after any fault: the books of the bot, of the citizens and of the platform agree."""

import json
from collections import Counter
from datetime import timedelta
from typing import Any

from sqlmodel import SQLModel, select

from bot.channels import BUSY
from storage.assessment import Assessment
from storage.database import Database
from storage.decision import Decision
from storage.delivery import Delivery, Fate
from storage.event import Event
from storage.evidence import Evidence
from storage.heard import Heard, Mishap
from storage.person import Address
from tests.channels.telegram_api import TelegramApi
from tests.faults.crowd import ASSOCIATION, BRANCH, Citizen, Crowd

Message = tuple[int, str, tuple[str, ...]]  # chat, text, the buttons' tokens
DECIDED = "approval:paper:"


class Books:
    """Everything that the bot remembers, read once."""

    def __init__(self, tables: dict[type[SQLModel], list[Any]]) -> None:
        self.deliveries: list[Delivery] = tables[Delivery]
        self.events: list[Event] = tables[Event]
        self.papers: list[Assessment] = tables[Assessment]
        self.tables = tables

    @classmethod
    async def read(cls, database: Database) -> "Books":
        kinds = (Delivery, Event, Assessment, Evidence, Decision, Heard, Mishap, Address)
        async with database.transaction() as session:
            tables = {kind: sorted((await session.exec(select(kind))).all(), key=_key) for kind in kinds}
        return cls(tables)  # type: ignore[arg-type]

    @property
    def in_flight(self) -> Counter[int]:
        """The list of what was in flight when its process died: delivery -> how often."""
        listed = [e.detail["deliveries"] for e in self.events if e.name == "sender:delivery:reclaim"]
        return Counter(number for numbers in listed for number in numbers)

    def waited_for(self, lease: timedelta) -> bool:
        """Whether nobody's claims were taken before they could be over."""
        said = {d.id: d.created_at for d in self.deliveries}
        taken = [e for e in self.events if e.name == "sender:delivery:reclaim"]
        return all(event.at - said[number] >= lease for event in taken for number in event.detail["deliveries"])

    def check(self, api: TelegramApi, crowd: Crowd) -> None:
        assert not self.tables[Mishap]
        self.check_heard(api)
        self.check_sent(api)
        for citizen in crowd.citizens:
            self.check_paper(citizen)
        self.check_told(crowd)

    def check_heard(self, api: TelegramApi) -> None:
        """What was acknowledged was heard, and all of it was acknowledged."""
        acknowledged = {f"telegram:{number}" for number, status in api.deliveries if status == 200}
        assert not api.updates
        marked = {row.answers for row in self.deliveries if row.answers}
        assert acknowledged == marked | {row.key for row in self.tables[Heard]}

    def check_sent(self, api: TelegramApi) -> None:
        """All that was said has arrived; what arrived more often than it was said is on the list."""
        assert not [(d.id, d.fate, d.problem) for d in self.deliveries if d.fate not in (Fate.SENT, Fate.DROPPED)]
        assert not [d.id for d in self.deliveries if d.fate == Fate.DROPPED and d.edits is None]
        # A message that becomes the next question cannot arrive twice, however often it is changed.
        became = {_arrived(call) for call in api.calls_of("editMessageText")}
        said = [d for d in self.deliveries if d.edits is None and not (d.in_place and _became(d) in became)]
        arrived = Counter(_arrived(call) for call in api.calls_of("sendMessage") if call["text"] != BUSY)
        assert not Counter(map(_said, said)) - arrived, "lost"
        twice, listed = arrived - Counter(map(_said, said)), Counter[Message]()
        for delivery in said:
            listed[_said(delivery)] += self.in_flight[delivery.id or 0]
        assert not twice - listed, "sent twice, and on no list"
        named = [d.message_id for d in said if d.message_id is not None]
        assert len(set(named)) == len(named)

    def check_paper(self, citizen: Citizen) -> None:
        """One paper; every answer in it once; its events lead to where it stands."""
        person = next(row.person_id for row in self.tables[Address] if row.address == f"telegram:{citizen.person.number}")
        (paper,) = [paper for paper in self.papers if paper.person_id == person]
        events = [event for event in self.events if event.assessment_id == paper.id]
        assert paper.answers == citizen.answers
        assert Counter(e.detail["question"] for e in events if e.name == "assessment:answer:change") == citizen.taps
        assert _explained(events) == (paper.answers, paper.status, paper.step, paper.round, paper.points)
        added = [(e.detail["question"], e.detail["kind"]) for e in events if e.name == "assessment:evidence:add"]
        pieces = [row for row in self.tables[Evidence] if row.assessment_id == paper.id]
        assert added == [(piece.question_id, piece.kind) for piece in pieces]
        assert Counter(piece.question_id for piece in pieces if piece.kind == "text") == citizen.told
        decided = [e.name.removeprefix(DECIDED) for e in events if e.name.startswith(DECIDED) and "role" in e.detail]
        assert decided == [d.outcome for d in self.tables[Decision] if d.assessment_id == paper.id]
        assert (paper.step, paper.round) == ("committee", 5 if citizen.asked_for_more else 3)

    def check_told(self, crowd: Crowd) -> None:
        """Each officer was asked once a round, and each citizen told once of each decision."""
        asked = Counter((d.about, d.round, d.address) for d in self.deliveries if d.about is not None and d.edits is None)
        assert set(asked.values()) <= {1}
        more = sum(citizen.asked_for_more for citizen in crowd.citizens)
        officers = Counter(address for _paper, _round, address in asked)
        wanted = {f"telegram:{BRANCH}": len(crowd.citizens), f"telegram:{ASSOCIATION}": len(crowd.citizens) + more}
        assert officers == wanted
        for citizen in crowd.citizens:
            mine = [d for d in self.deliveries if d.address == f"telegram:{citizen.person.number}" and d.edits is None]
            # One answer to each deed, two to that which begins the paper; a deed done twice is answered twice.
            assert len(mine) == citizen.deeds + 1 + 2 + citizen.asked_for_more, [(d.text or "")[:40] for d in mine]
            told = [d.text or "" for d in mine if (d.text or "").startswith("Phiếu ") and "Điểm tự chấm" not in (d.text or "")]
            for words, times in (("Chi hội đã đề nghị", 1), ("đã thẩm định", 1), ("đề nghị bổ sung", citizen.asked_for_more)):
                assert sum(words in text for text in told) == times, (words, told)


def _explained(events: list[Event]) -> tuple[dict[str, str], str, str | None, int, int | None]:
    """A paper's answers, status, step, round and points, from nothing but its events."""
    answers: dict[str, str] = {}
    status, step, round_, points = "", None, 0, None
    for event in events:
        detail = event.detail
        if event.name == "assessment:paper:begin":
            assert not status, "begun twice"
            status = "draft"
        elif event.name == "assessment:answer:change":
            assert answers.get(detail["question"]) == detail["before"]
            answers[detail["question"]] = detail["after"]
        elif event.name == "assessment:paper:submit":
            status, step, points = "submitted", detail["step"], detail["points"]
            round_ += 1
            assert round_ == detail["round"]
        elif event.name.startswith(DECIDED) and "role" in detail:
            assert step == detail["role"]
            status, step = detail["status"], detail["step"]
            round_ += 1
            assert round_ == detail["round"]
    return answers, status, step, round_, points


def _key(row: Any) -> Any:
    return getattr(row, "id", None) or getattr(row, "key", None) or getattr(row, "number", None) or row.address


def _said(delivery: Delivery) -> Message:
    tokens = tuple(token for row in delivery.buttons for _label, token in row)
    return int(delivery.address.partition(":")[2]), delivery.text or "", tokens


def _became(delivery: Delivery) -> Message:
    chat, text, tokens = _said(delivery)
    return chat, f"{delivery.settled}\n\n{text}", tokens


def _arrived(call: dict[str, Any]) -> Message:
    markup = call.get("reply_markup") or {}
    markup = json.loads(markup) if isinstance(markup, str) else markup
    tokens = tuple(button["callback_data"] for row in markup.get("inline_keyboard", []) for button in row)
    return call["chat_id"], call["text"], tokens
