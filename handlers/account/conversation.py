"""The first words, the menu, help, and the language."""

from handlers.account.guards import subject
from handlers.assessment.rules import OPEN, is_closed
from handlers.errors import Misheard, Refusal
from handlers.router import Router
from handlers.titles.model import Title
from handlers.titles.published import title_of
from handlers.turn import Button, Turn, button, in_order
from locales import Text, _, join, plain
from locales.catalogue import languages
from storage.assessment import Assessment, Status, papers_of
from storage.assignment import roles_of
from storage.consent import EXAMINE, consents
from storage.delivery import Delivery
from storage.place import by_code, chain

router = Router("account")

COMMANDS = {
    "batdau": _("Bắt đầu, về trang chính"),
    "tudanhgia": _("Tự đánh giá danh hiệu"),
    "trangthai": _("Xem phiếu của tôi đến đâu"),
    "hoso": _("Hồ sơ của tôi, khai hộ người nhà"),
    "hangcho": _("Hàng chờ (dành cho cán bộ)"),
    "baotin": _("Ai cần báo tin giúp (dành cho cán bộ)"),
    "doimay": _("Cấp mã đổi máy cho người dân (dành cho cán bộ)"),
    "lienket": _("Dùng chung hồ sơ trên máy hoặc kênh khác"),
    "dulieu": _("Dữ liệu của tôi, rút đồng ý"),
    "ngonngu": _("Đổi ngôn ngữ"),
    "trogiup": _("Trợ giúp"),
    "huy": _("Dừng việc đang làm"),
}


OFFICERS = ("hangcho", "baotin", "doimay")


@router.command("/start", "/batdau", "xin chào", "chào", "bắt đầu", "hello", "hi", "menu")
@router.page
async def start(turn: Turn) -> None:
    """Greets a newcomer; leads everyone else to where they are."""
    answer = (await consents(turn.session, turn.me)).get(EXAMINE)
    if answer is None:
        return await greeting(turn)
    if not answer.granted:
        return await about(turn)
    await turn.go("profile.go_on", turn.me)


@router.opens("v-")
@router.page
async def village(turn: Turn, code: str) -> None:
    """A link or QR code of a village: a proposal, which the person confirms when asked where they live."""
    place = await by_code(turn.session, code)
    if place and place.level == "village":
        turn.conversation.linked_place = place.id
    await start(turn)


@router.page
async def greeting(turn: Turn) -> None:
    turn.ask(
        _(
            "Dạ, kính chào {you}. Đây là trợ lý tự động của {association}, giúp {you} tự đánh giá danh hiệu "
            "Công dân học tập và Gia đình học tập năm {year}.\n\n"
            "Việc này tự nguyện, không mất phí, mất khoảng 10 phút. Cán bộ xem xét và quyết định, không phải máy.\n\n"
            "{You} có muốn bắt đầu không ạ?",
            association=await _association(turn),
            year=turn.year,
        ),
        Button(_("Bắt đầu"), consent_token(turn)),
        button(_("Tìm hiểu trước"), "account.about"),
        button(_("Tôi đã có hồ sơ ở máy khác"), "link.ask_code"),
        *_other_languages(turn),
    )


@router.call
async def more(turn: Turn, delivery_id: int, first: int) -> None:
    """The further choices of a message, where the channel shows only some at once."""
    shown = await turn.session.get(Delivery, delivery_id)
    if shown is None or shown.address != turn.address.address or shown.person_id != turn.me:
        raise Misheard(_("Lựa chọn này không còn dùng được nữa. Mời {you} làm tiếp từ đây."))
    rest = in_order(shown.buttons)[first:]
    turn.reply(_("Mời {you} chọn tiếp:"), *[Button(plain(label), token) for label, token in rest])


@router.page
async def about(turn: Turn) -> None:
    """What this is, for anyone, without a consent."""
    answer = (await consents(turn.session, turn.me)).get(EXAMINE)
    refused = answer is not None and not answer.granted
    turn.ask(
        join(
            [
                _("{You} đã chọn không đồng ý, nên trợ lý không hỏi và không lưu gì thêm.") if refused else None,
                _(
                    "Công dân học tập và Gia đình học tập là các danh hiệu khuyến khích mọi người học suốt đời: đọc, "
                    "học nghề, học dùng máy, giúp con cháu học. Người dân tự nguyện đăng ký và tự chấm điểm; chi hội "
                    "khuyến học xem, Hội Khuyến học xã thẩm định, UBND xã quyết định công nhận."
                ),
                _("Danh hiệu này khác với “công dân số” trên VNeID. Việc tham gia là tự nguyện."),
            ],
            "\n\n",
        ),
        Button(_("Đổi ý, xem lại việc đồng ý") if refused else _("Bắt đầu"), consent_token(turn)),
        button(_("Dữ liệu được giữ thế nào"), "consent.full_text", turn.me),
    )


