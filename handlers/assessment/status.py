"""Where each paper is, for the person whose paper it is; and taking it back."""

from handlers.account.guards import heading
from handlers.approval import notices, workflow
from handlers.approval.roles import ROLES, role_words
from handlers.assessment.rules import OPEN, is_closed, own_paper
from handlers.errors import Refusal
from handlers.router import Router
from handlers.titles.published import title_of
from handlers.turn import Button, Turn, button
from locales import Words, _, join, plain
from storage.assessment import Assessment, Status, papers_of
from storage.decision import Outcome, decisions_on
from storage.event import last_withdrawal
from storage.person import Person

router = Router("status")
SHOWN = 6


@router.command("/trangthai", "/status", "trạng thái")
@router.page
async def show(turn: Turn) -> None:
    """A line for each paper, newest first."""
    papers = (await papers_of(turn.session, turn.me))[:SHOWN]
    if not papers:
        return turn.ask(
            _("{You} chưa có phiếu nào. Mời {you} tự đánh giá, mất khoảng 10 phút."),
            button(_("Tự đánh giá"), "assess.titles"),
            button(_("Về trang chính"), "account.menu"),
        )
    lines = [await _line(turn, number, paper) for number, paper in enumerate(papers, 1)]
    turn.ask(
        join([_("Phiếu của {you}:"), *lines]),
        *[button(_("Phiếu {number}", number=number), "status.paper", paper.id or 0) for number, paper in enumerate(papers, 1)],
        button(_("Về trang chính"), "account.menu"),
    )


@router.page
async def paper(turn: Turn, paper_id: int) -> None:
    """One paper: where it is and what has happened to it."""
    row = await own_paper(turn, paper_id)
    title = await title_of(turn.session, row.revision_id)
    person = await turn.session.get(Person, row.person_id)
    assert person is not None
    points = _("Điểm tự chấm: {points}/{total}.", points=row.points, total=title.total) if row.points is not None else None
    turn.ask(
        join(
            [
                heading(turn, person),
                _("Phiếu {title} năm {year}", title=title.shown_name, year=row.year),
                points,
                await standing(turn, row),
                await _unstaffed(turn, row),
            ]
        ),
        *_ways(row, is_closed(turn, row, title)),
        button(_("Về trang chính"), "account.menu"),
    )


@router.page
async def withdraw(turn: Turn, paper_id: int) -> None:
    row = await own_paper(turn, paper_id)
    _still_open(row)
    turn.ask(
        _("{You} muốn rút phiếu này phải không ạ? Câu trả lời vẫn còn, làm lại được trong năm."),
        [button(_("Rút phiếu"), "status.withdrawn", paper_id), button(_("Không rút"), "status.paper", paper_id)],
    )


@router.call
async def withdrawn(turn: Turn, paper_id: int) -> None:
    row = await own_paper(turn, paper_id)
    _still_open(row)
    if turn.conversation.here != withdraw.token(paper_id):
        return await paper(turn, paper_id)
    await notices.inert(turn, row, _("Người dân đã rút phiếu này."))
    await workflow.withdraw(turn, row)
    turn.settle(_("✓ Đã rút phiếu"))
    await paper(turn, paper_id)


@router.call
async def again(turn: Turn, paper_id: int) -> None:
    """Takes a withdrawn paper up again, for the same person."""
    row = await own_paper(turn, paper_id)
    turn.conversation.speaking_for = None if row.person_id == turn.me else row.person_id
    await turn.go("assess.begin", row.title_id)


async def standing(turn: Turn, row: Assessment) -> Words:
    """The paper's state in the words for citizens."""
    if row.status == Status.DRAFT and is_closed(turn, row, await title_of(turn.session, row.revision_id)):
        return _("Phiếu năm {year} chưa gửi, đã khép lại.", year=row.year)
    if row.status == Status.DRAFT:
        return _("Phiếu đang làm dở, {you} có thể làm tiếp bất cứ lúc nào.")
    if row.status == Status.WITHDRAWN:
        return _("Phiếu đã rút theo yêu cầu.")
    past = await decisions_on(turn.session, row.id or 0)
    if row.status == Status.NEED_MORE:
        title = await title_of(turn.session, row.revision_id)
        return await notices.asked_for_more(turn, row, title, past[-1])
    if row.status == Status.NOT_MET:
        return _("Năm nay chưa đạt. Lý do: {reason}", reason=notices.reason_words(past[-1].reason))
    if row.status == Status.RECOGNIZED:
        return notices.recognized(row, past[-1])
    again_since = await last_withdrawal(turn.session, row.id or 0)
    approved = [d for d in past if d.outcome == Outcome.APPROVED and d.round >= again_since]
    if approved:
        return await notices.role_done(turn, row, approved[-1])
    return await role_words(turn.session, ROLES[row.step or ""].told, row.place_id)


async def _line(turn: Turn, number: int, row: Assessment) -> Words:
    title = await title_of(turn.session, row.revision_id)
    person = await turn.session.get(Person, row.person_id)
    name = plain(person.full_name) if person and person.full_name and person.id != turn.me else None
    what = _("{number}. {title} {year}", number=number, title=title.shown_name, year=row.year)
    return join([join([what, name], " – "), await standing(turn, row)], ": ")


async def _unstaffed(turn: Turn, row: Assessment) -> Words | None:
    """Nothing waits silently: the person sees that nobody is there yet."""
    if row.status != Status.SUBMITTED or not row.stranded:
        return None
    role = await notices.short_name(turn, ROLES[row.step or ""], row)
    waits = _("{role} chưa có cán bộ xem xét được phiếu này trên trợ lý; phiếu vẫn giữ nguyên và đang chờ.", role=role)
    seen = await workflow.watchers_of(turn.session, row)
    return join([waits, _("Hội Khuyến học tỉnh đã nhìn thấy việc này.") if seen else None], " ")


def _ways(row: Assessment, closed: bool) -> list[Button]:
    paper_id = row.id or 0
    if closed:
        return [button(_("Tự đánh giá năm nay"), "assess.titles")]
    if row.status in OPEN:
        label = _("Bổ sung ngay") if row.status == Status.NEED_MORE else _("Làm tiếp")
        return [button(label, "assess.resume", paper_id), button(_("Rút phiếu"), "status.withdraw", paper_id)]
    if row.status == Status.SUBMITTED:
        return [button(_("Rút phiếu"), "status.withdraw", paper_id)]
    if row.status == Status.WITHDRAWN:
        return [button(_("Làm lại"), "status.again", paper_id)]
    return []


def _still_open(row: Assessment) -> None:
    if row.status not in (*OPEN, Status.SUBMITTED):
        raise Refusal(_("Phiếu này đã có kết quả nên không rút được. {You} hỏi cán bộ khuyến học ở thôn giúp ạ."))
