"""The golden talks, as an officer of the association would read them."""

from pathlib import Path

import pytest

from storage.database import Database
from tests.talks import Player

FOLDER = Path(__file__).parent / "conversations"
TALKS = sorted(FOLDER.glob("*.chat"))


@pytest.mark.parametrize("talk", TALKS, ids=lambda talk: talk.stem)
async def test_talk(talk: Path, database: Database, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    source = talk.read_text(encoding="utf-8")
    played = await Player(database, tmp_path).play(source)
    if request.config.getoption("--update"):
        talk.write_text(played, encoding="utf-8")
    else:
        assert played == source


@pytest.mark.parametrize("talk", TALKS, ids=lambda talk: talk.stem)
async def test_talk_without_buttons(talk: Path, sqlite_database: Database, tmp_path: Path) -> None:
    """Typing a label without tone marks does what pressing it does."""
    source = talk.read_text(encoding="utf-8")
    assert await Player(sqlite_database, tmp_path, typed=True).play(source) == source
