"""Where an officer of the association knows the people: not whoever only signs."""

from handlers.approval.roles import ROLES
from handlers.errors import Refusal
from handlers.turn import Turn
from locales import _
from storage.assignment import Assignment, roles_of
from storage.place import places_under


async def knows(turn: Turn) -> list[Assignment]:
    """The speaker's roles among people. Raises Refusal where there is none."""
    roles = [row for row in await roles_of(turn.session, turn.me) if not ROLES[row.role].signs]
    if not roles:
        raise Refusal(_("Mục này dành cho cán bộ. Muốn nhận việc, {you} mở đường liên kết mời do Hội Khuyến học gửi."))
    return roles


async def area_of(turn: Turn) -> list[int]:
    """The places in which the speaker knows people. Raises Refusal."""
    return [place for row in await knows(turn) for place in await places_under(turn.session, row.place_id)]
