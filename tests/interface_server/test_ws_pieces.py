"""The pieces of a message that is still coming."""

import tracemalloc

from interface_server.ws_pieces import MOST_PIECES, gather


def test_pieces_keep_their_order_and_empty_ones_are_forgotten() -> None:
    """Whatever their number."""
    pieces: list[bytes | bytearray] = []
    for number in range(1000):
        pieces = gather(pieces, [b"%d," % number, b""])
    assert b"".join(pieces) == b"".join(b"%d," % number for number in range(1000))
    assert len(pieces) <= MOST_PIECES


def test_small_pieces_take_little_more_than_their_bytes() -> None:
    """128 KiB in pieces of two stay below 256, where objects would take 2.5 MiB."""
    pieces: list[bytes | bytearray] = []
    tracemalloc.start()
    for number in range(64 * 1024):
        pieces = gather(pieces, [number.to_bytes(3, "big")[1:]])
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held < 256 * 1024


def test_a_message_in_one_piece_is_not_copied() -> None:
    """The usual case costs nothing."""
    whole = b"x" * 5000
    assert gather([], [whole])[0] is whole
