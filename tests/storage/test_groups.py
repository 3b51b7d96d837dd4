"""Turns that share a transaction: each is kept or undone as if it were alone."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from storage import groups
from storage.assessment import Assessment
from storage.conversation import Conversation
from storage.database import Database
from storage.delivery import Delivery, Fate
from storage.event import Event
from storage.groups import Apart, NeedsMore
from storage.many import look_for_many
from storage.person import Person
from storage.place import Place
from storage.session import Conflict, DatabaseAway, Session
from storage.speaker import Speaker, newcomer, speaker
from storage.statements import new
from tests.conftest import NOW

Work = Callable[[Session, Speaker], Awaitable[None]]
LATER = NOW + timedelta(seconds=1)


def address(number: int) -> str:
    return f"telegram:{number}"


@pytest.fixture
async def crowd(database: Database) -> Database:
    return await with_people(database)


async def with_people(database: Database) -> Database:
    """Eight people with a talk, and a paper for the first."""
    async with database.transaction() as session:
        village = (await session.exec(select(Place).where(Place.level == "village"))).all()[0]
        people = [await newcomer(session, address(number), NOW) for number in range(1, 9)]
        session.add_all(new(Conversation, person_id=who.person.id, updated_at=NOW) for who in people)
        session.add(
            new(
                Assessment, title_id="cong_dan_hoc_tap", revision_id=1, year=2026, subject="person:1", created_at=NOW,
                updated_at=NOW, person_id=1, filed_by=1, place_id=village.id,
            )
        )  # fmt: skip
    return database


async def answers(session: Session, who: Speaker) -> None:
    """What a tap does: the talk moves on, and something is said."""
    assert who.conversation
    who.conversation.here, who.conversation.updated_at = f"test.page:{who.person.id}", LATER
    session.add(new(Event, at=NOW, name="test:answer:change", actor_id=who.person.id))
    session.add(
        new(
            Delivery, id=who.number, address=who.address.address, channel="telegram", person_id=who.person.id,
            text="Câu 2", fate=Fate.SENT, not_before=NOW, created_at=NOW,
        )
    )  # fmt: skip


async def turn(database: Database, number: int, work: Work = answers, paper: int | None = None, together: bool = True) -> None:
    async with database.transaction(together) as session:
        who = await speaker(session, address(number), f"telegram:{number}:next", paper)
        assert who
        await work(session, who)


async def at_once(*turns: Awaitable[None]) -> list[Any]:
    return await asyncio.wait_for(asyncio.gather(*turns, return_exceptions=True), 20)


async def kept(database: Database) -> list[int]:
    """Whose answer is there, as a whole."""
    async with database.transaction() as session:
        moved = (await session.exec(select(Conversation).where(Conversation.updated_at == LATER))).all()
        said = (await session.exec(select(Delivery).order_by(Delivery.id))).all()  # type: ignore[arg-type]
        noted = (await session.exec(select(Event).where(Event.name == "test:answer:change"))).all()
    people = sorted(one.person_id for one in moved)
    assert [one.here for one in sorted(moved, key=lambda one: one.person_id)] == [f"test.page:{one}" for one in people]
    assert sorted(one.person_id for one in said) == sorted(one.actor_id or 0 for one in noted) == people
    return people


async def test_those_who_come_at_once_share_one_transaction(crowd: Database) -> None:
    assert await at_once(*(turn(crowd, number) for number in range(1, 9))) == [None] * 8
    assert await kept(crowd) == list(range(1, 9))


async def test_they_are_one_transaction_to_the_server(postgres_database: Database) -> None:
    crowd = await with_people(postgres_database)
    await at_once(*(turn(crowd, number) for number in range(1, 9)))
    async with postgres_database.transaction() as session:
        assert len(await session.connection.fetch("SELECT DISTINCT xmin::text FROM conversation", ())) == 1


async def test_nobody_waits_until_a_look_for_many_is_compiled(postgres_database: Database) -> None:
    crowd = await with_people(postgres_database)
    look_for_many.cache_clear()
    crowd.compile_queries()
    before = look_for_many.cache_info().misses
    await at_once(*(turn(crowd, number) for number in range(2, 9)), turn(crowd, 1, paper=1))
    assert before == look_for_many.cache_info().misses > 0


async def test_who_is_refused_takes_nobody_along(crowd: Database) -> None:
    async def refused(session: Session, who: Speaker) -> None:
        await answers(session, who)
        raise LookupError("không")

    result = await at_once(turn(crowd, 1), turn(crowd, 2, refused), turn(crowd, 3))
    assert [type(one) for one in result] == [type(None), LookupError, type(None)]
    assert await kept(crowd) == [1, 3]


async def test_what_the_database_refuses_is_done_again_one_by_one(crowd: Database) -> None:
    async def twice(session: Session, who: Speaker) -> None:
        await answers(session, who)
        session.add(new(Person, id=1, created_at=NOW, language="vi"))

    result = await at_once(turn(crowd, 1), turn(crowd, 2, twice), turn(crowd, 3))
    assert [type(one) for one in result] == [Apart] * 3
    assert await kept(crowd) == []
    alone = await at_once(*(turn(crowd, one, work, together=False) for one, work in ((1, answers), (2, twice), (3, answers))))
    assert [type(one) for one in alone] == [type(None), Conflict, type(None)]
    assert await kept(crowd) == [1, 3]


@pytest.mark.parametrize("what", ["a number", "a row held", "a statement", "a stranger"])
async def test_who_needs_more_is_apart(crowd: Database, what: str) -> None:
    async def more(session: Session, who: Speaker) -> None:
        await answers(session, who)
        if what == "a number":
            session.add(new(Person, created_at=NOW, language="vi"))
            await session.flush()
        elif what == "a row held":
            await session.get(Person, 5, lock=True)
        else:
            await session.exec_many(Delivery.__table__.insert(), [{"id": 1}])  # type: ignore[attr-defined]

    result = await at_once(turn(crowd, 1), turn(crowd, 99 if what == "a stranger" else 2, more), turn(crowd, 3))
    assert [type(one) for one in result] == [type(None), Apart if what == "a stranger" else NeedsMore, type(None)]
    assert await kept(crowd) == [1, 3]


async def test_two_in_one_paper_do_not_share(crowd: Database) -> None:
    """The second would not see what the first does."""

    async def answer(session: Session, who: Speaker) -> None:
        await answers(session, who)
        paper = await session.get(Assessment, 1)
        assert paper
        paper.answers, paper.updated_at = paper.answers | {f"C0{who.person.id}": "b4"}, LATER

    result = await at_once(turn(crowd, 1, answer, 1), turn(crowd, 2, answer, 1), turn(crowd, 3))
    assert sorted(type(one).__name__ for one in result) == ["Apart", "NoneType", "NoneType"]
    await turn(crowd, 1 + [type(one) for one in result].index(Apart), answer, 1, together=False)
    async with crowd.transaction() as session:
        paper = await session.get(Assessment, 1)
        assert paper
        assert paper.answers == {"C01": "b4", "C02": "b4"}


async def test_two_who_change_one_row_do_not_share(crowd: Database) -> None:
    async def renames(session: Session, who: Speaker) -> None:
        await answers(session, who)
        other = await session.get(Person, 7)
        assert other
        other.full_name = f"Nguyễn Thị {who.person.id}"

    assert [type(one) for one in await at_once(turn(crowd, 1, renames), turn(crowd, 2, renames))] == [Apart] * 2
    assert await kept(crowd) == []


async def test_nobody_waits_for_a_person_whom_another_process_holds(postgres_database: Database) -> None:
    crowd = await with_people(postgres_database)
    other = Database(crowd.driver.url)  # type: ignore[union-attr]
    async with other.transaction() as session:
        assert await speaker(session, address(2), "telegram:elsewhere")
        result = await at_once(*(turn(crowd, number) for number in (1, 2, 3)))
    assert [type(one) for one in result] == [type(None), Apart, type(None)]
    assert await kept(crowd) == [1, 3]
    await other.close()


async def test_who_does_not_come_to_an_end_holds_the_others_up_for_a_moment_only(
    crowd: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "SECONDS", 0.2)

    async def hangs(session: Session, who: Speaker) -> None:
        await asyncio.sleep(1)
        await session.get(Person, 8)

    result = await at_once(turn(crowd, 1), turn(crowd, 2, hangs))
    assert [type(one) for one in result] == [Apart] * 2
    assert await at_once(turn(crowd, 1), turn(crowd, 3)) == [None] * 2
    assert await kept(crowd) == [1, 3]


async def test_who_is_cut_off_takes_nobody_along(crowd: Database) -> None:
    async def hangs(session: Session, who: Speaker) -> None:
        await asyncio.sleep(60)

    waiting = asyncio.create_task(turn(crowd, 2, hangs))
    others = asyncio.gather(turn(crowd, 1), turn(crowd, 3))
    await asyncio.sleep(0.3)
    gone = asyncio.create_task(turn(crowd, 4))  # not in a group yet
    await asyncio.sleep(0)
    gone.cancel()
    waiting.cancel()
    await asyncio.wait_for(others, 5)
    await asyncio.wait([gone, waiting])
    assert await kept(crowd) == [1, 3]
    await asyncio.wait_for(turn(crowd, 4), 5)


async def test_who_was_changed_meanwhile_is_apart_this_time_only(crowd: Database) -> None:
    """Another process writes between the look's beginning and its lock: the next such call may share again."""

    async def stale(session: Session, who: Speaker) -> None:
        session.begin_again()

    result = await at_once(turn(crowd, 1), turn(crowd, 2, stale))
    assert [type(one) for one in result] == [type(None), Apart]


