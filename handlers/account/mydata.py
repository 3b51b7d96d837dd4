"""What is stored about a person, and taking back a consent."""

from datetime import timedelta

from handlers.account.consent import PURPOSES, purpose_name, record
from handlers.account.guards import spoken_for, subject
from handlers.account.takeback import take_back
from handlers.account.village import full_name_of
from handlers.approval.workflow import offices
from handlers.errors import Misheard, Refusal
from handlers.router import Router
from handlers.turn import Button, Turn, button
from locales import Words, _, join
from storage.assessment import papers_of
from storage.consent import EXAMINE, Consent, consents
from storage.evidence import evidence_count
from storage.person import Person

router = Router("mydata")

ERASE_WITHIN = timedelta(days=20)  # Nghị định 356/2025/NĐ-CP, Điều 5


@router.command("/dulieu", "/mydata")
@router.page
async def show(turn: Turn) -> None:
    """A summary of what is kept, with a way to change each consent."""
    person = await subject(turn)
    given = await consents(turn.session, person.id or 0)
    papers = [p for p in await papers_of(turn.session, turn.me) if p.person_id == person.id]
    evidence = sum([await evidence_count(turn.session, paper.id or 0) for paper in papers])
    turn.ask(
        join(
            [
                _("Dữ liệu trợ lý đang giữ:"),
                _("• Họ và tên: {name}", name=person.full_name or "–"),
                _("• Năm sinh: {year}", year=person.birth_year or "–"),
                _("• Nơi ở: {place}", place=await full_name_of(turn.session, person.place_id) or "–"),
                _("• Phiếu: {papers}; minh chứng: {evidence}", papers=len(papers), evidence=evidence),
                *[_consent_line(purpose, given.get(purpose)) for purpose in PURPOSES],
                _("Muốn xóa dữ liệu, {you} rút đồng ý “xét danh hiệu” rồi báo chi hội khuyến học ở thôn."),
            ]
        ),
        *[_change(person, purpose, given.get(purpose)) for purpose in PURPOSES],
        button(_("Đọc toàn văn"), "consent.full_text", turn.me),
        button(_("Về trang chính"), "account.menu"),
    )


@router.page
async def ask(turn: Turn, person_id: int, purpose: str) -> None:
    """The last look before a consent is taken back or given."""
    given = await _given(turn, person_id, purpose)
    if given is None or not given.granted:
        return await turn.go("consent.ask", person_id, purpose)
    warning = _("Phiếu đang làm hoặc đang chờ sẽ được rút. Phiếu đã có kết quả không thay đổi.") if purpose == EXAMINE else None
    turn.ask(
        join([_("{You} rút đồng ý “{purpose}” phải không ạ?", purpose=purpose_name(purpose)), warning]),
        [button(_("Rút đồng ý"), "mydata.withdraw", person_id, purpose), button(_("Không rút"), "mydata.show")],
    )


@router.call
async def withdraw(turn: Turn, person_id: int, purpose: str) -> None:
    """Takes a consent back: written down, and what rested on it stops."""
    given = await _given(turn, person_id, purpose)
    if turn.conversation.here != ask.token(person_id, purpose) or given is None or not given.granted:
        raise Misheard(_("Lựa chọn này đã cũ. Mời {you} làm tiếp từ đây."))
    person = await spoken_for(turn, person_id)
    record(turn, person, purpose, False)
    turn.settle(_("✓ Đã rút đồng ý “{purpose}”", purpose=purpose_name(purpose)))
    if purpose == EXAMINE:
        await take_back(turn, person_id)
        turn.conversation.speaking_for = None
        return await turn.go("account.start")
    await show(turn)


@router.hears
async def erase(turn: Turn) -> None:
    """The person asked the platform that we forget them: nothing goes on, and the association is told by when it must be done."""
    for purpose, given in (await consents(turn.session, turn.me)).items():
        if given.granted:
            record(turn, turn.person, purpose, False)
    await take_back(turn, turn.me)
    due = turn.now + ERASE_WITHIN
    turn.note("account:erasure:request", due=due.isoformat())
    turn.address.unreachable_since = turn.now
    text = _(
        "{name} yêu cầu xóa dữ liệu cá nhân. Cần trả lời trong 2 ngày làm việc và xong trước {due} (Nghị định 356/2025/NĐ-CP, "
        "Điều 5).",
        name=turn.person.full_name or _("Một người dân chưa cho biết tên (số {number})", number=turn.me),
        due=due,
    )
    for officer in await offices(turn.session, turn.person.place_id):
        turn.tell(officer.id or 0, text)


async def _given(turn: Turn, person_id: int, purpose: str) -> Consent | None:
    await spoken_for(turn, person_id)
    if purpose not in PURPOSES:
        raise Refusal(_("Lựa chọn này không còn dùng được nữa. Mời {you} gửi /dulieu."))
    return (await consents(turn.session, person_id)).get(purpose)


def _consent_line(purpose: str, given: Consent | None) -> Words:
    if given is None:
        return _("• {purpose}: chưa hỏi", purpose=purpose_name(purpose))
    word = _("đồng ý") if given.granted else _("không đồng ý")
    return _("• {purpose}: {answer} lúc {at}", purpose=purpose_name(purpose), answer=word, at=given.at)


def _change(person: Person, purpose: str, given: Consent | None) -> Button:
    label = (
        _("Rút: {purpose}", purpose=purpose_name(purpose))
        if given is not None and given.granted
        else _("Xem lại: {purpose}", purpose=purpose_name(purpose))
    )
    return button(label, "mydata.ask", person.id or 0, purpose)
