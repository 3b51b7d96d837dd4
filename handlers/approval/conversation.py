"""The officers' talk: the queue, a paper read, a decision."""

from handlers.approval import notices, workflow
from handlers.approval.closing import close
from handlers.approval.reading import read_words
from handlers.approval.roles import ROLES, role_words
from handlers.approval.workflow import Ruling
from handlers.errors import Misheard, Refusal
from handlers.router import Router
from handlers.titles.model import Title
from handlers.titles.published import title_of
from handlers.turn import Turn, button, shown_file
from locales import Text, Words, _, join, plain
from storage.assessment import Assessment, Status, paper_in_hand, queue_length, stranded_by_place
from storage.assessment import queue as waiting_papers
from storage.assignment import Assignment, roles_of
from storage.decision import Outcome
from storage.evidence import evidence_of
from storage.place import Place, chain, unconfirmed, villages_under

router = Router("approval")

SCREEN = 6
CONFIRMS = "association"  # the role that confirms villages which citizens typed
MOST_LINES = 20
SHORTEST_REASON, LONGEST_REASON = 5, 500  # letters
REASONS_MORE = (
    _("Cần thêm minh chứng, ví dụ một tấm ảnh hoặc một câu kể."),
    _("Minh chứng chưa rõ, xin gửi lại."),
    _("Mức tự chấm chưa khớp với minh chứng."),
)
REASONS_UNMET = (
    _("Tổng điểm chưa đủ mức công nhận."),
    _("Có câu dưới mức tối thiểu."),
    _("Chi hội bình xét chưa đủ điều kiện năm nay."),
)


@router.command("/hangcho", "hàng chờ")
@router.page
async def queue(turn: Turn) -> None:
    """For each role that the officer holds: how many papers wait, and the first of them."""
    assignments = await roles_of(turn.session, turn.me)
    if not assignments:
        raise Refusal(_("Mục này dành cho cán bộ. Muốn nhận việc, {you} mở đường liên kết mời do Hội Khuyến học gửi."))
    parts, rows, villages = [], [], []
    for row in assignments:
        words, papers = await (_watched(turn, row) if ROLES[row.role].watches else _waiting(turn, row))
        parts.append(words)
        rows += [button(await _short(turn, paper), "approval.show", paper.id or 0) for paper in papers]
        new = await unconfirmed(turn.session, row.place_id) if row.role == CONFIRMS else []
        villages += [
            button(_("Thôn mới: {place}", place=f"{place.kind} {place.name}"), "newvillage.ask", place.id or 0) for place in new
        ]
    turn.ask(join(parts, "\n\n"), *villages[:SCREEN], *rows[:SCREEN], button(_("Về trang chính"), "account.menu"))


@router.page
async def show(turn: Turn, paper_id: int) -> None:
    """One paper's card, with the ways to decide if it is this officer's turn."""
    paper, title = await _readable(turn, paper_id)
    await workflow.turn_of(turn, paper)
    turn.ask(await notices.card(turn, paper, title), *notices.decision_rows(paper), button(_("Hàng chờ"), "approval.queue"))


@router.page
async def read(turn: Turn, paper_id: int) -> None:
    """The whole paper, answer by answer."""
    paper, title = await _readable(turn, paper_id)
    evidence = await evidence_of(turn.session, paper_id)
    with_files = [q.id for q in title.questions if any(e.question_id == q.id and e.sha256 for e in evidence)]
    files = [
        button(_("Xem minh chứng câu {number}", number=title.number(q)), "approval.evidence", paper_id, q) for q in with_files
    ]
    mine = (
        paper.status == Status.SUBMITTED
        and paper.step
        and await workflow.holds(turn.session, turn.me, paper.step, paper.place_id)
    )
    turn.ask(
        await read_words(turn, paper, title, evidence),
        *files,
        button(_("Về phiếu"), "approval.show", paper_id) if mine else None,
        button(_("Hàng chờ"), "approval.queue"),
    )