async def test_a_read_that_the_database_refuses_makes_everybody_go_alone(postgres_database: Database) -> None:
    crowd, failed = await with_people(postgres_database), asyncio.Event()

    async def refused(session: Session, who: Speaker) -> None:
        try:
            await session.connection.fetch("SELECT 1/0", ())
        finally:
            failed.set()

    async def reads(session: Session, who: Speaker) -> None:
        await failed.wait()
        await session.get(Person, 8)

    result = await at_once(turn(crowd, 1, refused), turn(crowd, 2, reads), turn(crowd, 3))
    assert [type(one) for one in result] == [Apart] * 3


async def test_a_read_that_is_cut_off_makes_the_others_go_alone(postgres_database: Database) -> None:
    crowd, begun = await with_people(postgres_database), asyncio.Event()

    async def reads(session: Session, who: Speaker) -> None:
        begun.set()
        await session.connection.fetch("SELECT pg_sleep(5)", ())

    async def later(session: Session, who: Speaker) -> None:
        await session.connection.fetch("SELECT 1", ())

    cut = asyncio.create_task(turn(crowd, 1, reads))
    others = asyncio.gather(*(turn(crowd, number, later) for number in (2, 3)), return_exceptions=True)
    await begun.wait()
    await asyncio.sleep(0.1)
    cut.cancel()
    assert [type(one) for one in await asyncio.wait_for(others, 5)] == [Apart] * 2
    assert await at_once(turn(crowd, 4)) == [None]


