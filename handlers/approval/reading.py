"""A paper as an officer reads it: every answer, its points, what stands as evidence, what was decided so far."""

from handlers.approval.roles import ROLES, role_words
from handlers.titles.model import Standing, Title
from handlers.turn import Turn
from locales import Text, Words, _, join, plain
from storage.assessment import Assessment
from storage.decision import Decision, Outcome, decisions_on
from storage.evidence import Evidence
from storage.person import Person


async def read_words(turn: Turn, paper: Assessment, title: Title, evidence: list[Evidence]) -> Words:
    person = await turn.session.get(Person, paper.person_id)
    name = (person.full_name if person else None) or "…"
    answers = [_answer(title, paper, number, evidence) for number in range(1, len(title.questions) + 1)]
    past = [await _decision(turn, paper, title, decision) for decision in await decisions_on(turn.session, paper.id or 0)]
    turn.note("approval:paper:read", paper.id)
    return join(
        [
            _(
                "Phiếu số {number} – {title} năm {year} – {name}",
                number=paper.id,
                title=title.shown_name,
                year=paper.year,
                name=name,
            ),
            Text(title.notice) if title.status != Standing.OFFICIAL else None,
            join(answers),
            join([_("Đã qua:"), *past]) if past else None,
        ],
        "\n\n",
    )


def _answer(title: Title, paper: Assessment, number: int, evidence: list[Evidence]) -> Words:
    question = title.questions[number - 1]
    choice = title.choice(question.id, paper.answers.get(question.id, ""))
    line = _("{number}. {question}: chưa trả lời", number=number, question=Text(question.label))
    if choice is not None:
        points = _("miễn") if choice.exempt else _("{points} điểm", points=choice.points)
        line = _(
            "{number}. {question}: {answer} – {points}",
            number=number, question=Text(question.label), answer=Text(choice.label), points=points,
        )  # fmt: skip
    return join([line, *[_piece(piece) for piece in evidence if piece.question_id == question.id]])


def _piece(piece: Evidence) -> Words:
    if piece.kind == "asked":
        return _("   – nhờ chi hội xác nhận")
    if piece.kind == "text":
        return _("   – “{words}”", words=piece.text or "")
    kind = _("ảnh") if piece.kind == "photo" else _("tệp")
    caption = join([kind, plain(piece.text)], ": ") if piece.text else kind
    return _("   – {kind}", kind=caption)


async def _decision(turn: Turn, paper: Assessment, title: Title, decision: Decision) -> Words:
    role = await role_words(turn.session, ROLES[decision.role].short, paper.place_id)
    if decision.outcome == Outcome.APPROVED:
        return _("{at} {role}: {outcome}", at=decision.at, role=role, outcome=Text(ROLES[decision.role].approved))
    reason = Text(decision.reason) if decision.reason and "{" not in decision.reason else plain(decision.reason or "")
    if decision.outcome == Outcome.NEED_MORE:
        number = title.number(decision.question_id or "")
        return _("{at} {role}: đề nghị bổ sung câu {number}. {reason}", at=decision.at, role=role, number=number, reason=reason)
    return _("{at} {role}: chưa đạt. {reason}", at=decision.at, role=role, reason=reason)