@router.call
async def evidence(turn: Turn, paper_id: int, question_id: str) -> None:
    """The photos and files of one question, as they are shown: without the position that a camera writes into them."""
    paper, title = await _readable(turn, paper_id)
    if question_id not in title.by_id:
        raise Refusal(_("Câu hỏi này không có trong phiếu."))
    number = title.number(question_id)
    for piece in await evidence_of(turn.session, paper_id, question_id):
        if piece.sha256:
            caption = _("Minh chứng câu {number}", number=number)
            turn.reply(join([caption, plain(piece.text) if piece.text else None], ": "), attachment=shown_file(piece))
    turn.note("approval:evidence:read", paper.id, question=question_id)


@router.page
async def approve(turn: Turn, paper_id: int, round: int) -> None:
    """Recommends or approves; whoever signs is asked for the decision's number and date first."""
    paper, title = await _mine(turn, paper_id, round)
    if not ROLES[paper.step or ""].signs:
        return await _rule(turn, paper, title, Ruling(Outcome.APPROVED))
    await turn.go("signing.ask", paper_id, round)


@router.page
async def more(turn: Turn, paper_id: int, round: int) -> None:
    """Which question must be completed."""
    paper, title = await _mine(turn, paper_id, round)
    lines = [_("{number}. {question}", number=n, question=Text(q.label)) for n, q in enumerate(title.questions, 1)]
    buttons = [
        button(_("Câu {number}", number=n), "approval.more_reason", paper_id, round, q.id)
        for n, q in enumerate(title.questions, 1)
    ]
    turn.ask(
        join([_("Cần bổ sung câu nào ạ?"), *lines]),
        *[buttons[i : i + 4] for i in range(0, len(buttons), 4)],
        button(_("Quay lại"), "approval.show", paper_id),
    )


@router.page
async def more_reason(turn: Turn, paper_id: int, round: int, question_id: str) -> None:
    paper, title = await _mine(turn, paper_id, round)
    if question_id not in title.by_id:
        raise Refusal(_("Câu hỏi này không có trong phiếu."))
    turn.ask(
        join([_("Lý do đề nghị bổ sung câu {number}?", number=title.number(question_id)), _own_words()]),
        *[button(r, "approval.ask_more", paper_id, round, question_id, n) for n, r in enumerate(REASONS_MORE)],
        button(_("Quay lại"), "approval.more", paper_id, round),
        waits=hear_more_reason.token(paper_id, round, question_id),
    )


@router.hears
async def hear_more_reason(turn: Turn, paper_id: int, round: int, question_id: str) -> None:
    await _ask_more(turn, paper_id, round, question_id, _typed_reason(turn))


@router.call
async def ask_more(turn: Turn, paper_id: int, round: int, question_id: str, number: int) -> None:
    await _ask_more(turn, paper_id, round, question_id, _ready(REASONS_MORE, number))


@router.page
async def unmet(turn: Turn, paper_id: int, round: int) -> None:
    """Not met this year: a reason is needed."""
    await _mine(turn, paper_id, round)
    turn.ask(
        join([_("Lý do chưa đạt?"), _own_words()]),
        *[button(r, "approval.not_met", paper_id, round, n) for n, r in enumerate(REASONS_UNMET)],
        button(_("Quay lại"), "approval.show", paper_id),
        waits=hear_unmet_reason.token(paper_id, round),
    )


@router.hears
async def hear_unmet_reason(turn: Turn, paper_id: int, round: int) -> None:
    paper, title = await _mine(turn, paper_id, round)
    await _rule(turn, paper, title, Ruling(Outcome.NOT_MET, reason=_typed_reason(turn)))


@router.call
async def not_met(turn: Turn, paper_id: int, round: int, number: int) -> None:
    paper, title = await _mine(turn, paper_id, round)
    await _rule(turn, paper, title, Ruling(Outcome.NOT_MET, reason=_ready(REASONS_UNMET, number)))


