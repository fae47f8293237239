"""A group's message, worked out once for all members."""

import pytest

from interface_server.gateway import BINARY_FRAME, TEXT_FRAME, Broadcast, unmasked_frame
from shared import codec
from shared.errors import InvalidMessage
from shared.messages import ResponseChunk


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65535, b"\x81\x7e\xff\xff"),
        (65536, b"\x81\x7f" + (65536).to_bytes(8, "big")),
    ],
)
def test_a_frame_says_its_length(size: int, head: bytes) -> None:
    """In one of three forms (RFC 6455 section 5.2)."""
    assert unmasked_frame(TEXT_FRAME, b"x" * size) == head + b"x" * size


def test_a_broadcast_is_worked_out_once() -> None:
    """All members get the same objects."""
    broadcast = Broadcast("g", codec.pack({"text": "ö"}))
    assert broadcast.ws_reply is broadcast.ws_reply
    assert broadcast.ws_frame is broadcast.ws_frame
    assert broadcast.ws_frame == unmasked_frame(TEXT_FRAME, "ö".encode())


def test_bytes_and_closes_have_their_frames() -> None:
    """Bytes are a binary frame, a bare close has no data."""
    assert Broadcast("g", codec.pack({"bytes": b"b"})).ws_frame[0] == 0x80 | BINARY_FRAME
    assert Broadcast("g", codec.pack({"close": True})).ws_frame == b""


def test_a_broadcast_for_responses_is_a_part_of_them() -> None:
    """The same message may go to waiting requests."""
    assert Broadcast("g", codec.pack({"content": b"c"})).http_reply == ResponseChunk(b"c")


def test_a_malformed_broadcast_is_refused_for_each_member_alike() -> None:
    """Each asking says the same."""
    broadcast = Broadcast("g", codec.pack({"text": 5}))
    for _ in range(2):
        with pytest.raises(InvalidMessage, match="text"):
            _ = broadcast.ws_reply
        with pytest.raises(InvalidMessage):
            _ = broadcast.ws_frame
        with pytest.raises(InvalidMessage):
            _ = broadcast.http_reply
