"""The titles in force: the newest published revision of each, read once."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from json import dumps
from pathlib import Path
from tomllib import loads

from handlers.titles.model import Title
from storage.event import Event
from storage.revision import Revision, current_revisions, publish
from storage.session import Session

FOLDER = Path(__file__).parent
# A published revision never changes: it is read once for each content, and found once for each database.
_read: dict[str, Title] = {}


@dataclass(frozen=True)
class InForce:
    revision_id: int
    title: Title


async def titles_in_force(session: Session) -> list[InForce]:
    """The current revision of every title."""
    return [InForce(row.id, await title_of(session, row.id)) for row in await current_revisions(session)]


async def title_in_force(session: Session, title_id: str) -> InForce | None:
    return next((found for found in await titles_in_force(session) if found.title.id == title_id), None)


async def title_of(session: Session, revision_id: int) -> Title:
    """The criteria to which a paper is pinned. Raises LookupError for an unknown revision."""
    known: dict[int, Title] = session.database.kept.setdefault("titles", {})
    if revision_id not in known:
        row = await session.get(Revision, revision_id)
        if row is None:
            raise LookupError(f"no revision {revision_id}")
        known[revision_id] = _title(row)
    return known[revision_id]


async def publish_file(session: Session, path: Path, now: datetime) -> Revision:
    """Makes a checked file the current revision of its title; papers already begun keep theirs."""
    title = Title.model_validate(loads(path.read_text(encoding="utf-8")))
    content = title.model_dump(mode="json")
    digest = sha256(dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
    row = await publish(session, title.id, content, digest, now)
    session.add(Event(at=now, name="titles:revision:publish", detail={"title": title.id, "number": row.number}))
    return row


async def publish_built_in(session: Session, now: datetime) -> None:
    """On a new database: the packs that come with the program, so that there is something to assess."""
    present = {row.title_id for row in await current_revisions(session)}
    for path in sorted(FOLDER.glob("*.toml")):
        if loads(path.read_text(encoding="utf-8"))["id"] not in present:
            await publish_file(session, path, now)


def _title(row: Revision) -> Title:
    if row.sha256 not in _read:
        _read[row.sha256] = Title.model_validate(row.content)
    return _read[row.sha256]
