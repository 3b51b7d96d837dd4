"""The signed decision: its number and date are entered by whoever holds the role that signs."""

import re
from datetime import date

from handlers.approval import workflow
from handlers.approval.closing import close
from handlers.approval.notices import subject_name
from handlers.approval.workflow import Ruling
from handlers.errors import Misheard, Refusal
from handlers.router import Router
from handlers.titles.model import Title
from handlers.titles.published import title_of
from handlers.turn import Turn, button
from locales import _
from storage.assessment import Assessment, paper_in_hand
from storage.decision import Outcome, last_document

router = Router("signing")

_DATE = re.compile(r"(\d{1,2})\s*[/.\- ]\s*(\d{1,2})\s*[/.\- ]\s*(\d{4})")
_NUMBER = re.compile(r"\d{1,6}\s*/\s*[0-9A-Za-zĐđ][0-9A-Za-zĐđ./\-–]{1,30}")
LONGEST_NUMBER = 40


@router.page
async def ask(turn: Turn, paper_id: int, round: int) -> None:
    """The number of the signed decision; the one entered last is a button."""
    await _mine(turn, paper_id, round)
    last = await last_document(turn.session, turn.me)
    same = None
    if last:
        label = _("Dùng QĐ số {number} ngày {date}", number=last[0], date=last[1])
        same = button(label, "signing.same", paper_id, round)
    turn.ask(
        _("Số quyết định công nhận đã ký là gì ạ? Ví dụ: 123/QĐ-UBND."),
        same,
        button(_("Quay lại"), "approval.show", paper_id),
        waits=hear_number.token(paper_id, round),
    )


@router.hears
async def hear_number(turn: Turn, paper_id: int, round: int) -> None:
    await _mine(turn, paper_id, round)
    hint = _("Trợ lý cần số quyết định, ví dụ: 123/QĐ-UBND.")
    typed = turn.text(hint, LONGEST_NUMBER)
    if not _NUMBER.fullmatch(typed):
        raise Misheard(hint)
    turn.conversation.held = {"number": re.sub(r"\s*/\s*", "/", typed)}
    await ask_date(turn, paper_id, round)


@router.page
async def ask_date(turn: Turn, paper_id: int, round: int) -> None:
    await _mine(turn, paper_id, round)
    turn.ask(
        _("Quyết định ký ngày nào ạ? Ví dụ: {date}.", date=turn.today),
        button(_("Quay lại"), "signing.ask", paper_id, round),
        waits=hear_date.token(paper_id, round),
    )


@router.hears
async def hear_date(turn: Turn, paper_id: int, round: int) -> None:
    await _mine(turn, paper_id, round)
    signed = _read_date(turn)
    turn.conversation.held = (turn.conversation.held or {}) | {"date": signed.isoformat()}
    await confirm(turn, paper_id, round)


@router.page
async def confirm(turn: Turn, paper_id: int, round: int) -> None:
    """The last look before a name stands on a recognition."""
    paper, _title = await _mine(turn, paper_id, round)
    number, signed = _held(turn)
    turn.ask(
        _(
            "Công nhận phiếu số {paper} của {name} theo Quyết định số {number} ngày {date}, đúng không ạ?",
            paper=paper_id, name=await subject_name(turn, paper), number=number, date=signed,
        ),
        [button(_("Đúng, công nhận"), "signing.sign", paper_id, round), button(_("Nhập lại"), "signing.ask", paper_id, round)],
    )  # fmt: skip


@router.call
async def same(turn: Turn, paper_id: int, round: int) -> None:
    """The decision entered last covers this paper too."""
    await _mine(turn, paper_id, round)
    last = await last_document(turn.session, turn.me)
    if last is None:
        return await ask(turn, paper_id, round)
    turn.conversation.held = {"number": last[0], "date": last[1].isoformat()}
    await confirm(turn, paper_id, round)


@router.call
async def sign(turn: Turn, paper_id: int, round: int) -> None:
    paper, title = await _mine(turn, paper_id, round)
    if turn.conversation.here != confirm.token(paper_id, round):
        raise Misheard(_("Lựa chọn này đã cũ. Mời {you} làm tiếp từ đây."))
    number, signed = _held(turn)
    ruling = Ruling(Outcome.APPROVED, document_number=number, document_date=signed)
    decision = await workflow.rule(turn, paper, title, ruling)
    await close(turn, paper, title, decision)


def _read_date(turn: Turn) -> date:
    """A day that has been, this year or last. Raises Misheard."""
    today = turn.today
    hint = _("Trợ lý cần ngày, tháng, năm đã ký, không sau hôm nay, ví dụ: {date}.", date=today)
    found = _DATE.search(turn.text(hint, 40))
    try:
        signed = date(int(found[3]), int(found[2]), int(found[1])) if found else None
    except ValueError:
        signed = None
    if signed is None or signed > today or signed.year < today.year - 1:
        raise Misheard(hint)
    return signed


def _held(turn: Turn) -> tuple[str, date]:
    held = turn.conversation.held or {}
    if "number" not in held or "date" not in held:
        raise Refusal(_("Cần số và ngày của quyết định đã ký."))
    return held["number"], date.fromisoformat(held["date"])


async def _mine(turn: Turn, paper_id: int, round: int) -> tuple[Assessment, Title]:
    paper = await paper_in_hand(turn.session, paper_id)
    if paper is None or paper.round != round:
        raise Refusal(_("Phiếu này đã được xử lý."))
    await workflow.turn_of(turn, paper)
    return paper, await title_of(turn.session, paper.revision_id)
