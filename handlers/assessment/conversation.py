"""The talk of a self-assessment: choose a title, then one question a message."""

from handlers.account.guards import agreed, heading, is_known, subject, who
from handlers.assessment.rules import existing, next_question, open_question, own_draft, own_paper, subject_key
from handlers.assessment.wording import labels, opening, page, settled
from handlers.errors import Misheard, Refusal
from handlers.router import Router
from handlers.titles.model import ALL, Choice, Question, Subject, Title
from handlers.titles.published import InForce, title_in_force, title_of, titles_in_force
from handlers.turn import Row, Turn, button
from locales import Kept, Text, Words, _, join
from storage.assessment import Assessment, Status
from storage.household import Household, household_of
from storage.person import Person, proxy
from storage.statements import new

router = Router("assess")
BACK, SKIP, WHY = Kept(_("Quay lại")), Kept(_("Bỏ qua")), Kept(_("Vì sao hỏi?"))


@router.command("/tudanhgia", "tự đánh giá")
@router.page
async def titles(turn: Turn) -> None:
    """Which title to assess oneself for."""
    person = await agreed(turn, (await subject(turn)).id or 0)
    if not is_known(person):
        return await turn.go("profile.go_on", person.id or 0)
    turn.ask(
        join([heading(turn, person), _("Mời {you} chọn danh hiệu muốn phấn đấu năm {year}.", year=turn.year)]),
        *[button(found.title.shown_name, "assess.begin", found.title.id) for found in await titles_in_force(turn.session)],
        button(_("Về trang chính"), "account.menu"),
    )


@router.call
async def begin(turn: Turn, title_id: str) -> None:
    """Opens this year's paper, or asks what is still needed to begin one."""
    person = await agreed(turn, (await subject(turn)).id or 0)
    found = await title_in_force(turn.session, title_id)
    if found is None:
        raise Refusal(_("Danh hiệu này chưa có bộ tiêu chí. {You} gửi /tudanhgia để chọn danh hiệu khác."))
    if not is_known(person):
        return await turn.go("profile.go_on", person.id or 0)
    household = await household_of(turn.session, person.id or 0) if found.title.subject == Subject.FAMILY else None
    if household is None and found.title.subject == Subject.FAMILY:
        return await turn.go("family.ask_head", title_id)
    if household is not None and None in (household.members, household.school_age, household.in_school):
        return await turn.go("family.go_on", household.id or 0)
    paper = await existing(turn, found, person, household.id if household else None)
    if paper is not None and paper.status != Status.WITHDRAWN:
        return await _present(turn, paper)
    if found.title.groups:
        return await ask_group(turn, title_id)
    await start(turn, title_id, ALL)


@router.page
async def ask_group(turn: Turn, title_id: str) -> None:
    """Which group's wording fits; the person chooses, an officer may ask to correct it."""
    person = await agreed(turn, (await subject(turn)).id or 0)
    found = await _in_force(turn, title_id)
    hints = [_("• {group}: {hint}", group=Text(g.label), hint=Text(g.hint)) for g in found.title.groups]
    turn.ask(
        join([heading(turn, person), _("Nhóm nào đúng với {who} nhất ạ?", who=who(turn, person)), *hints]),
        *[button(Text(group.label), "assess.start", title_id, group.id) for group in found.title.groups],
        button(_("Quay lại"), "assess.titles"),
    )


