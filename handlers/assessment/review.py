"""All answers on one page, the result they come to, and the paper on its way."""

from handlers.account.guards import agreed, heading
from handlers.approval import notices, workflow
from handlers.assessment.evidence import kind_name
from handlers.assessment.rules import own_draft
from handlers.errors import Misheard, Refusal
from handlers.router import Router
from handlers.titles.model import Standing, Title
from handlers.titles.scoring import Lift, Score, lifts, points_of, score, weakest
from handlers.turn import Button, Turn, button
from locales import Text, Words, _, join
from storage.assessment import Assessment, Status
from storage.evidence import Evidence, evidence_of

router = Router("review")
MOST_LIFTS = 4


@router.page
async def show(turn: Turn, paper_id: int) -> None:
    """Every answer in a line; any one can be changed from here."""
    paper, title = await own_draft(turn, paper_id)
    person = await agreed(turn, paper.person_id)
    evidence = await evidence_of(turn.session, paper_id)
    lines = [_line(title, paper, number, evidence) for number in range(1, len(title.questions) + 1)]
    missing = [q.id for q in title.questions if q.id not in paper.answers]
    first = await _first_missing(paper, missing, title)
    turn.ask(
        join(
            [
                heading(turn, person),
                _("Xem lại phiếu {title} năm {year}", title=title.shown_name, year=paper.year),
                join(lines),
                _("Muốn sửa câu nào, {you} chọn số câu đó."),
            ],
            "\n\n",
        ),
        first,
        *_changes(paper, title),
        None if missing else button(_("Xem kết quả"), "review.result", paper_id),
    )


@router.page
async def result(turn: Turn, paper_id: int) -> None:
    """Points, whether the threshold is met, what is weakest, what would lift it; and the way to send."""
    paper, title = await own_draft(turn, paper_id)
    person = await agreed(turn, paper.person_id)
    difficult = await workflow.in_difficult_area(turn.session, paper)
    reached = score(title, paper.answers, difficult)
    if reached.unanswered:
        return await show(turn, paper_id)
    bare = await _without_evidence(turn, title, paper)
    turn.ask(
        join(
            [
                heading(turn, person),
                _verdict(title, reached),
                _advice(title, paper, reached, difficult),
                _bare(title, bare) if bare else None,
                Text(title.notice) if title.status != Standing.OFFICIAL else None,
                _("Gửi xong thì không sửa được nữa, trừ khi cán bộ đề nghị bổ sung."),
            ],
            "\n\n",
        ),
        button(_("Gửi cho chi hội"), "review.send", paper_id, paper.round),
        button(_("Xem lại, sửa câu trả lời"), "review.show", paper_id),
    )


@router.call
async def send(turn: Turn, paper_id: int, round: int) -> None:
    """Submits the paper, and tells the officers whose turn it is."""
    paper, title = await own_draft(turn, paper_id)
    if paper.round != round or turn.conversation.here not in (result.token(paper_id), show.token(paper_id)):
        raise Misheard(_("Lựa chọn này đã cũ. Mời {you} làm tiếp từ đây."))
    if missing := [q for q in title.questions if q.id not in paper.answers]:
        raise Refusal(_("Còn câu {number} chưa trả lời. {You} trả lời nốt rồi gửi ạ.", number=title.number(missing[0].id)))
    resent = paper.status == Status.NEED_MORE
    await workflow.submit(turn, paper, title)
    turn.settle(_("✓ Đã gửi phiếu {title} năm {year}", title=title.shown_name, year=paper.year))
    await notices.arrived(turn, paper, title, resent=resent)
    await turn.go("status.paper", paper_id)


def _line(title: Title, paper: Assessment, number: int, evidence: list[Evidence]) -> Words:
    question = title.questions[number - 1]
    choice = title.choice(question.id, paper.answers.get(question.id, ""))
    pieces = [piece.kind for piece in evidence if piece.question_id == question.id]
    if choice is None:
        return _("{number}. {question}: chưa trả lời", number=number, question=Text(question.label))
    points = _("miễn") if choice.exempt else _("{points} điểm", points=choice.points)
    line = _(
        "{number}. {question}: {answer} – {points}",
        number=number, question=Text(question.label), answer=Text(choice.label), points=points,
    )  # fmt: skip
    return _("{line} ({evidence})", line=line, evidence=pieces_words(pieces)) if pieces else line


