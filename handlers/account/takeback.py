"""What stops when somebody says no to the examination: every paper of theirs that is not decided yet."""

from handlers.approval import notices, workflow
from handlers.assessment.rules import OPEN
from handlers.turn import Turn
from locales import _
from storage.assessment import Status, paper_in_hand, papers_of


async def take_back(turn: Turn, person_id: int) -> None:
    """Withdraws the papers that are being written or wait; what is decided stays as it is."""
    for known in await papers_of(turn.session, person_id):
        paper = await paper_in_hand(turn.session, known.id or 0)
        if paper and paper.person_id == person_id and paper.status in (*OPEN, Status.SUBMITTED):
            await notices.inert(turn, paper, _("Người dân đã rút phiếu này."))
            await workflow.withdraw(turn, paper)
