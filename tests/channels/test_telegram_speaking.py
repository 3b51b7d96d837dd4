"""Telegram, speaking: what the person sees, and what becomes of a message that does not arrive."""

import contextlib
import io
import logging

import pytest
from PIL import Image

from bot.channels import Attachment, Edit, NotFetched, NotThere, Outgoing, SendError, TryAgain, Unreachable
from bot.channels.cutting import units
from bot.channels.telegram import Telegram
from handlers.incoming import Incoming, Sent
from tests.channels.listening import Listener, polling
from tests.channels.telegram_api import TOKEN, TelegramApi

ROWS = ((("Có", "yes:1"), ("Không", "no:1")), (("Để sau", "later"),))


def picture() -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(content, "JPEG")
    return content.getvalue()


PHOTO = Attachment("photo", picture(), "anh.jpg", "image/jpeg", "0" * 64)


@pytest.fixture
def channel(api: TelegramApi) -> Telegram:
    """Speaks without listening: that works as well, and leaves no connection open."""
    api.person(77)
    return Telegram(TOKEN, api.url)


async def test_a_message_with_buttons(api: TelegramApi, channel: Telegram) -> None:
    text = "Gia đình ông/bà *có* <b>mấy</b> người?\nhttps://example.vn/a_b"
    name = await channel.send(Outgoing("77", 1, text, ROWS))
    [seen] = api.people[77].sees
    assert (seen.text, seen.buttons, str(seen.message_id)) == (text, [["Có", "Không"], ["Để sau"]], name)
    asked = api.calls_of("sendMessage")[0]
    assert asked["link_preview_options"] == {"is_disabled": True}
    assert "parse_mode" not in asked


async def test_edits(api: TelegramApi, channel: Telegram) -> None:
    name = await channel.send(Outgoing("77", 1, "Câu 1", ROWS))
    await channel.edit(Edit("77", 1, name, "Câu 2", ROWS))
    [seen] = api.people[77].sees
    assert (seen.text, seen.buttons) == ("Câu 2", [["Có", "Không"], ["Để sau"]])
    await channel.edit(Edit("77", 1, name, None, ((("Xong", "done"),),)))
    assert (seen.text, seen.buttons) == ("Câu 2", [["Xong"]])
    await channel.edit(Edit("77", 1, name, "Câu 3"))
    assert (seen.text, seen.buttons, seen.edits) == ("Câu 3", [], 3)


async def test_an_edit_of_what_stands_below_a_picture(api: TelegramApi, channel: Telegram) -> None:
    name = await channel.send(Outgoing("77", 1, "Ảnh lớp học", ROWS, PHOTO))
    await channel.edit(Edit("77", 1, name, "Đã xem"))
    [seen] = api.people[77].sees
    assert (seen.text, seen.buttons, seen.content) == ("Đã xem", [], PHOTO.content)


async def test_edits_that_have_nothing_to_do(api: TelegramApi, channel: Telegram) -> None:
    name = await channel.send(Outgoing("77", 1, "Câu 1", ROWS))
    await api.people[77].says("một")
    [own] = api.people[77].said
    for number, text in ((name, "Câu 1"), (name, None), ("4711", "Câu 2"), (str(own), "Câu 2")):
        with pytest.raises(NotThere) if number != name else contextlib.nullcontext():
            await channel.edit(Edit("77", 1, number, text, ROWS))
    assert len(api.calls_of("editMessageText")) + len(api.calls_of("editMessageReplyMarkup")) == 4
    assert api.people[77].sees[0].edits == 0


@pytest.mark.parametrize(
    ("code", "description", "retry_after", "kind", "after"),
    [
        (429, "", 7, TryAgain, 7),
        (500, "Internal Server Error", None, TryAgain, 5),
        (502, "Bad Gateway", None, TryAgain, 5),
        (403, "Forbidden: bot was blocked by the user", None, Unreachable, None),
        (403, "Forbidden: user is deactivated", None, Unreachable, None),
        (400, "Bad Request: chat not found", None, Unreachable, None),
        (400, "Bad Request: reply markup is too long", None, SendError, None),
        (401, "Unauthorized", None, SendError, None),
    ],
)
async def test_the_fate_of_a_message(
    api: TelegramApi, channel: Telegram, code: int, description: str, retry_after: int | None, kind: type, after: float | None
) -> None:
    api.fail_next("sendMessage", code, description, retry_after)
    api.fail_next("editMessageText", code, description, retry_after)
    for deed in (channel.send(Outgoing("77", 1, "Mời chọn")), channel.edit(Edit("77", 1, "1", "Mời chọn"))):
        with pytest.raises(SendError) as caught:
            await deed
        assert type(caught.value) is kind
        assert getattr(caught.value, "after", None) == after


async def test_a_refused_token_is_an_error_in_the_log(api: TelegramApi, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SendError):
        await Telegram("999999:another", api.url).send(Outgoing("77", 1, "Mời chọn"))
    assert [record.levelno for record in caplog.records if record.name == "bot.telegram"] == [logging.ERROR]