async def _ask_more(turn: Turn, paper_id: int, round: int, question_id: str, reason: str) -> None:
    paper, title = await _mine(turn, paper_id, round)
    await _rule(turn, paper, title, Ruling(Outcome.NEED_MORE, question_id, reason))


async def _rule(turn: Turn, paper: Assessment, title: Title, ruling: Ruling) -> None:
    decision = await workflow.rule(turn, paper, title, ruling)
    await close(turn, paper, title, decision)


async def _readable(turn: Turn, paper_id: int) -> tuple[Assessment, Title]:
    """A paper of the officer's area. Raises Refusal."""
    paper = await paper_in_hand(turn.session, paper_id)
    if paper is None or not await workflow.may_read(turn.session, turn.me, paper):
        raise Refusal(_("Phiếu này không thuộc địa bàn của {you}, hoặc người dân đã rút."))
    return paper, await title_of(turn.session, paper.revision_id)


async def _mine(turn: Turn, paper_id: int, round: int) -> tuple[Assessment, Title]:
    """A paper that this officer may decide now, in the round of the button. Raises Refusal."""
    paper, title = await _readable(turn, paper_id)
    if paper.round != round:
        raise Refusal(_("Phiếu này đã được xử lý."))
    await workflow.turn_of(turn, paper)
    return paper, title


async def _waiting(turn: Turn, row: Assignment) -> tuple[Words, list[Assessment]]:
    villages = await villages_under(turn.session, row.place_id)
    count = await queue_length(turn.session, row.role, villages)
    place = await _place(turn, row.place_id)
    words = _("{role} {place}: {count} phiếu chờ", role=Text(ROLES[row.role].name), place=place, count=count)
    return words, await waiting_papers(turn.session, row.role, villages, SCREEN)


async def _watched(turn: Turn, row: Assignment) -> tuple[Words, list[Assessment]]:
    """What the province sees: where papers wait, and where nobody is there for them."""
    villages = await villages_under(turn.session, row.place_id)
    lines: list[Words] = []
    for place, role_id, count in await stranded_by_place(turn.session, villages):
        short = await role_words(turn.session, ROLES[role_id].short, place.id or 0)
        where = await _place(turn, place.id or 0)
        lines.append(_("• {place}: {count} phiếu chờ {role}", place=where, count=count, role=short))
    head = _("{role} {place}", role=Text(ROLES[row.role].name), place=await _place(turn, row.place_id))
    none = [] if lines else [_("Không có phiếu nào chờ vì thiếu cán bộ.")]
    return join([head, _("Phiếu chờ vì chưa có cán bộ xem xét được:") if lines else None, *lines[:MOST_LINES], *none]), []


async def _place(turn: Turn, place_id: int) -> str:
    places: list[Place] = await chain(turn.session, place_id)
    return ", ".join(f"{place.kind} {place.name}" for place in places[:2])


async def _short(turn: Turn, paper: Assessment) -> Words:
    name = await notices.subject_name(turn, paper)
    return _("Phiếu {number}: {name} – {points} điểm", number=paper.id, name=name, points=paper.points or 0)


def _typed_reason(turn: Turn) -> str:
    hint = _("{You} viết lý do ngắn gọn, ví dụ: Cần thêm ảnh buổi sinh hoạt câu lạc bộ.")
    reason = turn.text(hint, LONGEST_REASON)
    if sum(c.isalpha() for c in reason) < SHORTEST_REASON:
        raise Misheard(hint)
    return reason


def _ready(reasons: tuple[Text, ...], number: int) -> str:
    if number >= len(reasons):
        raise Misheard(_("{You} chọn một lý do bên dưới, hoặc viết lý do riêng."))
    return reasons[number].message


def _own_words() -> Words:
    return _("{You} chọn một lý do, hoặc viết lý do riêng.")
