"""The household: its head, its village, its counts; no child's name."""

from handlers.account.guards import agreed, is_known, subject
from handlers.account.profile import read_name
from handlers.account.village import full_name_of
from handlers.assessment.rules import may_answer_for
from handlers.errors import Misheard, Refusal
from handlers.router import Router
from handlers.titles.model import Subject
from handlers.titles.published import titles_in_force
from handlers.turn import Turn, button
from locales import Words, _, plain
from locales.folding import fold
from storage.household import Household, HouseholdMember, household_of, households_in, members_of

router = Router("family")

COUNTS = ("members", "school_age", "in_school")
LARGEST = {"members": 30, "school_age": 15, "in_school": 15}


@router.page
async def ask_head(turn: Turn, title_id: str) -> None:
    person = await agreed(turn, (await subject(turn)).id or 0)
    if not is_known(person):
        return await turn.go("profile.go_on", person.id or 0)
    turn.ask(
        _("Chủ hộ của gia đình là ai ạ?"),
        button(plain(person.full_name or ""), "family.head_is_me", title_id),
        button(_("Người khác"), "family.ask_head_name", title_id),
        button(_("Quay lại"), "assess.titles"),
    )


@router.call
async def head_is_me(turn: Turn, title_id: str) -> None:
    person = await agreed(turn, (await subject(turn)).id or 0)
    if turn.conversation.here != ask_head.token(title_id):
        raise Misheard(_("Câu này {you} đã trả lời rồi. Mời {you} làm tiếp từ đây."))
    await _found(turn, person.full_name or "", is_head=True)


@router.page
async def ask_head_name(turn: Turn, title_id: str) -> None:
    if not is_known(person := await agreed(turn, (await subject(turn)).id or 0)):
        return await turn.go("profile.go_on", person.id or 0)
    turn.ask(
        _("Họ và tên chủ hộ là gì ạ? Ví dụ: Trần Văn Hùng."),
        button(_("Quay lại"), "family.ask_head", title_id),
        waits=hear_head_name.token(title_id),
    )


@router.hears
async def hear_head_name(turn: Turn, title_id: str) -> None:
    await _found(turn, read_name(turn), is_head=False)


@router.call
async def go_on(turn: Turn, household_id: int) -> None:
    """The first count that is still unknown; then the paper itself."""
    household = await _household(turn, household_id)
    for count in COUNTS:
        if getattr(household, count) is None:
            return await ask_count(turn, household_id, count)
    family = next(f.title.id for f in await titles_in_force(turn.session) if f.title.subject == Subject.FAMILY)
    await turn.go("assess.begin", family)


@router.page
async def confirm_place(turn: Turn, household_id: int) -> None:
    household = await _household(turn, household_id)
    turn.ask(
        _("Gia đình ở {place}, đúng không ạ?", place=await full_name_of(turn.session, household.place_id)),
        [button(_("Đúng"), "family.go_on", household_id), button(_("Nơi khác"), "village.ask_words", "home", household_id)],
    )


@router.page
async def ask_count(turn: Turn, household_id: int, count: str) -> None:
    await _household(turn, household_id)
    _largest(count)
    first = 1 if count == "members" else 0
    numbers = [button(plain(str(n)), "family.keep_count", household_id, count, n) for n in range(first, first + 8)]
    turn.ask(_count_question(count), numbers[:4], numbers[4:], waits=hear_count.token(household_id, count))


@router.hears
async def hear_count(turn: Turn, household_id: int, count: str) -> None:
    hint = _("Trợ lý cần một con số, ví dụ: 4.")
    typed = turn.text(hint, longest=20)
    if not typed.isdecimal() or len(typed) > 2:
        raise Misheard(hint)
    await keep_count(turn, household_id, count, int(typed))


@router.call
async def keep_count(turn: Turn, household_id: int, count: str, number: int) -> None:
    household = await _household(turn, household_id)
    largest = min(_largest(count), household.school_age or 0) if count == "in_school" else _largest(count)
    if turn.conversation.here != ask_count.token(household_id, count):
        raise Misheard(_("Câu này {you} đã trả lời rồi. Mời {you} làm tiếp từ đây."))
    if number > largest or (count == "members" and number < 1):
        raise Misheard(_("Con số {number} chưa hợp. Nhiều nhất là {largest}, ví dụ: 2.", number=number, largest=largest))
    setattr(household, count, number)
    if count == "school_age" and number == 0:
        household.in_school = 0
    turn.note("account:household:change", household=household_id, count=count, number=number)
    turn.settle(_("✓ {question} {number}", question=_count_name(count), number=number))
    await go_on(turn, household_id)


