"""One look, one write: what a session promises on both databases, and across processes."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import col, select

from storage.assessment import Assessment
from storage.consent import EXAMINE, Consent, has_agreed, last_word
from storage.conversation import Conversation
from storage.database import Database
from storage.delivery import Delivery, Fate, _named, extend_claims
from storage.event import Event
from storage.evidence import Evidence, evidence_of
from storage.heard import was_heard
from storage.person import Person
from storage.place import Place
from storage.postgres import MOST_PARTS, _portions
from storage.session import Conflict, DatabaseAway, Session, StatementFailed, Write
from storage.speaker import Speaker, newcomer, speaker
from storage.statements import new
from tests.conftest import NOW

AN = "telegram:1"


async def present(session: Session, address: str = AN) -> Speaker:
    who = await newcomer(session, address, NOW)
    session.add(new(Conversation, person_id=who.person.id, updated_at=NOW))
    return who


def delivery(who: Speaker, text: str, **more: object) -> Delivery:
    values = {"address": who.address.address, "channel": "telegram", "person_id": who.person.id, "text": text}
    return new(Delivery, **values, fate=Fate.SENT, not_before=NOW, created_at=NOW, **more)


async def known(session: Session, key: str = "telegram:new") -> Speaker:
    who = await speaker(session, AN, key)
    assert who and who.conversation
    return who


async def test_new_rows_get_their_numbers_in_order(database: Database) -> None:
    async with database.transaction() as session:
        who = await present(session)
        rows = [delivery(who, str(number)) for number in range(5)]
        for row in rows:
            session.add(row)
            session.add(new(Event, at=NOW, name="test:row:add", actor_id=who.person.id))
        await session.number(rows)
        numbers = [row.id for row in rows]
        assert numbers == sorted(numbers)
        assert len(set(numbers)) == 5
    async with database.transaction() as session:
        stored = (await session.exec(select(Delivery).order_by(Delivery.id))).all()  # type: ignore[arg-type]
        assert [row.text for row in stored] == ["0", "1", "2", "3", "4"]
        assert len((await session.exec(select(Event).where(Event.name == "test:row:add"))).all()) == 5


def test_what_one_statement_may_do_at_once(postgres_database: Database) -> None:
    """Its parts are done in any order: rows that are told apart by the order of their numbers are not in the same."""
    grammar = postgres_database.grammar
    numbered, given = grammar.insert(Delivery, True), grammar.insert(Delivery, False)
    writes = [(made, ()) for made in (given, numbered, given, numbered, *[given] * 30)]
    portions = list(_portions(writes))
    assert [write for portion in portions for write in portion] == writes
    assert [len(portion) for portion in portions[:2]] == [3, MOST_PARTS]
    assert all([made for made, _values in portion].count(numbered) <= 1 for portion in portions)


async def test_the_number_that_comes_with_the_speaker_is_nobody_elses(database: Database) -> None:
    async with database.transaction() as session:
        await present(session)
    for text in ("một", "hai"):
        async with database.transaction() as session:
            who = await known(session)
            session.add(delivery(who, text, id=who.number))
            session.add(delivery(who, text + " nữa"))
    async with database.transaction() as session:
        stored = (await session.exec(select(Delivery).order_by(Delivery.id))).all()  # type: ignore[arg-type]
        assert [row.text for row in stored] == ["một", "một nữa", "hai", "hai nữa"]


async def test_who_waited_for_a_person_reads_what_was_done_meanwhile(postgres_database: Database) -> None:
    """Two processes hear one person: the second finds the page, and the newest message, that the first left."""
    other = Database(postgres_database.driver.url)  # type: ignore[union-attr]
    async with postgres_database.transaction() as session:
        await present(session)

    async def second() -> tuple[str | None, int | None]:
        async with other.transaction() as session:
            who = await known(session, "telegram:second")
            assert who.conversation
            return who.conversation.here, who.newest

    async with postgres_database.transaction() as session:
        who = await known(session, "telegram:first")
        assert who.conversation
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0.3)
        assert not waiting.done()
        answer = delivery(who, "Câu 2", answers="telegram:first", id=who.number)
        session.add(answer)
        who.conversation.here, who.conversation.updated_at = "assess.question:1:C02", NOW + timedelta(seconds=1)
    assert await waiting == ("assess.question:1:C02", answer.id)
    await other.close()


async def test_who_waited_for_a_paper_reads_what_was_put_into_it_meanwhile(postgres_database: Database) -> None:
    """A grandchild adds evidence in one process while the grandmother presses in another."""
    other = Database(postgres_database.driver.url)  # type: ignore[union-attr]
    async with postgres_database.transaction() as session:
        grandmother, grandchild = await present(session), await present(session, "telegram:2")
        village = (await session.exec(select(Place).where(Place.level == "village"))).all()[0]
        paper = new(
            Assessment, title_id="cong_dan_hoc_tap", revision_id=1, year=2026, subject="person:1", created_at=NOW,
            updated_at=NOW, person_id=grandmother.person.id, filed_by=grandmother.person.id, place_id=village.id,
        )  # fmt: skip
        session.add(paper)
        await session.number([paper])

    async def second() -> int:
        async with other.transaction() as session:
            assert await speaker(session, AN, "telegram:second", paper.id)
            return len(await evidence_of(session, paper.id or 0, "C01"))

    async with postgres_database.transaction() as session:
        who = await speaker(session, "telegram:2", "telegram:first", paper.id)
        assert who and who.conversation
        held = await session.get(Assessment, paper.id)
        assert held
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0.3)
        assert not waiting.done()
        piece = {"assessment_id": paper.id, "question_id": "C01", "kind": "text", "text": "…", "added_by": grandchild.person.id}
        session.add(new(Evidence, added_at=NOW, **piece))
        held.updated_at = who.conversation.updated_at = NOW + timedelta(seconds=1)
    assert await waiting == 1
    await other.close()


async def test_the_same_message_in_two_processes(postgres_database: Database) -> None:
    """Whoever is second is told so: by what was marked, or by the database."""
    other = Database(postgres_database.driver.url)  # type: ignore[union-attr]
    async with postgres_database.transaction() as session:
        await present(session)

    async def hear(database: Database) -> bool:
        async with database.transaction() as session:
            who = await known(session, "telegram:same")
            if who.heard:
                return False
            assert who.conversation
            session.add(delivery(who, "Chào", answers="telegram:same"))
            who.conversation.updated_at = datetime.now(UTC)
            return True

    heard = await asyncio.gather(*(hear(one) for one in (postgres_database, other) * 3))
    assert heard.count(True) == 1
    await other.close()


async def test_a_message_is_marked_on_the_first_answer_to_it(database: Database) -> None:
    async with database.transaction() as session:
        who = await present(session)
        session.add(delivery(who, "Chào", answers="telegram:5"))
    async with database.transaction() as session:
        assert await was_heard(session, "telegram:5")
        assert not await was_heard(session, "telegram:6")
        assert (await known(session, "telegram:5")).heard
        who = await known(session, "telegram:6")
    with pytest.raises(Conflict):
        async with database.transaction() as session:
            session.add(delivery(who, "Chào", answers="telegram:5"))


async def test_what_was_known_beforehand_is_forgotten_when_it_changes(database: Database) -> None:
    async with database.transaction() as session:
        who = await present(session)
        session.know(last_word(who.person.id, EXAMINE), [True])
        assert await has_agreed(session, who.person.id or 0, EXAMINE)
        said = {"person_id": who.person.id, "given_by": who.person.id, "address": AN, "at": NOW, "version": "1", "words": "…"}
        session.add(new(Consent, purpose=EXAMINE, granted=False, **said))
        assert not await has_agreed(session, who.person.id or 0, EXAMINE)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that a session hands over to be written."""
    seen, write = list[str](), Session._write

    async def writes(session: Session, changes: list[Write], last: bool = False) -> None:
        seen.extend(made.sql for made, _values in changes)
        await write(session, changes, last)

    monkeypatch.setattr(Session, "_write", writes)
    return seen


