"""What a web chat has shown so far, put together from what was heard and what was sent."""

from datetime import datetime
from typing import Any

from bot.web.seats import Seats
from storage.delivery import Delivery, before_the_latest, history
from storage.files import DOCUMENTS
from storage.heard import Heard, lines_heard
from storage.person import addressed
from storage.session import Session

MOST_LINES = 300  # of the bot's, on a page that opens anew


async def lines_of(session: Session, seats: Seats, address: str, after: int) -> list[dict[str, Any]]:
    """The frames for a page that has shown everything up to delivery `after`; 0 means an empty page."""
    known = await addressed(session, address)
    if known is None:
        return []
    since = known[0].created_at
    sent = await history(session, address, since, after or await before_the_latest(session, address, MOST_LINES))
    frames = [frame for row in sent for frame in _frames(seats, row)]
    if after:
        return frames
    shown = {frame["id"]: frame for frame in frames if frame["type"] == "line"}
    for change in frames:
        if change["type"] == "edit" and (line := shown.get(change["id"])):
            line |= {"text": change["text"] or line["text"], "buttons": change["buttons"]}
    own = [_own_line(seats, row) for row in await lines_heard(session, address, since, MOST_LINES)]
    # One turn's own words come before the answers to them, though both bear its time.
    lines = [*((line["at"], 0, line) for line in own), *((line["at"], 1, line) for line in shown.values())]
    return [line for _at, _rank, line in sorted(lines, key=lambda line: line[:2])]


def attached(seats: Seats, sha256: str, media_type: str, name: str | None) -> dict[str, Any]:
    """How a page is told of a picture or a document."""
    url = seats.file_path(sha256)
    if media_type in DOCUMENTS.values():
        return {"photo": None, "file": {"name": name or "tep", "url": url}}
    return {"photo": url, "file": None}


def _frames(seats: Seats, row: Delivery) -> list[dict[str, Any]]:
    if row.edits is not None:
        return [_edit(row.edits, row.text, _buttons(row))]
    settled = [] if row.settles is None else [_edit(row.settles, row.settled, [])]
    return [*settled, _bot_line(seats, row)]


def _bot_line(seats: Seats, row: Delivery) -> dict[str, Any]:
    line = {
        "type": "line", "from": "bot", "seq": row.id, "id": row.id, "at": _time(row.created_at),
        "text": row.text or "", "buttons": _buttons(row),
    }  # fmt: skip
    if row.attachment:
        line |= attached(seats, row.attachment["sha256"], row.attachment["media_type"], row.attachment["name"])
    return line


def _own_line(seats: Seats, row: Heard) -> dict[str, Any]:
    kept = row.line or {}
    line = {"type": "line", "from": "me", "seq": 0, "id": kept["id"], "at": _time(row.at), "text": kept["text"]}
    if file := kept.get("file"):
        line |= attached(seats, file["sha256"], file["media_type"], file["name"])
    return line


def _edit(changed: int, text: str | None, buttons: list[list[dict[str, str]]]) -> dict[str, Any]:
    return {"type": "edit", "id": changed, "text": text, "buttons": buttons}


def _buttons(row: Delivery) -> list[list[dict[str, str]]]:
    return [[{"label": label, "token": token} for label, token in line] for line in row.buttons]


def _time(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
