"""Any buttons, by anyone, in any order: no paper but one's own changes, no step is skipped, points are the pack's."""

import asyncio
import random
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlmodel import select

from handlers.approval import workflow
from handlers.incoming import Incoming, Meaning, Pressed, Said, Sent
from handlers.titles.model import Title
from handlers.titles.published import publish_file, title_of
from handlers.titles.scoring import lifts, points_of, score
from storage.assessment import Assessment, Status, papers_of
from storage.database import Database
from storage.decision import Decision, Outcome, decisions_on
from storage.event import events_of
from storage.heard import Mishap
from storage.person import addressed, proxy
from storage.revision import current_revisions
from tests.conftest import NOW
from tests.talks import Player
from tests.test_bad_input import KNOWN

TITLES = Path(__file__).parent.parent / "handlers" / "titles"
PEOPLE = ("An", "Bình", "Hùng", "Mai", "Tỉnh")
WORDS = ("1", "2", "8", "thuong xuyen", "Nguyễn Văn Bình", "1960", "trung tien cam binh", "12/QĐ-UBND", "19/11/2026", "xin chào",
         "/tudanhgia", "/trangthai", "/hangcho", "/huy", "/trogiup", "/hoso", "tôi khai cho", "Cần thêm minh chứng", "/dulieu")  # fmt: skip
OFFICERS = """
Hùng > (mời branch ở Trung Tiến, Cẩm Bình)
Hùng > Trần Văn Hùng
Mai > (mời association ở Cẩm Bình)
Mai > Lê Thị Mai
Mai > (mời committee ở Cẩm Bình)
Tỉnh > (mời province ở Hà Tĩnh)
Tỉnh > Võ Minh Tâm
"""


@dataclass(frozen=True)
class Seen:
    """What is compared from step to step."""

    answers: dict[int, dict[str, str]]
    steps: dict[int, tuple[str, str | None, int]]
    decisions: int


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(seed=st.integers(0, 2**32))
@example(seed=217789289)  # an officer without a village founded a household
def test_any_buttons_by_anyone(seed: int, sqlite_template: Path) -> None:
    asyncio.run(_wander(seed, sqlite_template, steps=120))


async def _wander(seed: int, template: Path, steps: int) -> None:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bot.sqlite3"
        shutil.copy(template, path)
        database = Database(f"sqlite:///{path}")
        player = Player(database, Path(folder))
        await player.walk(OFFICERS + KNOWN + KNOWN.replace("An >", "Bình >").replace("Thị An", "Văn Bình"))
        player.set_clock("2026-11-20 09:00")
        before = await _look(database)
        for step in range(steps):
            who = chance.choice(PEOPLE)
            await player.app.intake.receive(Incoming(f"talk:w{step}", f"talk:{who}", _deed(chance, player, who)))
            await player.app.sender.drain()
            player.channel.take()
            after = await _look(database)
            await _check(database, who, before, after)
            before = after
        await database.close()


def _deed(chance: random.Random, player: Player, who: str) -> Meaning:
    """Mostly one of one's own newest buttons; sometimes an old one, or one that somebody else was shown."""
    kind = chance.random()
    if kind < 0.2:
        return Said(chance.choice(WORDS))
    if kind < 0.22:
        return Sent("sticker")
    owner = who if kind < 0.85 else chance.choice(PEOPLE)
    shown = player.channel.shown.get(owner, [])
    recent = shown[-2:] if kind < 0.75 else shown
    buttons = [(one, token) for one in recent for _label, token in player.buttons(one)]
    if not buttons:
        return Said("xin chào")
    one, token = chance.choice(buttons)
    return Pressed(token, f"m{one.delivery_id}")


async def _look(database: Database) -> Seen:
    async with database.transaction() as session:
        assert (await session.exec(select(Mishap))).all() == []
        papers = (await session.exec(select(Assessment))).all()
        decisions = (await session.exec(select(Decision))).all()
        return Seen(
            {p.id or 0: dict(p.answers) for p in papers},
            {p.id or 0: (p.status, p.step, p.round) for p in papers},
            len(decisions),
        )


async def _check(database: Database, who: str, before: Seen, after: Seen) -> None:
    async with database.transaction() as session:
        known = await addressed(session, f"talk:{who}")
        assert known
        me = known[1].id or 0
        mine = {paper.id for paper in await papers_of(session, me)}
        for paper_id in after.steps:
            paper = await session.get(Assessment, paper_id)
            assert paper
            title = await title_of(session, paper.revision_id)
            if after.answers[paper_id] != before.answers.get(paper_id, {}):
                assert paper_id in mine, f"{who} changed somebody else's answers"
                changed = _changed(before.answers.get(paper_id, {}), after.answers[paper_id])
                assert len(changed) <= 1 or paper_id not in before.answers
                was = before.steps.get(paper_id, (Status.DRAFT, None, 0))
                assert was[0] in (Status.DRAFT, Status.NEED_MORE, Status.WITHDRAWN)
            await _check_way(session, paper, title, before.steps.get(paper_id), me)


