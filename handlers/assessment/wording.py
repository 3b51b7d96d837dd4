"""How a question is put into words; what is said the same way to a million people is put together once."""

from handlers.account.guards import heading, who
from handlers.titles.model import Choice, Question, Standing, Title, said
from handlers.turn import Turn
from locales import Kept, Text, Words, _, join
from storage.assessment import Assessment, Status
from storage.person import Person


def opening(title: Title) -> Words:
    """What the criteria rest on, said before the first question."""
    basis = _("Căn cứ: {basis}.", basis=Text(title.basis)) if title.status != Standing.SAMPLE else None
    return join([title.shown_name, basis, Text(title.notice)])


def page(turn: Turn, paper: Assessment, title: Title, asked: Question, person: Person, choices: list[Choice]) -> Words:
    """A question with its steps. Whoever answers it for themselves for the first time reads what a million others read."""
    left = sum(1 for question_id in title.order if question_id not in paper.answers)
    minutes = max(1, round(title.minutes * left / len(title.order)))

    def words() -> Words:
        steps = title.keep("steps", asked.id, paper.group, len(choices), make=lambda: Kept(_steps(choices)))
        head = _progress(turn, paper, title, person, asked, minutes)
        return join([head, _question(turn, paper, title, asked, person), steps], "\n\n")

    if person.id != turn.me or paper.status != Status.DRAFT or asked.id in paper.answers:
        return words()
    return title.keep("page", asked.id, paper.group, len(choices), minutes, make=lambda: Kept(words()))


def _progress(turn: Turn, paper: Assessment, title: Title, person: Person, asked: Question, minutes: int) -> Words:
    number, total = title.number(asked.id), len(title.questions)
    if paper.status == Status.NEED_MORE:
        line = _("Câu {number}/{total} · bổ sung theo đề nghị", number=number, total=total)
    elif asked.id in paper.answers:
        line = _("Câu {number}/{total} · sửa câu trả lời", number=number, total=total)
    else:
        line = _("Câu {number}/{total} · còn khoảng {minutes} phút", number=number, total=total, minutes=minutes)
    part = _("{title} · {part}", title=title.shown_name, part=Text(title.part(asked).label))
    return join([heading(turn, person), line, part])


def _question(turn: Turn, paper: Assessment, title: Title, asked: Question, person: Person) -> Words:
    chosen = title.choice(asked.id, paper.answers.get(asked.id, ""))
    now = _("Đang ghi: {answer}.", answer=Text(chosen.label)) if chosen else None
    return join([said(title.wording(asked, paper.group).text, who=who(turn, person)), now])


def labels(title: Title, asked: Question, choices: list[Choice]) -> list[tuple[str, Words]]:
    """Each step's id and what stands on its button."""
    return title.keep("labels", asked.id, len(choices), make=lambda: [(choice.id, Kept(label(choice))) for choice in choices])


def _steps(choices: list[Choice]) -> Words:
    return join(
        [
            _("{number}. {label}: {example}", number=number, label=Text(choice.label), example=Text(choice.example))
            if choice.example
            else _("{number}. {label}", number=number, label=Text(choice.label))
            for number, choice in enumerate(choices, 1)
        ]
    )


def label(choice: Choice) -> Words:
    if choice.exempt:
        return Text(choice.label)
    return _("{label} ({points} điểm)", label=Text(choice.label), points=choice.points)


def settled(title: Title, asked: Question, choice: Choice) -> Words:
    """What stays of a question that was answered."""

    def words() -> Words:
        number = title.number(asked.id)
        return Kept(_("✓ Câu {number}. {question}: {answer}", number=number, question=Text(asked.label), answer=label(choice)))

    return title.keep("settled", asked.id, choice.id, make=words)
