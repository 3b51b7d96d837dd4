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
    return flat(question) if question else []


def flat(delivery: Delivery) -> list[Any]:
    """All its buttons, whatever their rows."""
    return [button for row in delivery.buttons for button in row]
