"""A group's message, worked out once for all members, and the line of its position."""

import pytest

from channel_layer.layer import Position
from interface_server.broadcasts import (
    Broadcast,
    position_line,
)
from interface_server.ws_frames import BINARY_FRAME, TEXT_FRAME, unmasked_frame
from shared import codec
from shared.errors import InvalidMessage
from shared.messages import ResponseChunk, WsReply


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


AT = Position("e1.7", 12)


def test_a_position_stands_in_a_line_before_the_content() -> None:
    """Text, bytes and empty content stay as they are behind it, in one frame."""
    for message, opcode, content in (
        ({"text": "a\nö"}, TEXT_FRAME, "a\nö".encode()),
        ({"text": ""}, TEXT_FRAME, b""),
        ({"bytes": b"\0\n"}, BINARY_FRAME, b"\0\n"),
    ):
        broadcast = Broadcast("room", codec.pack(message), AT)
        assert broadcast.ws_frame == unmasked_frame(opcode, b"room e1.7 12\n" + content)


def test_a_close_with_a_position_says_that_it_has_no_data() -> None:
    """Whoever counts positions misses none; what is closed hears that first."""
    for message in ({"close": 4000}, {"accept": False, "close": 4000}):
        closing = Broadcast("room", codec.pack(message), AT)
        assert closing.ws_reply == WsReply(text="room e1.7 12 skipped\n", close=4000)


def test_a_position_adds_nothing_to_a_response() -> None:
    """Only data of sockets can carry it."""
    assert Broadcast("room", codec.pack({"content": b"c"}), AT).http_reply == ResponseChunk(b"c")


def test_a_position_without_a_message_is_a_line_with_a_word() -> None:
    """The word stands behind the offset."""
    assert position_line("room", AT, "joined") == "room e1.7 12 joined\n"
