"""Whole frames: those that a server sends, and the usual ones of a peer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interface_server.ws_frames import (
    LONGEST_USUAL,
    TEXT_FRAME,
    Message,
    data_frame,
    frame_parts,
    unmasked_frame,
    usual_message,
)
from shared.messages import WsReply


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_a_frame_can_be_taken_apart(size: int) -> None:
    """In each of the three forms of its length."""
    opcode, payload = frame_parts(unmasked_frame(TEXT_FRAME, b"x" * size))
    assert (opcode, bytes(payload)) == (TEXT_FRAME, b"x" * size)


def test_a_reply_without_data_has_no_frame() -> None:
    """An empty text has one."""
    assert data_frame(WsReply(close=1000)) == b""
    assert data_frame(WsReply(text="")) == b"\x81\x00"
    assert data_frame(WsReply(binary=b"b")) == b"\x82\x01b"


def masked(opcode: int, content: bytes, mask: bytes = b"\x01\x02\x03\xff") -> bytes:
    """One whole frame of a peer."""
    head = bytearray(unmasked_frame(opcode, content)[: -len(content) or None])
    head[1] |= 0x80
    hidden = bytes(byte ^ mask[at % 4] for at, byte in enumerate(content))
    return bytes(head) + mask + hidden


@given(st.text(max_size=300), st.binary(min_size=4, max_size=4), st.binary(max_size=9))
def test_a_usual_message_is_read_as_it_was_sent(text: str, mask: bytes, rest: bytes) -> None:
    """Text and bytes, with any mask, whatever comes behind it."""
    content = text.encode()
    for opcode, sent in ((1, text), (2, content)):
        frame = masked(opcode, content, mask)
        found = usual_message(frame + rest, 2000)
        assert found == (Message(sent, len(frame)) if len(content) <= LONGEST_USUAL else None)


@pytest.mark.parametrize(
    "frame",
    [
        masked(1, b"\xff"),
        masked(1, b"\xed\xa0\x80"),
        masked(0, b"x"),
        masked(8, b""),
        masked(9, b"x"),
        masked(3, b"x"),
        masked(0x41, b"x"),
        bytes((0x01,)) + masked(1, b"x")[1:],
        unmasked_frame(1, b"a text without a mask"),
        masked(2, b"x" * (LONGEST_USUAL + 1)),
        masked(2, b"x" * 70_000),
        b"\x82\xfe\x00\x03mask" + b"abc",
        b"\x82\xff\x00\x00\x00\x00\x00\x00\x00\x01maskx",
    ],
)
def test_all_else_is_not_usual(frame: bytes) -> None:
    """Fragments, controls, reserved bits, long ones and every fault are left to Autobahn."""
    assert usual_message(frame, 1_000_000) is None


def test_a_frame_is_usual_once_it_is_all_here_and_within_the_limit() -> None:
    """Not one byte before."""
    for size in (0, 1, 125, 126, 127, 300):
        frame = masked(2, b"x" * size)
        assert usual_message(frame, size) == Message(b"x" * size, len(frame))
        assert not any(usual_message(frame[:cut], size) for cut in range(len(frame)))
        assert size == 0 or usual_message(frame, size - 1) is None
