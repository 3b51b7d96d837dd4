"""Who is told what when a paper moves: the officers whose turn it is, the citizen, the province."""

from handlers.approval import workflow
from handlers.approval.roles import ROLES, Role, role_words
from handlers.assessment.people import told_about
from handlers.titles.model import Title
from handlers.titles.scoring import points_of, score, weakest
from handlers.turn import Button, Turn, button
from locales import Text, Words, _, join, plain
from locales.folding import fold
from storage.assessment import Assessment, Status, papers_beside, stranded_count
from storage.decision import Decision, Outcome
from storage.delivery import prompts
from storage.evidence import evidence_of
from storage.household import Household
from storage.person import Person, proxy
from storage.place import Place, chain


async def arrived(turn: Turn, paper: Assessment, title: Title, resent: bool = False) -> None:
    """Prompts each officer whose turn it is; where there is none, the province is told once."""
    officers = await workflow.officers_for(turn.session, paper)
    paper.stranded = not officers
    text = await card(turn, paper, title)
    if resent:
        text = join([_("Phiếu đã được bổ sung."), text], "\n")
    for officer in officers:
        turn.tell(officer.id or 0, text, *decision_rows(paper), about=paper.id, round=paper.round, kind="prompt")
    if not officers:
        await _tell_province(turn, paper)


async def decided(turn: Turn, paper: Assessment, title: Title, decision: Decision) -> None:
    """Makes the old prompts inert, tells the citizen, and prompts the next step."""
    role = ROLES[decision.role]
    outcome = {
        Outcome.APPROVED: Text(role.approved),
        Outcome.NEED_MORE: _("đề nghị bổ sung"),
        Outcome.NOT_MET: _("chưa đạt"),
    }[Outcome(decision.outcome)]
    officer = plain(turn.person.full_name or "") if turn.person.full_name else _("cán bộ")
    short = await short_name(turn, role, paper)
    done = _("✓ Đã xử lý: {outcome} ({role}, {officer}).", outcome=outcome, role=short, officer=officer)
    await inert(turn, paper, done, decision.round)
    await _tell_citizen(turn, paper, title, decision)
    if paper.status == Status.SUBMITTED:
        await arrived(turn, paper, title)


async def inert(turn: Turn, paper: Assessment, why: Words, round: int | None = None) -> None:
    """Takes the buttons off every prompt of this round, for everyone, and says why."""
    who = await subject_name(turn, paper)
    for prompt in await prompts(turn.session, paper.id or 0, paper.round if round is None else round):
        if prompt.edits is None:
            text = join([_("Phiếu số {number} – {name}", number=paper.id, name=plain(who)), why])
            turn.rewrite(prompt.id or 0, prompt.person_id, text)


async def card(turn: Turn, paper: Assessment, title: Title) -> Words:
    """What an officer must know at a glance: who, where, what, points, weakest answers, evidence."""
    person = await turn.session.get(Person, paper.person_id)
    assert person is not None
    reached = score(title, paper.answers, paper.difficult_area)
    group = next((g.label for g in title.groups if g.id == paper.group), None)
    rows = [
        _("{name}, sinh {year}", name=person.full_name or "…", year=person.birth_year or "…"),
        await _household_words(turn, paper),
        Text(group) if group else None,
        plain(await _place_words(turn, paper)),
        _("Tự chấm: {points}/{total} điểm{met}", points=reached.points, total=reached.total, met=_met(reached.met)),
        _weakest_words(title, paper),
        await _evidence_words(turn, paper),
        await _filed_by(turn, paper),
        await _double(turn, paper),
    ]
    head = _("Phiếu số {number} – {title} năm {year}", number=paper.id, title=title.shown_name, year=paper.year)
    return join([head, *rows])


def decision_rows(paper: Assessment) -> list[list[Button]]:
    """The officer's ways: read, approve, ask for more, not met."""
    at = (paper.id or 0, paper.round)
    role = ROLES[paper.step or ""]
    return [
        [button(_("Đọc phiếu"), "approval.read", paper.id or 0)],
        [button(Text(role.approve), "approval.approve", *at)],
        [button(_("Đề nghị bổ sung"), "approval.more", *at), button(_("Chưa đạt"), "approval.unmet", *at)],
    ]


async def asked_for_more(turn: Turn, paper: Assessment, title: Title, decision: Decision) -> Words:
    question = title.by_id[decision.question_id or ""]
    return _(
        "{role} đề nghị bổ sung câu {number}. {question}: {reason}",
        role=await short_name(turn, ROLES[decision.role], paper),
        number=title.number(question.id),
        question=Text(question.label),
        reason=reason_words(decision.reason),
    )


def recognized(paper: Assessment, decision: Decision) -> Words:
    return _(
        "Chúc mừng {whom}! Đã được công nhận theo Quyết định số {number} ngày {date}.",
        whom=_("gia đình {you}") if paper.household_id else _("{you}"),
        number=decision.document_number or "",
        date=decision.document_date,
    )


def reason_words(reason: str | None) -> Words:
    """A ready-made reason in the reader's language; an officer's own words as they were typed."""
    return Text(reason) if reason and "{" not in reason else plain(reason or "")


async def short_name(turn: Turn, role: Role, paper: Assessment) -> Words:
    """How the role is called where the paper lives."""
    return await role_words(turn.session, role.short, paper.place_id)


async def role_done(turn: Turn, paper: Assessment, decision: Decision) -> Words:
    """What the citizen hears when a role has approved."""
    return await role_words(turn.session, ROLES[decision.role].done, paper.place_id)


