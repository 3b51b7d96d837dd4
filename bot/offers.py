"""What is offered where there are no buttons, or fewer than are needed: a numbered list, or "Xem thêm"."""

from collections.abc import Sequence
from typing import Any

from bot.channels import Buttons, Can
from handlers.router import counts
from handlers.turn import in_order
from locales import Reader, Words, _
from storage.conversation import Conversation
from storage.delivery import Delivery
from storage.offers import flat, offers_of
from storage.session import Session

UNNUMBERED = 0  # the answers are numbers themselves
FEW = 4


def _numbers(can: Can, labels: Sequence[str], before: int) -> int | None:
    """From which number on these labels are written as a list; None where they are buttons."""
    if can.buttons or not labels:
        return None
    return UNNUMBERED if counts(labels) else before + 1


def _hint(can: Can, labels: Sequence[str], first: int | None, typing: bool, reader: Reader) -> str | None:
    if first is not None:
        return _how(first, len(labels), typing).render(reader)
    return _("Xem thêm").render(reader) if can.most_buttons and len(labels) > can.most_buttons else None


def all_buttons(can: Can) -> bool:
    """Whether whatever is offered stands as buttons below its message."""
    return can.buttons and not can.most_buttons


def place(delivery: Delivery, can: Can, before: Sequence[Any], reader: Reader, typing: bool = False) -> None:
    """Writes into the delivery how its offers are chosen, behind those that are open already."""
    if all_buttons(can):
        return
    labels = [label for row in delivery.buttons for label, _token in row]
    delivery.numbered = _numbers(can, labels, len(before))
    delivery.hint = _hint(can, labels, delivery.numbered, typing, reader)


async def place_beside(session: Session, delivery: Delivery, can: Can, reader: Reader) -> None:
    """The same for a notice: where there are no buttons, its offers stand behind those of the person's own talk."""
    if can.buttons:
        return place(delivery, can, (), reader)
    if delivery.buttons and (talk := await session.get(Conversation, delivery.person_id, lock=True)):
        before = await offers_of(session, talk)
        place(delivery, can, before, reader)
        talk.offered = before + flat(delivery)


def offering(can: Can, delivery: Delivery) -> tuple[str, Buttons]:
    """The words of the list, if it is one, and the buttons that go below the message."""
    if delivery.numbered is not None:
        labels = [label for label, _token in flat(delivery)]
        below = _list(labels[delivery.listed :], delivery.numbered + delivery.listed if delivery.numbered else UNNUMBERED)
        return "\n\n".join(part for part in (below, delivery.hint) if part), ()
    if delivery.hint is None or can.most_buttons is None:
        return "", delivery.buttons
    shown = can.most_buttons - 1
    first = tuple(((label, token),) for label, token in in_order(delivery.buttons)[:shown])
    return "", (*first, ((delivery.hint, f"account.more:{delivery.id}:{shown}"),))


def _list(labels: Sequence[str], first: int) -> str:
    if first == UNNUMBERED:
        return "\n".join(f"• {label}" for label in labels)
    return "\n".join(f"{number}. {label}" for number, label in enumerate(labels, first))


def _how(first: int, count: int, typing: bool) -> Words:
    if first == UNNUMBERED:
        return _("{You} gõ một câu trả lời ở trên ạ.")
    if typing:
        return _("{You} gõ câu trả lời, hoặc gõ số để chọn, ví dụ: {number}.", number=first)
    listed = [str(number) for number in range(first, first + count)]
    if count == 1:
        return _("{You} gõ {number} để chọn ạ.", number=first)
    if count > FEW:
        return _("{You} trả lời bằng một số, ví dụ: {number}.", number=first)
    return _("{You} trả lời {numbers} hoặc {last} ạ.", numbers=", ".join(listed[:-1]), last=listed[-1])