async def test_who_still_reads_when_the_time_is_over_goes_alone(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = await with_people(postgres_database)
    monkeypatch.setattr(groups, "SECONDS", 0.2)

    async def reads(session: Session, who: Speaker) -> None:
        for _read in range(6000):
            await session.connection.fetch("SELECT 1", ())

    async def sleeps(session: Session, who: Speaker) -> None:
        await session.connection.fetch("SELECT pg_sleep(1)", ())

    for work in (reads, reads, sleeps):
        result = await at_once(turn(crowd, 1, work), turn(crowd, 2, work), turn(crowd, 3))
        assert [type(one) for one in result] == [Apart] * 3


async def test_nobody_waits_for_a_group_that_hangs(crowd: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other end of its connection is gone without a word."""
    begin, hanging = crowd.driver.groups.begin, iter([True])
    monkeypatch.setattr(groups, "STUCK_SECONDS", 0.2)

    class Hangs:
        async def __aenter__(self) -> None:
            await asyncio.sleep(60)

        async def __aexit__(self, *_error: object) -> None: ...

    monkeypatch.setattr(crowd.driver.groups, "begin", lambda: Hangs() if next(hanging, False) else begin())
    stuck = asyncio.create_task(turn(crowd, 1))
    await asyncio.sleep(0.3)
    assert await at_once(turn(crowd, 2), turn(crowd, 3)) == [None] * 2
    await crowd.close()
    assert [type(one) for one in await at_once(stuck)] == [DatabaseAway]


async def test_nothing_is_written_after_the_end(crowd: Database) -> None:
    async def hangs(session: Session, who: Speaker) -> None:
        await asyncio.sleep(60)

    waiting = [asyncio.create_task(one) for one in (turn(crowd, 1), turn(crowd, 2, hangs))]
    await asyncio.sleep(0.3)
    for one in waiting:
        one.cancel()
    await crowd.close()
    await asyncio.wait(waiting)
    assert await kept(crowd) == []


async def test_a_row_that_another_process_has_holds_a_group_up_for_a_moment_only(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = await with_people(postgres_database)
    other = Database(crowd.driver.url)  # type: ignore[union-attr]
    monkeypatch.setattr(groups, "SECONDS", 0.3)

    async def renames(session: Session, who: Speaker) -> None:
        await answers(session, who)
        person = await session.get(Person, 7)
        assert person
        person.full_name = "Nguyễn Thị Bảy"

    async with other.transaction() as session:
        assert await session.get(Person, 7, lock=True)
        result = await at_once(turn(crowd, 1, renames), turn(crowd, 3))
        assert [type(one) for one in result] == [Apart] * 2
        # Whoever is not waited for any more holds nobody: not only when that row is free.
        async with asyncio.timeout(2), crowd.transaction() as session:
            assert await session.get(Conversation, 3, lock=True)
    assert await at_once(turn(crowd, 1, renames), turn(crowd, 3)) == [None] * 2
    assert await kept(crowd) == [1, 3]
    await other.close()
