"""The end of a decision: everyone is told, and the officer sees what waits next."""

from handlers.approval import notices
from handlers.approval.roles import ROLES
from handlers.titles.model import Title
from handlers.turn import Turn
from locales import Text, Words, _
from storage.assessment import Assessment
from storage.decision import Decision, Outcome


async def close(turn: Turn, paper: Assessment, title: Title, decision: Decision) -> None:
    """Tells everyone, and leads the officer to the queue."""
    await turn.session.flush()
    await notices.decided(turn, paper, title, decision)
    turn.settle(_("✓ Phiếu số {number}: {outcome}", number=paper.id, outcome=_outcome(decision)))
    await turn.go("approval.queue")


def _outcome(decision: Decision) -> Words:
    if decision.outcome == Outcome.APPROVED:
        return Text(ROLES[decision.role].approved)
    return _("đề nghị bổ sung") if decision.outcome == Outcome.NEED_MORE else _("chưa đạt")