@router.call
async def start(turn: Turn, title_id: str, group_id: str) -> None:
    """Begins the paper, pinned to the criteria in force today."""
    person = await agreed(turn, (await subject(turn)).id or 0)
    found = await _in_force(turn, title_id)
    groups = {group.id for group in found.title.groups} or {ALL}
    if group_id not in groups or not person.place_id:
        raise Refusal(_("Lựa chọn này không còn dùng được nữa. {You} gửi /tudanhgia để bắt đầu lại."))
    household = await household_of(turn.session, person.id or 0) if found.title.subject == Subject.FAMILY else None
    if household is None and found.title.subject == Subject.FAMILY:
        return await turn.go("family.ask_head", title_id)
    paper = await existing(turn, found, person, household.id if household else None)
    if paper is not None and paper.status != Status.WITHDRAWN:
        return await _present(turn, paper)
    paper = paper or new(
        Assessment, title_id=title_id, revision_id=found.revision_id, year=turn.year, person_id=person.id or 0, filed_by=turn.me,
        subject=subject_key(found.title, person, household.id if household else None), created_at=turn.now,
        household_id=household.id if household else None, place_id=person.place_id, updated_at=turn.now,
    )  # fmt: skip
    paper.revision_id, paper.status, paper.filed_by, paper.updated_at = found.revision_id, Status.DRAFT, turn.me, turn.now
    paper.place_id, paper.person_id = household.place_id if household else person.place_id, person.id or 0
    paper.group = person.group = group_id if found.title.groups else None
    turn.session.add(paper)
    await turn.session.flush()
    turn.note("assessment:paper:begin", paper.id, title=title_id, year=turn.year, group=paper.group)
    turn.reply(join([opening(found.title), _exempt(found.title, paper, household)]))
    await resume(turn, paper.id or 0)


@router.call
async def resume(turn: Turn, paper_id: int) -> None:
    """Goes on where the paper stands."""
    paper = await own_paper(turn, paper_id)
    if paper.status == Status.NEED_MORE:
        return await question(turn, paper_id, paper.reopened[0])
    if paper.status != Status.DRAFT:
        return await turn.go("status.paper", paper_id)
    title = await title_of(turn.session, paper.revision_id)
    following = next_question(title, paper)
    await (question(turn, paper_id, following) if following else turn.go("review.show", paper_id))


@router.page
async def question(turn: Turn, paper_id: int, question_id: str) -> None:
    """One question with its steps, an example each."""
    paper, title, asked = await open_question(turn, paper_id, question_id)
    person = await _person(turn, paper)
    choices = await _offered(turn, paper, title, asked)
    shown = labels(title, asked, choices)
    turn.ask(
        page(turn, paper, title, asked, person, choices),
        *[button(label, "assess.answer", paper_id, question_id, choice_id) for choice_id, label in shown],
        *_ways(paper, title, asked),
        listed=len(shown),
    )


@router.call
async def answer(turn: Turn, paper_id: int, question_id: str, choice_id: str) -> None:
    """Keeps an answer, if it is to the question on the screen, and asks for evidence."""
    paper, title, asked = await open_question(turn, paper_id, question_id)
    choice = title.choice(question_id, choice_id)
    if choice is None or choice_id not in {one.id for one in await _offered(turn, paper, title, asked)}:
        raise Misheard(_("Câu này không có lựa chọn đó. {You} chọn một trong các mục bên dưới giúp ạ."))
    if turn.conversation.here != question.token(paper_id, question_id):
        return await _late(turn, paper, title, asked, choice)
    before = paper.answers.get(question_id)
    paper.answers = paper.answers | {question_id: choice_id}
    paper.skipped = [skipped for skipped in paper.skipped if skipped != question_id]
    paper.updated_at = turn.now
    turn.note("assessment:answer:change", paper.id, question=question_id, before=before, after=choice_id)
    turn.settle(settled(title, asked, choice))
    if choice.points == 0 or choice.exempt:
        return await go_on(turn, paper_id, question_id)
    await turn.go("evidence.ask", paper_id, question_id)


@router.call
async def go_on(turn: Turn, paper_id: int, question_id: str) -> None:
    """What comes after a question: the next one, or the review."""
    paper, title = await own_draft(turn, paper_id)
    if paper.status == Status.NEED_MORE:
        return await turn.go("review.show", paper_id)
    following = next_question(title, paper, after=question_id)
    await (question(turn, paper_id, following) if following else turn.go("review.show", paper_id))


@router.call
async def skip(turn: Turn, paper_id: int, question_id: str) -> None:
    """Passes over a question; the review brings it back."""
    paper, title, asked = await open_question(turn, paper_id, question_id)
    if turn.conversation.here != question.token(paper_id, question_id):
        return await turn.go(*_split(turn.conversation.here or "account.menu"))
    if question_id not in paper.answers and question_id not in paper.skipped:
        paper.skipped = [*paper.skipped, question_id]
        turn.note("assessment:answer:skip", paper.id, question=question_id)
    turn.settle(_("Câu {number}: để sau", number=title.number(question_id)))
    await go_on(turn, paper_id, question_id)


