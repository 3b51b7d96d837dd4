"""Who the person is: form of address, name, year of birth; and the page that shows it."""

import re
from unicodedata import name

from handlers.account.consent import record
from handlers.account.guards import CHILD, agreed, heading, is_known, subject, who
from handlers.account.village import full_name_of
from handlers.errors import Misheard, Refusal
from handlers.incoming import Sent
from handlers.router import Router
from handlers.turn import Turn, button, tidy
from locales import Text, Words, _, join, plain
from locales.text import SOURCE
from storage.consent import PUBLISH, has_agreed
from storage.person import Person, proxy, speaks_for

router = Router("profile")

FORMS = ("ông", "bà", "bác", "cô", "chú", "anh", "chị", "ông/bà")
OFFICER_FORM = "đồng chí"
FORM_WORDS = [_("ông"), _("bà"), _("bác"), _("cô"), _("chú"), _("anh"), _("chị"), _("ông/bà"), _("đồng chí")]
LONGEST_NAME = 60
OLDEST = 110  # years
_NAME = re.compile(r"[^\W\d_]+(?:[ '’.\-][^\W\d_]+)+\.?")
_YEAR = re.compile(r"(?<!\d)(\d{4}|\d{2})(?!\d)")


@router.call
async def go_on(turn: Turn, person_id: int) -> None:
    """The first thing about this person that is still unknown; the menu when all is known."""
    person = await agreed(turn, person_id)
    if person_id == turn.me and not await _form_chosen(turn):
        return await ask_form(turn)
    if not person.full_name:
        return await ask_name(turn, person_id)
    if not person.birth_year:
        return await ask_birth_year(turn, person_id)
    if not person.place_id:
        return await turn.go("village.ask", "person", person_id)
    await turn.go("account.menu")


@router.page
async def ask_form(turn: Turn) -> None:
    rows = [[button(Text(form), "profile.choose_form", str(FORMS.index(form))) for form in FORMS[i : i + 4]] for i in (0, 4)]
    turn.ask(_("Trợ lý nên gọi {you} thế nào cho phải ạ?"), *rows)


@router.call
async def choose_form(turn: Turn, number: int) -> None:
    if number >= len(FORMS) or turn.conversation.here != ask_form.token():
        raise Misheard(_("Lựa chọn này đã cũ. Muốn đổi cách gọi, {you} gửi /hoso."))
    turn.person.you = FORMS[number]
    turn.note("account:form:change", form=FORMS[number])
    turn.settle(_("✓ Trợ lý xin gọi là {you}."))
    await go_on(turn, turn.me)


@router.page
async def ask_name(turn: Turn, person_id: int) -> None:
    await agreed(turn, person_id)
    question = (
        _("Họ và tên đầy đủ của {you} là gì ạ? Ví dụ: Nguyễn Thị Lan.")
        if person_id == turn.me
        else _("Họ và tên đầy đủ của người được khai hộ là gì ạ? Ví dụ: Nguyễn Thị Lan.")
    )
    turn.ask(question, waits=hear_name.token(person_id), name=person_id == turn.me)


@router.hears
async def hear_name(turn: Turn, person_id: int) -> None:
    person = await agreed(turn, person_id)
    person.full_name = read_name(turn)
    turn.note("account:name:change", person=person_id)
    turn.settle(_("✓ Họ và tên: {name}", name=person.full_name))
    await go_on(turn, person_id)


@router.page
async def ask_birth_year(turn: Turn, person_id: int) -> None:
    person = await agreed(turn, person_id)
    question = (
        _("{You} sinh năm nào ạ? Ví dụ: 1954.")
        if person_id == turn.me
        else _("{name} sinh năm nào ạ? Ví dụ: 1954.", name=_named(turn, person))
    )
    turn.ask(
        question,
        waits=hear_birth_year.token(person_id),
    )


@router.hears
async def hear_birth_year(turn: Turn, person_id: int) -> None:
    """Takes "1954", "năm 1954"; asks back for "54"."""
    await agreed(turn, person_id)
    hint = _("Trợ lý cần năm sinh bằng bốn chữ số, ví dụ: 1954.")
    found = _YEAR.findall(turn.text(hint, longest=60))
    if len(found) != 1:
        raise Misheard(hint)
    if len(found[0]) == 4:
        return await _keep_birth_year(turn, person_id, int(found[0]))
    year = int(found[0]) + (2000 if int(found[0]) <= turn.year % 100 else 1900)
    turn.ask(
        _("Sinh năm {year} phải không ạ?", year=year),
        [button(_("Đúng"), "profile.birth_year", person_id, year), button(_("Gõ lại"), "profile.ask_birth_year", person_id)],
        waits=hear_birth_year.token(person_id),
    )