def pieces_words(kinds: list[str]) -> Words:
    """ "ảnh, 2 lời kể" for what stands as evidence."""
    counted = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
    return join([kind_name(k) if n == 1 else _("{count} {kind}", count=n, kind=kind_name(k)) for k, n in counted.items()], ", ")


def _changes(paper: Assessment, title: Title) -> list[list[Button]]:
    """A button for each question that may be changed, five in a row."""
    changeable = [q.id for q in title.questions if paper.status == Status.DRAFT or q.id in paper.reopened]
    buttons = [button(_("Câu {number}", number=title.number(q)), "assess.question", paper.id or 0, q) for q in changeable]
    return [buttons[i : i + 4] for i in range(0, len(buttons), 4)]


async def _first_missing(paper: Assessment, missing: list[str], title: Title) -> Button | None:
    if not missing:
        return None
    number = title.number(missing[0])
    return button(_("Trả lời nốt câu {number}", number=number), "assess.question", paper.id or 0, missing[0])


async def _without_evidence(turn: Turn, title: Title, paper: Assessment) -> list[int]:
    """The numbers of the questions with points but nothing to show for them."""
    present = {piece.question_id for piece in await evidence_of(turn.session, paper.id or 0)}
    bare = []
    for question in title.questions:
        choice = title.choice(question.id, paper.answers.get(question.id, ""))
        if choice and choice.points and not choice.exempt and question.id not in present:
            bare.append(title.number(question.id))
    return bare


def _verdict(title: Title, reached: Score) -> Words:
    points = _("{title}: tự chấm {points}/{total} điểm.", title=title.shown_name, points=reached.points, total=reached.total)
    if reached.met is None:
        return join([points, _("Đây chỉ là điểm tự chấm, chưa phải kết quả công nhận.")])
    floor = title.floor or 0
    rule = (
        _("Mức cần đạt: từ {threshold} điểm, không câu nào dưới {floor} điểm.", threshold=reached.threshold, floor=floor)
        if floor
        else _("Mức cần đạt: từ {threshold} điểm.", threshold=reached.threshold)
    )
    met = (
        _("Theo điểm tự chấm, {you} đủ mức đề nghị công nhận. Cán bộ sẽ xem xét và quyết định.")
        if reached.met
        else _("Theo điểm tự chấm, năm nay chưa đạt mức. {You} vẫn có thể gửi phiếu, hoặc phấn đấu thêm rồi gửi.")
    )
    return join([points, rule, met])


def _advice(title: Title, paper: Assessment, reached: Score, difficult: bool) -> Words | None:
    """The smallest steps to the threshold; where it is met or there is none, the weakest questions."""
    if reached.met is False:
        steps = lifts(title, paper.answers, difficult)
        lines = [_lift(title, paper, step) for step in steps[:MOST_LIFTS]]
        more = len(steps) - len(lines)
        rest = _("… và {count} câu khác.", count=more) if more > 0 else None
        return join([_("Để đạt, nên phấn đấu thêm:"), *lines, rest])
    low = weakest(title, paper.answers)
    if not low:
        return None
    lines = [
        _("• Câu {number}. {question}: {points}/{most} điểm", number=title.number(q.id), question=Text(q.label),
          points=points_of(title, paper.answers, q.id), most=q.points)
        for q in low
    ]  # fmt: skip
    return join([_("Còn có thể phấn đấu thêm:"), *lines])


def _lift(title: Title, paper: Assessment, step: Lift) -> Words:
    question = title.by_id[step.question_id]
    choices = title.choices(question, paper.group)
    choice = next(c for c in choices if c.id == step.choice_id)
    line = _(
        "• Câu {number}. {question}: lên “{answer}” (thêm {gain} điểm)",
        number=title.number(question.id), question=Text(question.label), answer=Text(choice.label), gain=step.gain,
    )  # fmt: skip
    return _("{line}. Ví dụ: {example}", line=line, example=Text(choice.example)) if choice.example else line


def _bare(title: Title, numbers: list[int]) -> Words:
    listed = ", ".join(map(str, numbers))
    return _("Chưa có minh chứng: câu {numbers}. Cán bộ có thể hỏi thêm.", numbers=listed)