@router.call
async def back(turn: Turn, paper_id: int, question_id: str) -> None:
    """To the question before, with its answer as it stands."""
    _paper, title, _asked = await open_question(turn, paper_id, question_id)
    before = title.number(question_id) - 2
    await (question(turn, paper_id, title.questions[before].id) if before >= 0 else titles(turn))


@router.call
async def why(turn: Turn, paper_id: int, question_id: str) -> None:
    """Why we ask; the question stays."""
    _paper, _title, asked = await open_question(turn, paper_id, question_id)
    turn.reply(join([Text(asked.why), _("Mời {you} trả lời câu hỏi ở trên.")]))


async def _late(turn: Turn, paper: Assessment, title: Title, asked: Question, choice: Choice) -> None:
    """A button of an earlier message: never changes anything by itself."""
    present = title.choice(asked.id, paper.answers.get(asked.id, ""))
    if present is not None and present.id == choice.id:
        return  # a second tap on what is stored already
    number = title.number(asked.id)
    if present is None:
        raise Misheard(_("Câu {number} chưa đến lượt. Mời {you} làm tiếp từ đây.", number=number))
    turn.reply(
        _("Câu {number} đã ghi: {answer}. {You} có muốn đổi không ạ?", number=number, answer=Text(present.label)),
        button(_("Đổi câu {number}", number=number), "assess.question", paper.id or 0, asked.id),
        *([button(_("Giữ nguyên, làm tiếp"), *_split(turn.conversation.here))] if turn.conversation.here else []),
    )


async def _offered(turn: Turn, paper: Assessment, title: Title, asked: Question) -> list[Choice]:
    """The steps to choose from; "no children at school" only where the household says so."""
    choices = title.choices(asked, paper.group)
    household = await turn.session.get(Household, paper.household_id) if paper.household_id else None
    if household is None or household.school_age == 0:
        return choices
    return [choice for choice in choices if not choice.exempt]


def _exempt(title: Title, paper: Assessment, household: Household | None) -> Words | None:
    """A household without children of school age is not asked three times whether it has any."""
    if household is None or household.school_age != 0:
        return None
    free = {q.id: choice.id for q in title.questions for choice in q.choices if choice.exempt}
    paper.answers = dict(paper.answers) | free
    numbers = ", ".join(str(title.number(q)) for q in free)
    return _("Nhà không có cháu đi học nên câu {numbers} được miễn, không mất điểm.", numbers=numbers) if free else None


def _split(token: str) -> tuple[str, ...]:
    return tuple(token.split(":"))


def _ways(paper: Assessment, title: Title, asked: Question) -> list[Row]:
    """The buttons that are not answers."""
    at = (paper.id or 0, asked.id)
    reason = button(WHY, "assess.why", *at)
    if paper.status == Status.NEED_MORE:
        return [[reason, button(_("Giữ nguyên, thêm minh chứng"), "evidence.ask", *at)]]
    if asked.id in paper.answers:
        return [[button(_("Giữ nguyên"), "assess.go_on", *at), reason], [button(_("Xem lại phiếu"), "review.show", at[0])]]
    ways = [button(SKIP, "assess.skip", *at), reason]
    if title.number(asked.id) > 1:
        ways.insert(0, button(BACK, "assess.back", *at))
    return [ways]


async def _present(turn: Turn, paper: Assessment) -> None:
    """Goes on with this year's paper; somebody else's for the same household is not shown."""
    if paper.person_id != turn.me and not await proxy(turn.session, turn.me, paper.person_id):
        raise Refusal(
            _("Gia đình đã có phiếu năm {year} do người khác trong nhà khai. Mỗi gia đình một phiếu một năm.", year=paper.year)
        )
    await resume(turn, paper.id or 0)


async def _person(turn: Turn, paper: Assessment) -> Person:
    person = await turn.session.get(Person, paper.person_id)
    assert person is not None
    return person


async def _in_force(turn: Turn, title_id: str) -> InForce:
    found = await title_in_force(turn.session, title_id)
    if found is None:
        raise Refusal(_("Danh hiệu này chưa có bộ tiêu chí. {You} gửi /tudanhgia để chọn danh hiệu khác."))
    return found