@router.call
async def birth_year(turn: Turn, person_id: int, year: int) -> None:
    await agreed(turn, person_id)
    if turn.conversation.waits != hear_birth_year.token(person_id):
        raise Misheard(_("Câu này {you} đã trả lời rồi. Muốn sửa, {you} gửi /hoso."))
    await _keep_birth_year(turn, person_id, year)


@router.command("/hoso", "/profile", "hồ sơ")
@router.page
async def show(turn: Turn) -> None:
    """What is known of the person answered for, and the ways to change it."""
    person = await agreed(turn, (await subject(turn)).id or 0)
    if not is_known(person):
        return await go_on(turn, person.id or 0)
    others = await speaks_for(turn.session, turn.me)
    turn.ask(
        join(
            [
                heading(turn, person),
                _("Họ và tên: {name}", name=person.full_name),
                _("Năm sinh: {year}", year=person.birth_year),
                _("Nơi ở: {place}", place=await full_name_of(turn.session, person.place_id)),
                _("Cách gọi: {you}") if person.id == turn.me else None,
            ]
        ),
        [
            button(_("Sửa họ tên"), "profile.ask_name", person.id or 0),
            button(_("Sửa năm sinh"), "profile.ask_birth_year", person.id or 0),
        ],
        [
            button(_("Sửa nơi ở"), "village.ask", "person", person.id or 0),
            button(_("Đổi cách gọi"), "profile.ask_form"),
        ],
        button(_("Tôi khai cho…") if others else _("Khai hộ người khác"), "people.choose"),
        button(_("Về trang chính"), "account.menu"),
    )


def read_name(turn: Turn) -> str:
    """A name of at least two words. Raises Misheard."""
    hint = _("Trợ lý cần họ và tên đầy đủ, chỉ gồm chữ, ví dụ: Nguyễn Thị Lan.")
    match turn.incoming.meaning:
        case Sent("contact", caption=str(shared)):
            typed = " ".join(shared.split())[:LONGEST_NAME]
        case _:
            typed = " ".join(turn.text(hint, longest=LONGEST_NAME).split())
    if not _NAME.fullmatch(typed) or not all(name(c).startswith("LATIN") for c in typed if c.isalpha()):
        raise Misheard(hint)
    # A phone that writes all small or all capitals; a careful spelling is left alone.
    return typed.title() if typed in (typed.lower(), typed.upper()) else tidy(typed)


async def _keep_birth_year(turn: Turn, person_id: int, year: int) -> None:
    person = await agreed(turn, person_id)
    if not turn.year - OLDEST <= year <= turn.year - 6:
        raise Misheard(_("Năm sinh {year} chưa đúng. Trợ lý cần bốn chữ số, ví dụ: 1954.", year=year))
    if turn.year - year < CHILD:
        await _child(turn, person)
    person.birth_year = year
    turn.note("account:birth_year:change", person=person_id)
    turn.settle(_("✓ Năm sinh: {year}", year=year))
    await go_on(turn, person_id)


async def _child(turn: Turn, person: Person) -> None:
    """Under 16: only family speaks, and nothing is published."""
    held = await proxy(turn.session, turn.me, person.id or 0)
    if held is None or held.relation != "family":
        raise Refusal(
            _(
                "Người dưới 16 tuổi cần cha mẹ hoặc người giám hộ khai giúp. Cha mẹ mở trợ lý trên máy của mình, "
                "gửi /hoso rồi chọn “Khai hộ người khác”."
            )
        )
    if await has_agreed(turn.session, person.id or 0, PUBLISH):
        record(turn, person, PUBLISH, False)
        turn.reply(_("Vì dưới 16 tuổi, kết quả sẽ không công khai."))


async def _form_chosen(turn: Turn) -> bool:
    """Whoever speaks Vietnamese is asked once; officers are addressed as such until they choose otherwise."""
    return turn.person.language != SOURCE or turn.person.you != "ông/bà" or bool(turn.person.full_name)


def _named(turn: Turn, person: Person) -> Words:
    return plain(person.full_name) if person.full_name else who(turn, person)
