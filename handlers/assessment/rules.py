"""Whose paper it is, whether it may still change, and which question comes next."""

from handlers.account.guards import agreed
from handlers.errors import Refusal
from handlers.titles.model import Question, Subject, Title
from handlers.titles.published import InForce, title_of
from handlers.turn import Turn
from locales import _
from storage.assessment import Assessment, Status, paper_about, paper_in_hand
from storage.household import members_of
from storage.person import Person

OPEN = (Status.DRAFT, Status.NEED_MORE)


async def own_paper(turn: Turn, paper_id: int) -> Assessment:
    """The paper, if the speaker may see it as their own. Raises Refusal."""
    paper = await paper_in_hand(turn.session, paper_id)
    if paper is None:
        raise Refusal(_("Phiếu này không còn nữa. {You} gửi /trangthai để xem phiếu của mình."))
    await agreed(turn, paper.person_id)
    return paper


async def own_draft(turn: Turn, paper_id: int) -> tuple[Assessment, Title]:
    """The paper, if the speaker may still answer in it, and the criteria that it began with. Raises Refusal."""
    if (known := turn.drafts.get(paper_id)) is not None and known[0].status in OPEN:
        return known  # type: ignore[no-any-return]
    paper = await own_paper(turn, paper_id)
    title = await title_of(turn.session, paper.revision_id)
    if paper.status not in OPEN:
        raise Refusal(_("Phiếu đã gửi, không sửa được nữa. {You} gửi /trangthai để xem phiếu đến đâu."))
    if is_closed(turn, paper, title):
        raise Refusal(_("Phiếu năm {year} đã khép lại. {You} gửi /tudanhgia để làm phiếu năm nay.", year=paper.year))
    turn.drafts[paper_id] = paper, title
    return paper, title


async def open_question(turn: Turn, paper_id: int, question_id: str) -> tuple[Assessment, Title, Question]:
    """The question, if it may be answered now: all of a draft, only what was asked about in a returned paper."""
    paper, title = await own_draft(turn, paper_id)
    question = title.by_id.get(question_id)
    if question is None:
        raise Refusal(_("Câu hỏi này không có trong phiếu. {You} gửi /trangthai để xem phiếu của mình."))
    if paper.status == Status.NEED_MORE and question_id not in paper.reopened:
        raise Refusal(_("Cán bộ chỉ đề nghị bổ sung câu khác; câu này giữ nguyên."))
    return paper, title, question


def is_closed(turn: Turn, paper: Assessment, title: Title) -> bool:
    """Whether the year's window closed before the paper was sent."""
    return paper.status == Status.DRAFT and turn.today > title.last_day(paper.year)


def next_question(title: Title, paper: Assessment, after: str | None = None) -> str | None:
    """The next question without an answer, from `after` on and then from the top; passed-over ones come last.

    None when there is none left to ask.
    """
    order, answers, skipped = title.order, paper.answers, paper.skipped
    start = title.number(after) if after in title.by_id else 0
    for question_id in order[start:] + order[:start]:
        if question_id not in answers and question_id not in skipped:
            return question_id
    return None


async def existing(turn: Turn, found: InForce, person: Person, household_id: int | None) -> Assessment | None:
    """This year's paper of this subject, whoever began it."""
    return await paper_about(turn.session, found.title.id, turn.year, subject_key(found.title, person, household_id))


def subject_key(title: Title, person: Person, household_id: int | None) -> str:
    """Who the paper is about; with title and year it makes the paper unique."""
    return f"household:{household_id}" if title.subject == Subject.FAMILY else f"person:{person.id}"


async def may_answer_for(turn: Turn, household_id: int) -> bool:
    """Whether the speaker, or somebody for whom they speak, belongs to the household."""
    members = await members_of(turn.session, household_id)
    return turn.me in members or turn.conversation.speaking_for in members