async def test_what_was_set_is_written_once_and_what_was_set_back_never(database: Database, written: list[str]) -> None:
    async with database.transaction() as session:
        await present(session)
    async with database.transaction() as session:
        person = (await known(session)).person
        person.full_name, person.language = "Lan", "en"
        person.full_name, person.language = None, "vi"  # as it was
        person.you = "bà"
        person.you = "cô"
    assert len(written) == 1
    assert "full_name" not in written[0] and "language" not in written[0] and "you=" in written[0].replace('"', "")
    async with database.transaction() as session:
        person = (await known(session)).person
        assert (person.full_name, person.language, person.you) == (None, "vi", "cô")
        person.you = "ông/bà"
        await session.flush()
        person.you = "cô"  # not as it was written meanwhile
        await session.flush()
        assert (await session.exec(select(Person.you))).all() == ["cô"]
    assert len(written) == 3


async def test_nothing_is_null(database: Database) -> None:
    """In new rows, in changed ones, in many at once, and in what is asked for."""
    async with database.transaction() as session:
        who = await present(session)
        one, other = delivery(who, "một"), delivery(who, "hai", message_id="7", problem="lạ")
        session.add_all([one, other])
        await session.flush()
        other.message_id = None
        await session.update_many(Delivery, ("problem",), [{"key_id": other.id, "problem": None}])
        await session.flush()
        empty = [
            col(column).is_(None) for column in (Delivery.message_id, Delivery.problem, Delivery.attachment, Delivery.sent_at)
        ]
        assert (await session.exec(select(Delivery.text).where(*empty).order_by(col(Delivery.id)))).all() == ["một", "hai"]
        assert (await session.exec(_named(AN, None))).all() == []