def _count_question(count: str) -> Words:
    return {
        "members": _("Gia đình có mấy người ạ?"),
        "school_age": _("Nhà có mấy cháu đang tuổi đi học ạ? Không cần nêu tên các cháu."),
        "in_school": _("Trong đó mấy cháu đang đi học ạ?"),
    }[count]


def _count_name(count: str) -> Words:
    return {
        "members": _("Số người trong nhà:"),
        "school_age": _("Số cháu tuổi đi học:"),
        "in_school": _("Số cháu đang đi học:"),
    }[count]


def _largest(count: str) -> int:
    if count not in LARGEST:
        raise Refusal(_("Lựa chọn này không còn dùng được nữa. {You} gửi /tudanhgia để bắt đầu lại."))
    return LARGEST[count]


@router.page
async def ask_same(turn: Turn, household_id: int) -> None:
    """The village has a household with that head already: one family, one paper."""
    household = await _offered_household(turn, household_id)
    turn.ask(
        _("Trong thôn đã có hộ của {name}. Có phải cùng một gia đình không ạ?", name=household.head_name),
        button(_("Đúng, cùng gia đình"), "family.join", household_id),
        button(_("Không, hộ khác trùng tên"), "family.apart", household_id),
    )


@router.call
async def join(turn: Turn, household_id: int) -> None:
    household = await _answered(turn, household_id)
    name = plain((await subject(turn)).full_name or "…")
    for member in await members_of(turn.session, household_id):
        turn.tell(
            member, _("{name} vừa khai là người cùng gia đình với {you}. Nếu không phải, {you} báo chi hội giúp ạ.", name=name)
        )
    await _member(turn, household, is_head=False)
    turn.settle(_("✓ Cùng gia đình {name}", name=household.head_name))
    await go_on(turn, household_id)


@router.call
async def apart(turn: Turn, household_id: int) -> None:
    await _answered(turn, household_id)
    held = turn.conversation.held or {}
    await _new(turn, held["head"], bool(held["is_head"]))


async def _found(turn: Turn, head_name: str, is_head: bool) -> None:
    """Founds the household, unless the village has one with that head."""
    person = await agreed(turn, (await subject(turn)).id or 0)
    if not is_known(person):
        return await turn.go("profile.go_on", person.id or 0)
    present = await household_of(turn.session, person.id or 0)
    if present is not None:
        return await go_on(turn, present.id or 0)
    for other in await households_in(turn.session, person.place_id or 0):
        if fold(other.head_name) == fold(head_name):
            turn.conversation.held = {"head": head_name, "is_head": is_head, "household": other.id}
            return await ask_same(turn, other.id or 0)
    await _new(turn, head_name, is_head)


async def _new(turn: Turn, head_name: str, is_head: bool) -> None:
    person = await agreed(turn, (await subject(turn)).id or 0)
    household = Household(head_name=head_name, place_id=person.place_id or 0, created_at=turn.now)
    turn.session.add(household)
    await turn.session.flush()
    await _member(turn, household, is_head)
    turn.settle(_("✓ Chủ hộ: {name}", name=household.head_name))
    await confirm_place(turn, household.id or 0)


async def _member(turn: Turn, household: Household, is_head: bool) -> None:
    person = await agreed(turn, (await subject(turn)).id or 0)
    household_id = household.id or 0
    turn.session.add(HouseholdMember(household_id=household_id, person_id=person.id or 0, is_head=is_head, since=turn.now))
    await turn.session.flush()
    turn.note("account:household:join", household=household_id, person=person.id)


async def _offered_household(turn: Turn, household_id: int) -> Household:
    """The household that was found by its head's name for this person. Raises Misheard for any other."""
    person = await agreed(turn, (await subject(turn)).id or 0)
    household = await turn.session.get(Household, household_id)
    free = await household_of(turn.session, person.id or 0) is None
    found = (turn.conversation.held or {}).get("household") == household_id
    if household is None or not found or not free or household.place_id != person.place_id:
        raise Misheard(_("Câu này {you} đã trả lời rồi. Mời {you} làm tiếp từ đây."))
    return household


async def _answered(turn: Turn, household_id: int) -> Household:
    """The same, where the question is on the screen."""
    household = await _offered_household(turn, household_id)
    if turn.conversation.here != ask_same.token(household_id):
        raise Misheard(_("Câu này {you} đã trả lời rồi. Mời {you} làm tiếp từ đây."))
    return household


async def _household(turn: Turn, household_id: int) -> Household:
    household = await turn.session.get(Household, household_id)
    if household is None or not await may_answer_for(turn, household_id):
        raise Refusal(_("Lựa chọn này của người khác, {you} không dùng được."))
    return household
