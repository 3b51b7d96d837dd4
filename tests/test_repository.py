"""Tests that read the repository: what is promised in one place is kept in the other."""

import ast
import re
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from babel.messages.pofile import read_po

from bot.app import all_routes
from bot.settings import Settings
from locales.catalogue import languages
from locales.update import template
from storage.database import Database
from storage.tables import metadata

ROOT = Path(__file__).parent.parent
RELEASED = ROOT / "tests" / "released_calls.txt"
PLACEHOLDER = re.compile(r"\{(\w+)\}")
OURS = [path for folder in ("bot", "handlers", "locales", "storage") for path in (ROOT / folder).rglob("*.py")]


def test_every_setting_is_explained() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    named = re.findall(r"^([A-Z_]+)=", example, re.MULTILINE)
    assert sorted(named) == sorted(name.upper() for name in Settings.model_fields)
    for name in named:
        assert re.search(rf"^#.*\n(?:[A-Z_]+=.*\n)*{name}=", example, re.MULTILINE), f"{name} has no comment"


def test_released_calls_still_resolve(request: pytest.FixtureRequest) -> None:
    """A button lives on an old phone for years: a name once given out keeps its meaning and its arguments."""
    now = {f"{name} {' '.join(kind.__name__ for kind in named.types)}".strip() for name, named in all_routes().calls.items()}
    if request.config.getoption("--update"):
        RELEASED.write_text("\n".join(sorted(now | set(_released()))) + "\n", encoding="utf-8")
    missing = set(_released()) - now
    assert not missing, f"renamed without router.formerly: {sorted(missing)}"
    assert not now - set(_released()), "new calls: write them down with pytest --update"


def _is_call_name(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[a-z]+\.[a-z_]+", value) is not None


def _released() -> list[str]:
    return RELEASED.read_text(encoding="utf-8").split("\n")[:-1] if RELEASED.exists() else []


def test_links_between_slices_lead_somewhere() -> None:
    """Conversations link by name; no name is misspelt, and each gets as many arguments as it takes."""
    calls, checked = all_routes().calls, 0
    for path in (ROOT / "handlers").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            names = [n for n, arg in enumerate(node.args) if isinstance(arg, ast.Constant) and _is_call_name(arg.value)]
            if not names or getattr(node.func, "id", getattr(node.func, "attr", "")) not in ("button", "go"):
                continue
            name, given = node.args[names[0]].value, node.args[names[0] + 1 :]  # type: ignore[attr-defined]
            assert name in calls, f"{path.name}:{node.lineno} links to {name}"
            if not any(isinstance(arg, ast.Starred) for arg in given):
                assert len(given) == len(calls[name].types), f"{path.name}:{node.lineno} calls {name} with {len(given)} arguments"
            checked += 1
    assert checked > 80


async def test_migrations_equal_models(database: Database) -> None:
    def compare(connection) -> list:  # type: ignore[no-untyped-def]
        context = MigrationContext.configure(connection, opts={"compare_type": True, "target_metadata": metadata})
        return compare_metadata(context, metadata)

    assert await database.driver.migrate(compare) == []


@pytest.mark.parametrize("language", [code for code in languages() if code != "vi"])
def test_catalogue_is_complete(language: str) -> None:
    wanted = {message.id for message in template() if message.id}
    with (ROOT / "locales" / f"{language}.po").open("rb") as file:
        catalog = {message.id: message for message in read_po(file, locale=language) if message.id}
    assert not wanted - set(catalog), "missing; run: make words"
    assert not set(catalog) - wanted, "stale; run: make words"
    for message in catalog.values():
        assert message.string, f"not translated: {message.id}"
        assert not message.fuzzy
        assert set(PLACEHOLDER.findall(message.string)) <= set(PLACEHOLDER.findall(message.id)) | {"you", "You"}


def test_texts_are_literals() -> None:
    """A text that is put together before _() sees it can be translated by nobody."""
    for path in OURS:
        assert not re.search(r"\b_\(\s*f[\"']", path.read_text(encoding="utf-8")), path


def test_only_settings_read_the_environment() -> None:
    for path in OURS:
        assert path.name == "settings.py" or "os.environ" not in path.read_text(encoding="utf-8"), path


def test_only_one_module_knows_the_telegram_library() -> None:
    for path in OURS:
        source = path.read_text(encoding="utf-8")
        assert path.name in ("telegram.py", "telegram_client.py") or not re.search(r"^\s*(?:import|from) telegram\b", source, re.MULTILINE), path


def test_words_are_never_rude() -> None:
    """domain vocabulary: "chưa đạt", never the words of an examination."""
    for message in template():
        for rude in ("trượt", "bị loại", "từ chối"):
            assert rude not in str(message.id).lower(), message.id


def test_files_stay_readable() -> None:
    long = {
        str(path.relative_to(ROOT)): n
        for path in OURS
        if "versions" not in path.parts and (n := len(path.read_text(encoding="utf-8").splitlines())) > 320
    }
    assert not long
