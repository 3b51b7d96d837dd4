"""One person on several channels: a code is shown here and entered there; a lost phone loses access."""

import re
from datetime import timedelta

from handlers.account.joining import CODE_LIVES, UNDO_FOR, join_to, part, spaced
from handlers.errors import Misheard, Refusal, UnknownCall
from handlers.router import Router
from handlers.turn import Button, Turn, button
from locales import Text, _, join
from storage.assignment import WrongCode, roles_of, wrong_codes
from storage.consent import EXAMINE, consents
from storage.delivery import drop_waiting
from storage.link import Joined, LinkCode, code_by_figures, code_by_word, joined_since, make_code
from storage.person import Address, Person, every_address, reachable_at

router = Router("link")

PREFIX = "lk-"
MOST_WRONG = 5  # an hour, for one address
FIGURES = 6
HELD = "code"


@router.command("/lienket", "/link", "liên kết")
@router.call
async def show(turn: Turn) -> None:
    """A code for the other channel, and the talk stays where it is; whoever is new here more likely has one."""
    if not await _has_record(turn):
        return await ask_code(turn)
    figures, word = await make_code(turn.session, turn.me, turn.me, turn.now, CODE_LIVES)
    links = [_("{channel}: {link}", channel=label, link=link) for label, link in turn.links(PREFIX + word)]
    turn.note("account:code:make")
    turn.reply(
        join(
            [
                _("Mã liên kết: {code}", code=spaced(figures)),
                _(
                    "Trên máy kia, {you} mở trợ lý, gửi /lienket rồi gõ mã này. Hai nơi sẽ dùng chung một hồ sơ. Mã dùng một "
                    "lần, trong {minutes} phút. {You} đừng đưa mã cho ai khác ạ.",
                    minutes=int(CODE_LIVES.total_seconds() // 60),
                ),
                join([_("Hoặc mở đường liên kết này trên máy kia:"), *links]) if links else None,
            ],
            "\n\n",
        ),
        Button(_("Làm tiếp"), turn.conversation.here or "account.menu"),
        button(_("Tôi có mã từ nơi khác"), "link.ask_code"),
        *[
            button(_("Bỏ nối"), "link.undo", joined.id or 0)
            for joined in await joined_since(turn.session, turn.me, turn.now - UNDO_FOR)
        ],
    )


@router.page
async def ask_code(turn: Turn) -> None:
    turn.ask(
        _(
            "Mời {you} gõ mã liên kết gồm {count} chữ số. Mã lấy ở nơi {you} đã dùng trợ lý: gửi /lienket ở đó. "
            "Nếu mất máy cũ, {you} hỏi mã ở chi hội khuyến học.",
            count=FIGURES,
        ),
        button(_("Tôi chưa có mã"), "account.start"),
        waits=hear_code.token(),
    )


@router.hears
async def hear_code(turn: Turn) -> None:
    hint = _("Mã liên kết gồm {count} chữ số, ví dụ: 482915. {You} gõ lại giúp ạ.", count=FIGURES)
    figures = re.sub(r"[\s.\-]", "", turn.text(hint, 40))
    if not re.fullmatch(r"\d{6}", figures, re.ASCII):
        raise Misheard(hint)
    await _check_tries(turn)
    await _entered(turn, await code_by_figures(turn.session, figures, turn.now))


@router.opens(PREFIX)
@router.call
async def open_(turn: Turn, word: str) -> None:
    """The link was opened on the other channel."""
    await _check_tries(turn)
    await _entered(turn, await code_by_word(turn.session, word, turn.now))


@router.page
async def confirm(turn: Turn, code_id: int) -> None:
    """Two records that both have a name: are they really of one person?"""
    code = await _held(turn, code_id)
    other = await turn.session.get(Person, code.person_id)
    turn.ask(
        _(
            "Ở đây đang có hồ sơ của {mine}. Mã này là của {theirs}. Hai hồ sơ có phải cùng một người không ạ? Nếu là người "
            "nhà, {you} đừng nối, mà dùng mục khai hộ.",
            mine=turn.person.full_name,
            theirs=(other.full_name if other else None) or "…",
        ),
        [button(_("Đúng, cùng là tôi"), "link.join_", code_id), button(_("Không phải"), "account.menu")],
    )


@router.call
async def join_(turn: Turn, code_id: int) -> None:
    if turn.conversation.here != confirm.token(code_id):
        raise Misheard(_("Lựa chọn này đã cũ. Mời {you} gửi /lienket."))
    await _join(turn, await _held(turn, code_id))


@router.call
async def undo(turn: Turn, joined_id: int) -> None:
    """Two again, for a day; from either side."""
    joined = await turn.session.get(Joined, joined_id, lock=True)
    if joined is None or joined.person_id != turn.me or joined.undone_at is not None:
        raise Refusal(_("Việc nối này không còn nữa."))
    if turn.now - joined.at > UNDO_FOR:
        raise Refusal(_("Đã quá 24 giờ nên trợ lý không bỏ nối được nữa. {You} hỏi chi hội khuyến học giúp ạ."))
    await part(turn, joined)
    both = [row for one in (joined.person_id, joined.former_id) for row in await every_address(turn.session, one)]
    others = [row for row in both if row.address != turn.address.address]
    text = _("✓ Đã bỏ nối. Từ nay hai nơi là hai hồ sơ riêng như trước.")
    for row in others:
        turn.tell_at(row.address, row.person_id, text)
    turn.reply(text)
    await turn.go("account.menu")


@router.page
async def resumed(turn: Turn) -> None:
    """The talk goes on here, because it cannot where it was."""
    turn.reply(_("Nơi {you} nhắn trước đây không dùng được nữa. Mời {you} làm tiếp ở đây, mọi câu trả lời vẫn còn."))
    await _go_on(turn)


async def _entered(turn: Turn, code: LinkCode | None) -> None:
    if code is None or code.person_id == turn.me:
        turn.session.add(WrongCode(address=turn.address.address, at=turn.now))
        return turn.ask(
            _("Mã này không đúng, đã dùng hoặc đã hết hạn. {You} xem lại, hoặc lấy mã mới rồi gõ lại ạ."),
            button(_("Tôi chưa có mã"), "account.start"),
            waits=hear_code.token(),
        )
    turn.conversation.held = {HELD: code.id}
    other = await turn.session.get(Person, code.person_id)
    if turn.person.full_name and other and turn.person.full_name != other.full_name:
        return await confirm(turn, code.id or 0)
    await _join(turn, code)


async def _check_tries(turn: Turn) -> None:
    if await wrong_codes(turn.session, turn.address.address, turn.now - timedelta(hours=1)) >= MOST_WRONG:
        raise Refusal(_("{You} đã nhập sai mã {most} lần. Một giờ nữa {you} thử lại ạ.", most=MOST_WRONG))


async def _held(turn: Turn, code_id: int) -> LinkCode:
    """The code that was entered here, if it may still be used. Raises Refusal."""
    code = await turn.session.get(LinkCode, code_id, lock=True)
    entered = (turn.conversation.held or {}).get(HELD) == code_id
    if code is None or not entered or code.used_at is not None or code.expires_at <= turn.now:
        raise Refusal(_("Mã này đã hết hạn. {You} lấy mã mới rồi gửi /lienket ạ."))
    return code


async def _join(turn: Turn, code: LinkCode) -> None:
    turn.conversation.held = None
    before = await every_address(turn.session, code.person_id)
    heard = await reachable_at(turn.session, code.person_id)
    joined = await join_to(turn, code.person_id)
    code.used_at = turn.now
    if code.rebinds:
        await _revoke(turn, before)
        turn.reply(_("✓ Từ nay {you} dùng trợ lý ở đây. Máy cũ không còn xem được hồ sơ của {you}."))
    else:
        way_back = button(_("Bỏ nối"), "link.undo", joined.id or 0)
        told = _(
            "Hồ sơ của {you} vừa được nối thêm một nơi nhắn tin: {channel}. Nếu không phải {you} làm, {you} chọn “Bỏ nối” "
            "trong 24 giờ.",
            channel=Text(turn.label),
        )
        for row in heard:
            turn.tell_at(row.address, turn.me, told, way_back)
        turn.reply(_("✓ Đã nối. Ở đây và ở nơi kia {you} dùng chung một hồ sơ. Trong 24 giờ {you} có thể bỏ nối."), way_back)
    await _go_on(turn)


async def _go_on(turn: Turn) -> None:
    """At the same question, if it is still there."""
    try:
        await turn.run(turn, turn.conversation.here or "account.menu")
    except (Refusal, UnknownCall):
        await turn.go("account.menu")


async def _revoke(turn: Turn, before: list[Address]) -> None:
    """Whoever has the old phone is a stranger from now on."""
    for row in before:
        stranger = Person(created_at=turn.now, language=turn.person.language)
        turn.session.add(stranger)
        await turn.session.flush()
        row.person_id, row.created_at = stranger.id or 0, turn.now
        await drop_waiting(turn.session, row.address)
        turn.note("account:address:revoke", at=row.address)
        turn.tell_at(
            row.address,
            row.person_id,
            _(
                "Hồ sơ ở đây đã được chuyển sang máy khác sau khi chi hội kiểm tra. Nếu có nhầm lẫn, {you} báo chi hội "
                "khuyến học giúp ạ."
            ),
        )


async def _has_record(turn: Turn) -> bool:
    """Whether there is anything here that could be shared."""
    answer = (await consents(turn.session, turn.me)).get(EXAMINE)
    return bool((answer and answer.granted) or turn.person.full_name or await roles_of(turn.session, turn.me))
