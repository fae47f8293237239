"""The pieces of a message that is still coming, in memory that follows their bytes.

A peer may cut a message as small as it likes. Knows no frames.
"""

MOST_PIECES = 64
"""As many stay objects of their own, which joins them with one copy; past it they are one block:
else pieces of two bytes would take forty each."""


def gather(pieces: list[bytes | bytearray], more: list[bytes]) -> list[bytes | bytearray]:
    """`pieces` with `more` behind them, empty ones forgotten; the same list unless it got long."""
    pieces += filter(None, more)
    if len(pieces) <= MOST_PIECES:
        return pieces
    first = pieces[0]
    block = first if isinstance(first, bytearray) else bytearray(first)
    for piece in pieces[1:]:
        block += piece
    return [block]