@router.command("/huy", "/cancel")
@router.page
async def menu(turn: Turn) -> None:
    """The list of what can be done; the way out of everything."""
    answer = (await consents(turn.session, turn.me)).get(EXAMINE)
    officer = await roles_of(turn.session, turn.me)
    if not officer and (answer is None or not answer.granted):
        return await start(turn)
    agreed = answer is not None and answer.granted
    person = await subject(turn)
    speaking = None if person.id == turn.me else _("👤 Đang khai hộ: {name}", name=person.full_name or "…")
    turn.ask(
        join([speaking, _("Mời {you} chọn việc cần làm.")]),
        *[button(_("Hàng chờ của cán bộ"), "approval.queue") for _row in officer[:1]],
        *(await _drafts(turn) if agreed else []),
        button(_("Tự đánh giá"), "assess.titles"),
        button(_("Phiếu của tôi đến đâu"), "status.show") if agreed else None,
        button(_("Hồ sơ, khai hộ người nhà"), "profile.show") if agreed else None,
        button(_("Trợ giúp"), "account.help_"),
    )


@router.command("/trogiup", "/help", "trợ giúp", "giúp", "help")
@router.call
async def help_(turn: Turn) -> None:
    """Help at any point: adds a message and leaves the talk where it is."""
    officer = await roles_of(turn.session, turn.me)
    commands = [
        _("/{command} – {meaning}", command=name, meaning=meaning)
        for name, meaning in COMMANDS.items()
        if name not in OFFICERS or officer
    ]
    here = turn.conversation.here
    turn.reply(
        join(
            [
                _(
                    "{You} trả lời bằng cách bấm nút, hoặc gõ số thứ tự. Câu trả lời được lưu ngay; {you} có thể "
                    "dừng và quay lại bất cứ lúc nào."
                ),
                join(commands),
                _("Gặp khó, {you} nhờ người nhà bấm giúp, hoặc hỏi chi hội khuyến học ở thôn."),
            ],
            "\n\n",
        ),
        Button(_("Làm tiếp"), here or "account.menu"),
    )


@router.command("/ngonngu", "/language", "language")
@router.page
async def language(turn: Turn) -> None:
    turn.ask(
        _("Mời {you} chọn ngôn ngữ."),
        *[button(plain(name), "account.speak", code) for code, name in languages().items()],
    )


@router.call
async def speak(turn: Turn, code: str) -> None:
    if code not in languages():
        raise Refusal(_("Trợ lý chưa nói được ngôn ngữ này."))
    turn.person.language = code
    turn.note("account:language:change", language=code)
    turn.settle(_("Ngôn ngữ: {language}", language=languages()[code]))
    await start(turn)


def consent_token(turn: Turn) -> str:
    return f"consent.ask:{turn.me}:{EXAMINE}"


async def _association(turn: Turn) -> str:
    """In whose name the bot speaks: the commune's association where the village is known."""
    village_id = turn.person.place_id or turn.conversation.linked_place
    for place in await chain(turn.session, village_id) if village_id else []:
        if place.level == "commune":
            return f"Hội Khuyến học {place.kind} {place.name}"
    return turn.association


def _other_languages(turn: Turn) -> list[Button]:
    """A reader of another language finds the way out of Vietnamese on the first screen."""
    others = [(code, name) for code, name in languages().items() if code != turn.person.language]
    return [button(plain(name), "account.speak", code) for code, name in others]


async def _drafts(turn: Turn) -> list[Button]:
    """A way back into each paper that waits for the person."""
    waiting = [p for p in await papers_of(turn.session, turn.me) if p.status in OPEN]
    drafts = [(paper, await title_of(turn.session, paper.revision_id)) for paper in waiting]
    return [_draft_button(paper, title) for paper, title in drafts if not is_closed(turn, paper, title)][:3]


def _draft_button(paper: Assessment, title: Title) -> Button:
    label = _("Bổ sung: {title}") if paper.status == Status.NEED_MORE else _("Làm tiếp: {title}")
    return button(Text(label.message, {"title": Text(title.name)}), "assess.resume", paper.id or 0)