def _changed(old: dict[str, str], new: dict[str, str]) -> set[str]:
    return {q for q in old.keys() | new.keys() if old.get(q) != new.get(q)}


async def _check_way(session, paper: Assessment, title: Title, was: tuple[str, str | None, int] | None, me: int) -> None:  # type: ignore[no-untyped-def]
    if paper.status == Status.SUBMITTED:
        assert paper.points == score(title, paper.answers, paper.difficult_area).points
        assert paper.points == sum(points_of(title, paper.answers, q.id) for q in title.questions)
    approved = [d.role for d in await decisions_on(session, paper.id or 0) if d.outcome == Outcome.APPROVED]
    if paper.status == Status.RECOGNIZED:
        assert approved[-len(title.route) :] == title.route, "a step of the route was skipped"
    if was and was[1] in title.route and paper.step in title.route:
        assert title.route.index(paper.step) - title.route.index(was[1]) in (0, 1) or was[0] == Status.WITHDRAWN
    for decision in await decisions_on(session, paper.id or 0):
        assert not await workflow.conflicted(session, decision.officer_id, paper)
    if was and paper.round != was[2]:
        rounds = [e.detail.get("round") for e in await events_of(session, paper.id or 0) if "round" in e.detail]
        assert rounds[-1] == paper.round, "the paper moved without an event"
        owner = paper.person_id == me or await proxy(session, me, paper.person_id) is not None
        officer = any(d.officer_id == me and d.round == was[2] for d in await decisions_on(session, paper.id or 0))
        assert owner or officer, "somebody moved a paper who is neither its owner nor its officer"


def _titles() -> list[Title]:
    from tomllib import loads

    return [Title.model_validate(loads(path.read_text(encoding="utf-8"))) for path in sorted(TITLES.glob("*.toml"))]


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_points_and_lifts(data: st.DataObject) -> None:
    """Points are the sum of the steps; whoever follows the advice meets the threshold, and no step of it is idle."""
    title = data.draw(st.sampled_from(_titles()))
    difficult = data.draw(st.booleans())
    answers = {
        q.id: data.draw(st.sampled_from(q.choices or title.ladder)).id
        for q in title.questions
        if data.draw(st.integers(0, 9)) > 0
    }
    reached = score(title, answers, difficult)
    assert reached.points == sum(c.points for q in title.questions if (c := title.choice(q.id, answers.get(q.id, ""))))
    assert 0 <= reached.points <= title.total
    if reached.met is None:
        assert lifts(title, answers, difficult) == []
        return
    assert reached.met == (reached.points >= (reached.threshold or 0) and not reached.below_floor)
    steps = lifts(title, answers, difficult)
    assert bool(steps) != reached.met
    followed = answers | {step.question_id: step.choice_id for step in steps}
    assert score(title, followed, difficult).met
    assert score(title, followed, difficult).points == reached.points + sum(step.gain for step in steps)


async def test_papers_keep_their_revision(sqlite_database: Database, tmp_path: Path) -> None:
    """Criteria published in the middle of a paper hold for the next one, not for this one."""
    player = Player(sqlite_database, tmp_path)
    await player.walk(KNOWN + "An > [Công dân học tập]\nAn > [Người dân trong xã]\nAn > [Vừa đủ (5 điểm)]")
    source = (TITLES / "cong_dan_hoc_tap.toml").read_text(encoding="utf-8")
    changed = tmp_path / "changed.toml"
    changed.write_text(source.replace('label = "Thường xuyên"', 'label = "Đều đặn"'), encoding="utf-8")
    async with sqlite_database.transaction() as session:
        assert (await publish_file(session, changed, NOW)).number == 2
        assert (await publish_file(session, changed, NOW)).number == 2  # the same again is no new revision
        assert {row.number for row in await current_revisions(session) if row.title_id == "cong_dan_hoc_tap"} == {2}
    assert "[Thường xuyên (8 điểm)]" in "\n".join(await player.line("An", "[Chưa có, câu tiếp theo]"))
    said = await player.walk(KNOWN.replace("An >", "Bình >") + "Bình > [Công dân học tập]\nBình > [Người dân trong xã]")
    assert "[Đều đặn (8 điểm)]" in "\n".join(said)
