"""A fault of ours: the turn is undone, the message kept, the person told; the next message is answered as ever."""

import gc
import logging
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import insert
from sqlmodel import select

from bot.logs import JsonLines
from handlers.incoming import Incoming, Meaning, Pressed, Said
from handlers.router import Router
from handlers.turn import Turn
from locales import plain
from storage.conversation import Conversation
from storage.database import Database
from storage.heard import Mishap
from storage.person import Person, addressed
from tests.faults.test_crashes import TALK
from tests.talks import Player

SECRET = "Nguyễn Văn Bí Mật 0912345678"
faulty = Router("faulty")


@faulty.command("/hong")
@faulty.page
async def breaks(turn: Turn) -> None:
    """Says and changes something, then fails as a bug does: on the way to the database."""
    turn.person.full_name = "Không Ai"
    turn.reply(plain("Tin này không được gửi đi."))
    values = {"id": turn.me, "created_at": turn.now, "full_name": SECRET, "language": "vi", "you": "bác"}
    await turn.session.exec(insert(Person).values(**values))


@pytest.fixture
def player(database: Database, tmp_path: Path) -> Player:
    player = Player(database, tmp_path)
    player.app.router.include(faulty)
    return player


async def test_a_fault_undoes_the_turn_and_keeps_the_message(
    player: Player, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await player.walk("An > xin chào\nAn > [Bắt đầu]")
    with caplog.at_level(logging.INFO):
        said = await player.walk("An > /hong")
    assert len(said) == 1 and "trục trặc (số " in said[0]
    number = said[0].partition("(số ")[2].partition(")")[0]
    async with database.transaction() as session:
        address, person = await addressed(session, "talk:An") or pytest.fail("An is not there any more")
        conversation = await session.get(Conversation, person.id)
        kept = (await session.exec(select(Mishap))).one()
    assert person.full_name is None
    assert conversation and conversation.here == f"consent.ask:{person.id}:examine"
    assert (kept.number, kept.incoming["address"], kept.incoming["meaning"]) == (number, "talk:An", {"Said": {"text": "/hong"}})
    logged = "\n".join(JsonLines().format(record) for record in caplog.records)
    assert number in logged and SECRET not in logged and "0912345678" not in logged
    assert "Nếu được công nhận" in "".join(await player.walk("An > [Đồng ý]"))


async def test_the_same_message_does_not_fail_twice(player: Player, database: Database) -> None:
    incoming = Incoming("talk:x", "talk:An", Said("/hong"))
    assert [(await player.app.intake.receive(incoming)).again for _time in range(2)] == [False, True]
    async with database.transaction() as session:
        assert len((await session.exec(select(Mishap))).all()) == 1


async def test_a_tap_costs_no_more_where_another_process_asked(
    postgres_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the platform calls the message comes with the look at who speaks: the answer changes it without another."""
    opened, transaction = Counter[Player](), postgres_database.transaction
    here, there = Player(postgres_database, tmp_path), Player(postgres_database, tmp_path)
    there.channel.shown, there.keys = here.channel.shown, here.keys
    for words in ["(mở v-18685-001)", *(words for words, _then in TALK)]:
        await here.line("An", words)
    for player in (here, there):
        with monkeypatch.context() as patch:
            patch.setattr(postgres_database, "transaction", lambda *how: opened.update([player]) or transaction(*how))
            said = await player.line("An", "[Chưa có, câu tiếp theo]" if player is here else "[Vừa đủ (5 điểm)]")
        assert said[0].startswith("An ~ "), "the question becomes the next one"
    assert opened[there] == opened[here]


@pytest.mark.parametrize("meaning", [Said("xin chào"), Said("/hong"), Pressed("nothing.at_all:1", "7")])
async def test_a_turn_leaves_nothing_for_the_garbage_collector(player: Player, meaning: Meaning) -> None:
    """Well or ill: it looks for cycles so seldom that they would pile up."""
    await player.app.intake.receive(Incoming("talk:first", "talk:An", meaning))
    gc.collect()
    gc.disable()
    try:
        for number in range(20):
            await player.app.intake.receive(Incoming(f"talk:{number}", "talk:An", meaning))
        assert gc.collect() < 20
    finally:
        gc.enable()