async def test_nobody_is_there(channel: Telegram, api: TelegramApi) -> None:
    api.block(77)
    for chat in ("77", "4711"):
        with pytest.raises(Unreachable):
            await channel.send(Outgoing(chat, 1, "Mời chọn"))
    with pytest.raises(TryAgain):
        await Telegram(TOKEN, "http://127.0.0.1:1").send(Outgoing("77", 1, "Mời chọn"))


@pytest.mark.parametrize("token", ["x" * 65, "ắ" * 22])
async def test_a_button_that_carries_too_much(channel: Telegram, token: str) -> None:
    with pytest.raises(SendError, match=r"(?i)button_data_invalid") as caught:
        await channel.send(Outgoing("77", 1, "Mời chọn", ((("Có", token),),)))
    assert type(caught.value) is SendError


async def test_a_long_text_comes_in_parts(api: TelegramApi, channel: Telegram) -> None:
    paragraphs = [f"{number}. " + "Học tập suốt đời 📚. " * 60 for number in range(12)]
    name = await channel.send(Outgoing("77", 1, "\n\n".join(paragraphs), ROWS))
    seen = api.people[77].sees
    assert len(seen) > 3
    assert [bool(message.buttons) for message in seen] == [False] * (len(seen) - 1) + [True]
    assert all(units(message.text) <= 4096 and message.text[0].isdigit() for message in seen)
    assert "\n\n".join(message.text for message in seen).split() == "\n\n".join(paragraphs).split()
    assert name == str(seen[-1].message_id)


async def test_a_part_that_has_arrived_is_not_sent_again(api: TelegramApi, channel: Telegram) -> None:
    message = Outgoing("77", 2, "b" * 2000, ROWS, PHOTO)
    api.fail_next("sendPhoto", 500)
    api.fail_next("sendMessage", 429, retry_after=1)
    for _trial in ("the photo fails", "the photo arrives, the text does not"):
        with pytest.raises(TryAgain) as raised:
            await channel.send(message)
    assert raised.value.begun == 1
    await channel.send(message._replace(begun=1))
    assert [(seen.kind, bool(seen.buttons)) for seen in api.people[77].sees] == [("photo", False), ("text", True)]


async def test_a_photo_and_a_document(api: TelegramApi, channel: Telegram) -> None:
    await channel.send(Outgoing("77", 1, "Ảnh lớp học", ROWS, PHOTO))
    await channel.send(Outgoing("77", 2, "", (), Attachment("file", b"%PDF-1.7", "giấy khen.pdf", "application/pdf", "1" * 64)))
    photo, document = api.people[77].sees
    assert (photo.kind, photo.text, photo.content, photo.buttons[0]) == ("photo", "Ảnh lớp học", PHOTO.content, ["Có", "Không"])
    assert (document.kind, document.text, document.content, document.name) == ("document", "", b"%PDF-1.7", "giấy khen.pdf")


async def test_a_long_text_follows_the_photo(api: TelegramApi, channel: Telegram) -> None:
    name = await channel.send(Outgoing("77", 1, "a" * 1025, ROWS, PHOTO))
    photo, text = api.people[77].sees
    assert (photo.text, photo.buttons, text.text, text.buttons[1]) == ("", [], "a" * 1025, ["Để sau"])
    assert name == str(text.message_id)


async def test_fetches_what_was_sent(api: TelegramApi, listener: Listener) -> None:
    an = api.person(77)
    async with polling(api, listener) as channel:
        await an.sends_photo(PHOTO.content, "Lớp học")
        await an.sends_document(b"%PDF-1.7", "giấy khen.pdf")
        photo, document = await listener.hears(2)
        assert await channel.fetch(_sent(photo)) == PHOTO.content
        assert await channel.fetch(_sent(document)) == b"%PDF-1.7"


async def test_what_cannot_be_fetched(api: TelegramApi, channel: Telegram) -> None:
    kept, large = api.keep_file(b"abc", "a"), api.keep_file(b"x" * (20 * 2**20 + 1), "b")
    api.fail_next("file", 404)
    api.fail_next("getFile", 500)
    for sent in (
        Sent("photo", kept), Sent("photo", kept), Sent("photo"), Sent("photo", "gone"), Sent("photo", large),
        Sent("photo", kept, size=20 * 2**20 + 1),
    ):  # fmt: skip
        with pytest.raises(NotFetched) as caught:
            await channel.fetch(sent)
        assert TOKEN not in str(caught.value)
    assert await channel.fetch(Sent("photo", kept)) == b"abc"


async def test_a_press_that_is_too_old_is_no_trouble(
    api: TelegramApi, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    async with polling(api, listener):
        api.fail_next(
            "answerCallbackQuery", 400, "Bad Request: query is too old and response timeout expired or query ID is invalid"
        )
        await api.person(77).presses_token("account.menu")
        await api.until(lambda: api.calls_of("answerCallbackQuery"))
        await api.all_heard()
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


def _sent(incoming: Incoming) -> Sent:
    assert isinstance(incoming.meaning, Sent)
    return incoming.meaning