async def test_a_row_that_is_held_is_as_it_is_now(postgres_database: Database) -> None:
    """It was read before another process changed it; it stays the same object."""
    other = Database(postgres_database.driver.url)  # type: ignore[union-attr]
    async with postgres_database.transaction() as session:
        number = (await present(session)).person.id
    async with postgres_database.transaction() as session:
        person = await session.get(Person, number)
        assert person
        async with other.transaction() as meanwhile:
            theirs = await meanwhile.get(Person, number, lock=True)
            assert theirs
            theirs.full_name = "Lan"
        assert person.full_name is None
        assert await session.get(Person, number, lock=True) is person
        assert person.full_name == "Lan"
        assert await session.get(Person, number) is person
    await other.close()


async def test_many_rows_are_written_at_once(database: Database) -> None:
    """With times, words and nothing at all in their columns, each to its own row."""
    async with database.transaction() as session:
        who = await present(session)
        rows = [delivery(who, str(number)) for number in range(3)]
        session.add_all(rows)
        await session.number(rows)
        later = NOW + timedelta(hours=1)
        values = [
            {"key_id": row.id, "fate": fate, "sent_at": at, "problem": why, "tries": number}
            for number, (row, fate, at, why) in enumerate(
                zip(rows, ("sent", "failed", "queued"), (later, None, later), (None, "lạ", None), strict=True)
            )
        ]
        await session.update_many(Delivery, ("fate", "sent_at", "problem", "tries"), values)
        await extend_claims(session, [row.id or 0 for row in rows[:2]], later)
    async with database.transaction() as session:
        stored = (await session.exec(select(Delivery).order_by(Delivery.id))).all()  # type: ignore[arg-type]
        assert [(row.fate, row.sent_at, row.problem, row.tries, row.claimed_until) for row in stored] == [
            ("sent", later, None, 0, later), ("failed", None, "lạ", 1, later), ("queued", later, None, 2, None),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("statement", "value"), [("SELECT $1::int4", "Mận"), ("SELECT $1::text::int4", "Mận"), ("SELECT $1::text::int4", "84912345678")]
)
async def test_what_a_database_cannot_take_is_not_told_further(statement: str, value: str, postgres_database: Database) -> None:
    with pytest.raises(StatementFailed) as failed:
        async with postgres_database.transaction() as session:
            await session.connection.fetch(statement, [value])
    assert value not in str(failed.value)


async def test_a_server_that_hangs_up_in_the_middle_is_away(postgres_database: Database) -> None:
    """Nobody's fault: the message is to come again."""
    driver = postgres_database.driver
    with pytest.raises(DatabaseAway):
        async with driver.transaction() as one, driver.transaction() as other:
            (pid,) = (await one.fetch("SELECT pg_backend_pid()", []))[0]
            sleeping = asyncio.create_task(one.fetch("SELECT pg_sleep(20)", []))
            await asyncio.sleep(0.1)
            await other.fetch("SELECT pg_terminate_backend($1)", [pid])
            await sleeping
