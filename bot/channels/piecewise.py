"""Says a message in pieces; where the platform asks us to wait in the middle, it goes on there the next time."""

from collections.abc import Awaitable, Callable, Sequence

from bot.channels import TryAgain
from bot.channels.cutting import Piece

Say = Callable[[Piece, bool], Awaitable[str]]  # (piece, whether it is the last): the platform's name for it


async def in_pieces(parts: Sequence[Piece], begun: int, say: Say) -> str:
    """The platform's name for the last piece; `begun` of them have arrived before.

    Raises what `say` raises; a TryAgain with how many have arrived by now.
    """
    name = ""
    for number, piece in enumerate(parts[begun:], begun + 1):
        try:
            name = await say(piece, number == len(parts))
        except TryAgain as later:
            later.begun = number - 1
            raise
    return name
