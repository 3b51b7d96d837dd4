"""The answers that a person was offered last."""

from typing import Any

from storage.conversation import Conversation
from storage.delivery import Delivery
from storage.session import Session


async def offers_of(session: Session, talk: Conversation) -> list[Any]:
    """[[label, token], …]: as the conversation has them, or the buttons of the message with the open question."""
    if talk.offered:
        return talk.offered
    question = await session.get(Delivery, talk.asked)
    # A number may come again, many weeks after its message was forgotten.
    return flat(question) if question and question.person_id == talk.person_id else []


def flat(delivery: Delivery) -> list[Any]:
    """All its buttons, whatever their rows."""
    return [button for row in delivery.buttons for button in row]
