"""The check of a criteria file names every class of fault by its line, and publishing respects it."""

from pathlib import Path

import pytest

from handlers.titles.lint import check
from handlers.titles.model import Title
from handlers.titles.scoring import lifts, score, weakest

FOLDER = Path(__file__).parent.parent / "handlers" / "titles"
CITIZEN = (FOLDER / "cong_dan_hoc_tap.toml").read_text(encoding="utf-8")


def faults(tmp_path: Path, source: str) -> list[str]:
    path = tmp_path / "title.toml"
    path.write_text(source, encoding="utf-8")
    return [f"{fault.line}: {fault.text}" for fault in check(path)]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_our_own_packs_have_no_fault(path: Path) -> None:
    assert check(path) == []


def line_of(source: str, text: str, nth: int = 1) -> int:
    return [n for n, line in enumerate(source.splitlines(), 1) if text in line][nth - 1]


@pytest.mark.parametrize(
    ("old", "new", "at", "says"),
    [
        ("total = 100", "total = 90", "total = 90", "add up to 100, not to total = 90"),
        ("threshold = 80", "threshold = 120", "threshold = 120", "threshold = 120 cannot be reached"),
        ("floor = 5", "floor = 11", "", "can never reach the floor of 11"),
        ('route = ["branch"', 'route = ["elders"', "route =", "unknown role 'elders'"),
        (
            'label = "Thường xuyên"',
            'label = "Thường xuyên lắm lắm lắm lắm lắm"',
            "Thường xuyên lắm",
            "more than 30 are cut on a phone",
        ),
        ("[questions.wording.G3]", "[questions.wording.G9]", "", "has no wording for G3"),
        ('part = "B"', 'part = "Z"', 'part = "Z"', "unknown part 'Z'"),
        ('id = "C02"', 'id = "C01"', "", "the id 'C01' stands twice in questions"),
        ("{who}", "{ten}", "{ten}", "unknown placeholder {ten}"),
        ('status = "provisional"', 'status = "certain"', "status", "status"),
        ("subject = ", "subjekt = ", "subjekt", "subjekt"),
        ('name = "Công dân học tập"', 'name = "Công dân học mãi"', "Công dân học mãi", "no en translation"),
        ("total = 100", "total = = 100", "total = =", "not TOML"),
    ],
)
def test_each_class_of_fault(old: str, new: str, at: str, says: str, tmp_path: Path) -> None:
    assert old in CITIZEN
    source = CITIZEN.replace(old, new, 1)
    found = [fault for fault in faults(tmp_path, source) if says in fault]
    assert found, faults(tmp_path, source)
    if at.strip():
        assert int(found[0].partition(":")[0]) in range(line_of(source, at.strip()), line_of(source, at.strip()) + 3)


def test_a_missing_example_and_a_missing_question_key(tmp_path: Path) -> None:
    lines = CITIZEN.splitlines()
    example = next(n for n, line in enumerate(lines) if line.startswith('  "'))
    assert any("4 examples for 5 steps" in f for f in faults(tmp_path, "\n".join(lines[:example] + lines[example + 1 :])))
    why = next(n for n, line in enumerate(lines) if line.startswith("why = "))
    found = faults(tmp_path, "\n".join(lines[:why] + lines[why + 1 :]))
    assert any("questions.0.why" in fault for fault in found)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b'id = "x"\nname = "\xff"\n')
    assert [str(fault.line) for fault in check(path)] == ["2"]


def title() -> Title:
    from tomllib import loads

    return Title.model_validate(loads(CITIZEN))


@pytest.mark.parametrize(
    ("steps", "difficult", "points", "met"),
    [
        ("4444444444", False, 80, True),  # 10 × 8
        ("4444444443", False, 77, False),
        ("5555555511", False, 80, False),  # 8 × 10 + 2 × 0: enough points, two below the floor
        ("5555555333", False, 85, True),  # 7 × 10 + 3 × 5
        ("5555533333", False, 75, False),
        ("5555533333", True, 75, True),  # a difficult area asks for 70
        ("4444333333", True, 62, False),
        ("5555544442", True, 85, False),  # 5 × 10 + 4 × 8 + 3: one below the floor
        ("1111111111", False, 0, False),
        ("5555555555", False, 100, True),
    ],
)
def test_points_and_threshold(steps: str, difficult: bool, points: int, met: bool) -> None:
    answers = {question.id: f"b{step}" for question, step in zip(title().questions, steps, strict=True)}
    reached = score(title(), answers, difficult)
    assert (reached.points, reached.met) == (points, met)


def test_what_would_lift() -> None:
    answers = {question.id: "b4" for question in title().questions} | {"C06": "b1", "C07": "b3"}
    assert [question.id for question in weakest(title(), answers)][:2] == ["C06", "C07"]
    assert [(lift.question_id, lift.choice_id, lift.gain) for lift in lifts(title(), answers)] == [
        ("C06", "b4", 8),
        ("C07", "b4", 3),
    ]
