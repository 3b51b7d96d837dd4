"""Says a message in pieces; where the platform asks us to wait in the middle, goes on there the next time."""

from collections.abc import Awaitable, Callable, Sequence

from bot.channels import TryAgain
from bot.channels.cutting import Piece

Say = Callable[[Piece, bool], Awaitable[str]]  # (piece, whether it is the last): the platform's name for it


class Piecewise:
    def __init__(self) -> None:
        self.begun: dict[int, int] = {}  # deliveries of which only so many pieces have arrived

    async def say(self, delivery_id: int, parts: Sequence[Piece], say: Say) -> str:
        """The platform's name for the last piece. Raises what `say` raises."""
        begun, name = self.begun.pop(delivery_id, 0), ""
        try:
            for number, piece in enumerate(parts[begun:], begun + 1):
                name = await say(piece, number == len(parts))
                begun = number
        except TryAgain:
            if begun:
                self.begun[delivery_id] = begun
            raise
        return name
