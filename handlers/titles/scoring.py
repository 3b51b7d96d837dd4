"""Points: what a paper's answers come to, and what would lift it. The same for citizen and officer."""

from collections.abc import Mapping
from dataclasses import dataclass

from handlers.titles.model import Question, Title


@dataclass(frozen=True)
class Score:
    """What a paper's answers come to. `met` is None where the title has no threshold."""

    points: int
    total: int
    threshold: int | None
    met: bool | None
    below_floor: tuple[str, ...]
    unanswered: tuple[str, ...]


@dataclass(frozen=True)
class Lift:
    """One answer that would have to rise, and to which step."""

    question_id: str
    choice_id: str
    gain: int


def points_of(title: Title, answers: Mapping[str, str], question_id: str) -> int:
    """The points of one answer; an unanswered question has none."""
    choice = title.choice(question_id, answers.get(question_id, ""))
    return choice.points if choice else 0


def score(title: Title, answers: Mapping[str, str], difficult_area: bool = False) -> Score:
    """Adds up a paper. QĐ 324: recognised from the threshold, with no indicator below the floor."""
    each = {question.id: points_of(title, answers, question.id) for question in title.questions}
    unanswered = tuple(q for q in each if q not in answers)
    threshold = threshold_for(title, difficult_area)
    below = tuple(q for q, points in each.items() if title.floor is not None and points < title.floor)
    met = None if threshold is None else sum(each.values()) >= threshold and not below
    return Score(sum(each.values()), title.total, threshold, met, below, unanswered)


def threshold_for(title: Title, difficult_area: bool) -> int | None:
    """The points from which the title is met, here."""
    if difficult_area and title.threshold_difficult_area is not None:
        return title.threshold_difficult_area
    return title.threshold


def weakest(title: Title, answers: Mapping[str, str], most: int = 3) -> list[Question]:
    """The questions with the least part of their points, weakest first; none that is full."""

    def share(question: Question) -> float:
        return points_of(title, answers, question.id) / question.points

    return sorted((q for q in title.questions if share(q) < 1), key=share)[:most]


def lifts(title: Title, answers: Mapping[str, str], difficult_area: bool = False) -> list[Lift]:
    """The smallest steps that, all taken, make the paper meet its threshold; empty where it does or none is set."""
    improved, found = dict(answers), {}
    while score(title, improved, difficult_area).met is False:
        step = _next_step(title, improved, difficult_area)
        if step is None:
            break
        improved[step.question_id] = step.choice_id
        found[step.question_id] = step
    return [Lift(q, s.choice_id, points_of(title, improved, q) - points_of(title, answers, q)) for q, s in found.items()]


def _next_step(title: Title, answers: Mapping[str, str], difficult_area: bool) -> Lift | None:
    """The next rung where it is needed most: below the floor first, then where least is reached."""
    below = set(score(title, answers, difficult_area).below_floor)
    order = sorted(title.questions, key=lambda q: (q.id not in below, points_of(title, answers, q.id)))
    for question in order:
        now = points_of(title, answers, question.id)
        higher = [s for s in (question.choices or title.ladder) if s.points > now and not s.exempt]
        if higher:
            step = min(higher, key=lambda s: s.points)
            return Lift(question.id, step.id, step.points - now)
    return None
