"""Consent, purpose by purpose: each with its own equal yes and no, and nothing chosen beforehand."""

from handlers.account.guards import is_child, spoken_for, who
from handlers.account.takeback import take_back
from handlers.errors import Misheard, Refusal
from handlers.router import Router
from handlers.turn import Button, Turn, button
from locales import Reader, Words, _, join
from storage.consent import EXAMINE, PUBLISH, REMIND, Consent, consents
from storage.person import Person
from storage.statements import new

router = Router("consent")

# Grows with every change of the words below; a consent is to the words of its version.
VERSION = "2026-11-24"
PURPOSES = (EXAMINE, PUBLISH, REMIND)


@router.page
async def ask(turn: Turn, person_id: int, purpose: str) -> None:
    person = await spoken_for(turn, person_id)
    turn.ask(
        _question(turn, person, _known(purpose)),
        [
            button(_("Đồng ý"), "consent.answer", person_id, purpose, "yes"),
            button(_("Không đồng ý"), "consent.answer", person_id, purpose, "no"),
        ],
        button(_("Đọc toàn văn"), "consent.full_text", person_id),
    )


@router.call
async def answer(turn: Turn, person_id: int, purpose: str, word: str) -> None:
    """Writes the answer down with the words that were shown, and goes on."""
    person = await spoken_for(turn, person_id)
    if turn.conversation.here != ask.token(person_id, _known(purpose)) or word not in ("yes", "no"):
        raise Misheard(_("Câu này {you} đã trả lời rồi. Muốn đổi, {you} gửi /dulieu."))
    granted = word == "yes"
    if purpose == PUBLISH and granted and is_child(turn, person):
        raise Refusal(_("Vì dưới 16 tuổi, kết quả không được công khai."))
    record(turn, person, purpose, granted)
    turn.settle(_settled(purpose, granted))
    if purpose == EXAMINE and not granted:
        await take_back(turn, person_id)
        return await _refused(turn, person)
    rest = PURPOSES[PURPOSES.index(purpose) + 1 :]
    given = await consents(turn.session, person_id)
    for following in rest:
        if following not in given:
            return await ask(turn, person_id, following)
    await turn.go("profile.go_on", person_id)


@router.call
async def full_text(turn: Turn, person_id: int) -> None:
    """The whole text, with its version; the question stays."""
    await spoken_for(turn, person_id)
    back = turn.conversation.here or "account.start"
    turn.reply(full_words(turn), Button(_("Quay lại"), back))


def record(turn: Turn, person: Person, purpose: str, granted: bool) -> None:
    """Adds a line to the ledger."""
    reader = Reader(turn.person.language, turn.person.you)
    turn.session.add(
        new(
            Consent,
            person_id=person.id or 0,
            purpose=purpose,
            granted=granted,
            version=VERSION,
            words=_question(turn, person, purpose).render(reader),
            address=turn.address.address,
            given_by=turn.me,
            at=turn.now,
        )
    )
    turn.note("account:consent:give" if granted else "account:consent:refuse", person=person.id, purpose=purpose)


def full_words(turn: Turn) -> Words:
    return join(
        [
            _("Thông tin về dữ liệu cá nhân (bản {version})", version=VERSION),
            _(
                "• Ai giữ: {association}, qua trợ lý tự động này.\n"
                "• Giữ gì: họ tên, năm sinh, nơi ở, nhóm công dân, câu trả lời, điểm, minh chứng; với gia đình: tên chủ hộ "
                "và số người, không giữ tên trẻ em. Không hỏi số căn cước, ảnh căn cước, dân tộc, tôn giáo.\n"
                "• Để làm gì: (a) xét danh hiệu; (b) công khai họ tên, thôn, danh hiệu, năm nếu được công nhận; "
                "(c) nhắn nhắc việc. Mỗi mục đích hỏi riêng; không đồng ý mục này không ảnh hưởng mục khác.\n"
                "• Ai xem: cán bộ khuyến học và UBND nơi {you} ở, theo đúng địa bàn.\n"
                "• Quyền của {you}: được biết, xem, sửa, rút đồng ý, yêu cầu xóa, khiếu nại, theo Luật Bảo vệ dữ liệu cá "
                "nhân (Luật 91/2025/QH15). {You} gửi /dulieu để xem và rút bất cứ lúc nào.\n"
                "• Nếu {you} dùng Telegram, tin nhắn đi qua máy chủ của Telegram ở nước ngoài; nếu dùng Zalo, qua máy chủ của "
                "Zalo.",
                association=turn.association,
            ),
        ],
        "\n\n",
    )


def purpose_name(purpose: str) -> Words:
    return {
        EXAMINE: _("xét danh hiệu"),
        PUBLISH: _("công khai kết quả"),
        REMIND: _("nhắn nhắc việc"),
    }[purpose]


def _question(turn: Turn, person: Person, purpose: str) -> Words:
    asked = {
        EXAMINE: _(
            "Để xét danh hiệu, trợ lý cần giữ: họ tên, năm sinh, nơi ở, câu trả lời và minh chứng của {who}. "
            "Chỉ cán bộ khuyến học và UBND nơi {who} ở được xem. {Who} có đồng ý không ạ?",
            who=who(turn, person),
            Who=_capital(turn, person),
        ),
        PUBLISH: _(
            "Nếu được công nhận, {who} có đồng ý cho công khai họ tên, thôn, danh hiệu và năm không ạ? "
            "Không đồng ý thì việc xét danh hiệu vẫn như thường.",
            who=who(turn, person),
        ),
        REMIND: _("{You} có muốn trợ lý nhắn nhắc việc, ví dụ khi sắp hết hạn gửi phiếu, không ạ?")
        if person.id == turn.me
        else _("{who} có đồng ý để trợ lý nhắn nhắc việc qua máy của {you} không ạ?", who=_capital(turn, person)),
    }[purpose]
    if person.id == turn.me:
        return asked
    return join([_("{You} hỏi trực tiếp người được khai hộ rồi bấm thay họ."), asked], "\n\n")


def _capital(turn: Turn, person: Person) -> Words:
    if person.id == turn.me:
        return _("{You}")
    return _("Người được khai hộ") if not person.full_name else who(turn, person)


def _settled(purpose: str, granted: bool) -> Words:
    done = _("Đồng ý") if granted else _("Không đồng ý")
    return _("✓ {answer}: {purpose}", purpose=purpose_name(purpose), answer=done)


async def _refused(turn: Turn, person: Person) -> None:
    turn.conversation.linked_place = None
    if person.id == turn.me:
        return await turn.go("account.about")
    turn.reply(_("Dạ vâng, trợ lý không giữ gì của người này."))
    turn.conversation.speaking_for = None
    await turn.go("account.menu")


def _known(purpose: str) -> str:
    if purpose not in PURPOSES:
        raise Refusal(_("Lựa chọn này không còn dùng được nữa. Mời {you} gửi /batdau."))
    return purpose
