"""Two people at the same instant, on PostgreSQL: one is first, the other is told, and no answer is lost."""

import asyncio
from pathlib import Path

from sqlmodel import select

from handlers.incoming import Incoming, Pressed
from storage.assessment import paper_in_hand
from storage.database import Database
from storage.decision import Decision
from storage.heard import Mishap
from tests.talks import Player
from tests.test_bad_input import SENT


async def test_two_officers_decide_at_once(postgres_database: Database, tmp_path: Path) -> None:
    player = Player(postgres_database, tmp_path)
    await player.walk("Dũng > (mời branch ở Trung Tiến, Cẩm Bình)\nDũng > Vũ Trí Dũng" + SENT)
    _shown, token = player.find("Hùng", "Đề nghị công nhận")
    presses = [
        Incoming(f"talk:race-{who}-{n}", f"talk:{who}", Pressed(token)) for n in range(4) for who in ("Hùng", "Dũng")
    ]
    await asyncio.gather(*(player.app.intake.receive(press) for press in presses))
    await player.app.sender.drain()
    said = "\n".join(player.channel.take())
    assert said.count("Chi hội đã đề nghị xã công nhận.") == 1
    assert said.count("Phiếu này đã được xử lý.") == 7
    async with postgres_database.transaction() as session:
        assert len((await session.exec(select(Decision))).all()) == 1
        assert (await session.exec(select(Mishap))).all() == []


async def test_the_same_message_at_once_counts_once(postgres_database: Database, tmp_path: Path) -> None:
    """As two processes would hear it: each with lanes of its own."""
    players = [Player(postgres_database, tmp_path) for _process in range(3)]
    incoming = Incoming("talk:same", "talk:An", await players[0].meaning("An", "xin chào"))
    receipts = await asyncio.gather(*(player.app.intake.receive(incoming) for player in players))
    assert sorted(receipt.again for receipt in receipts) == [False, True, True]


async def test_two_who_answer_in_one_paper_at_once(postgres_database: Database, tmp_path: Path) -> None:
    """A mother on her own phone and her daughter who answers for her: both answers are kept."""
    from handlers.assessment.conversation import answer, question
    from storage.conversation import Conversation
    from storage.person import Proxy
    from tests.conftest import NOW
    from tests.test_bad_input import AGREED, PAPER

    player = Player(postgres_database, tmp_path)
    await player.walk(PAPER + AGREED.replace("An >", "Con >"))
    async with postgres_database.transaction() as session:
        session.add(Proxy(holder_id=2, person_id=1, relation="family", since=NOW))
    for round_ in range(8):
        async with postgres_database.transaction() as session:
            paper = await paper_in_hand(session, 1)
            assert paper
            paper.answers = {}
            for person, asked in ((1, "C01"), (2, "C02")):
                conversation = await session.get(Conversation, person)
                assert conversation
                conversation.here = question.token(1, asked)
        await asyncio.gather(
            player.app.intake.receive(Incoming(f"talk:an{round_}", "talk:An", Pressed(answer.token(1, "C01", "b4")))),
            player.app.intake.receive(Incoming(f"talk:con{round_}", "talk:Con", Pressed(answer.token(1, "C02", "b3")))),
        )
        async with postgres_database.transaction() as session:
            paper = await paper_in_hand(session, 1)
            assert paper
            assert paper.answers == {"C01": "b4", "C02": "b3"}