async def subject_name(turn: Turn, paper: Assessment) -> str:
    """Whose paper it is, by name."""
    person = await turn.session.get(Person, paper.person_id)
    return (person.full_name if person else None) or "…"


async def _tell_citizen(turn: Turn, paper: Assessment, title: Title, decision: Decision) -> None:
    said = {
        Outcome.APPROVED: recognized(paper, decision)
        if paper.status == Status.RECOGNIZED
        else await role_done(turn, paper, decision),
        Outcome.NEED_MORE: await asked_for_more(turn, paper, title, decision) if decision.question_id else plain(""),
        Outcome.NOT_MET: await _not_met(title, paper, decision),
    }[Outcome(decision.outcome)]
    head = _("Phiếu {title} năm {year}", title=title.shown_name, year=paper.year)
    name = plain(await subject_name(turn, paper))
    way = (
        button(_("Bổ sung ngay"), "assess.resume", paper.id or 0)
        if paper.status == Status.NEED_MORE
        else button(_("Xem phiếu"), "status.paper", paper.id or 0)
    )
    kind = "more" if paper.status == Status.NEED_MORE else "result"
    for person_id in await told_about(turn.session, paper):
        whose = None if person_id == paper.person_id else name
        turn.tell(person_id, join([join([head, whose], " – "), said]), way, kind=kind)


async def _not_met(title: Title, paper: Assessment, decision: Decision) -> Words:
    low = [
        _("• Câu {number}. {question}", number=title.number(q.id), question=Text(q.label)) for q in weakest(title, paper.answers)
    ]
    advice = join([_("Các câu nên phấn đấu thêm:"), *low]) if low else None
    return join(
        [
            _("Năm nay chưa đạt. Lý do: {reason}", reason=reason_words(decision.reason)),
            advice,
            _("Sang năm {you} có thể đăng ký lại. Trợ lý luôn sẵn lòng giúp."),
        ]
    )


async def _tell_province(turn: Turn, paper: Assessment) -> None:
    """Only the first paper that waits there: a heap is one matter, not a hundred messages."""
    await turn.session.flush()
    if await stranded_count(turn.session, paper.step or "", paper.place_id) > 1:
        return
    place = await _place_words(turn, paper)
    role = await short_name(turn, ROLES[paper.step or ""], paper)
    text = _("{place}: có phiếu chờ {role} mà chưa có cán bộ xem xét được.", place=place, role=role)
    turn.note("approval:paper:unstaffed", paper.id, step=paper.step)
    for watcher in await workflow.watchers_of(turn.session, paper):
        turn.tell(watcher.id or 0, text, button(_("Xem các nơi đang chờ"), "approval.queue"))


async def _place_words(turn: Turn, paper: Assessment) -> str:
    places: list[Place] = await chain(turn.session, paper.place_id)
    return ", ".join(f"{place.kind} {place.name}" for place in places[:2])


async def _household_words(turn: Turn, paper: Assessment) -> Words | None:
    household = await turn.session.get(Household, paper.household_id) if paper.household_id else None
    if household is None:
        return None
    return _(
        "Chủ hộ: {head}; {members} người, {school_age} cháu tuổi đi học, {in_school} cháu đang đi học",
        head=household.head_name,
        members=household.members or 0,
        school_age=household.school_age or 0,
        in_school=household.in_school or 0,
    )


async def _filed_by(turn: Turn, paper: Assessment) -> Words | None:
    """Who typed, where it was not the person: the officer knows whom to ask."""
    if paper.filed_by == paper.person_id:
        return None
    typist = await turn.session.get(Person, paper.filed_by)
    held = await proxy(turn.session, paper.filed_by, paper.person_id)
    name = (typist.full_name if typist else None) or "…"
    if held is not None and held.relation == "family":
        return _("Người nhà khai hộ: {name}", name=name)
    return _("Khai hộ: {name}", name=name)


async def _evidence_words(turn: Turn, paper: Assessment) -> Words:
    """What is there to look at, and what the branch is asked to vouch for: two different things."""
    kinds = [piece.kind for piece in await evidence_of(turn.session, paper.id or 0)]
    asked = kinds.count("asked")
    count = _("Minh chứng: {count}", count=len(kinds) - asked)
    return _("{evidence}; nhờ chi hội xác nhận: {asked}", evidence=count, asked=asked) if asked else count


async def _double(turn: Turn, paper: Assessment) -> Words | None:
    """Another paper of, it seems, the same person: an officer who knows the village can tell."""
    person = await turn.session.get(Person, paper.person_id)
    name = fold((person.full_name if person else None) or "")
    for other, namesake in await papers_beside(turn.session, paper, person.birth_year if person else None):
        same_household = not paper.household_id or other.household_id == paper.household_id
        if fold(namesake.full_name or "") == name and same_household:
            return _("⚠ Trùng tên, năm sinh và thôn với phiếu số {number}.", number=other.id)
    return None


def _weakest_words(title: Title, paper: Assessment) -> Words | None:
    low = [
        _("{question} {points}", question=Text(q.label), points=points_of(title, paper.answers, q.id))
        for q in weakest(title, paper.answers)
    ]
    return _("Thấp nhất: {questions}", questions=join(low, ", ")) if low else None


def _met(met: bool | None) -> Words:
    if met is None:
        return plain("")
    return _(" – đủ mức") if met else _(" – chưa đạt mức")
