"""Whole frames as a server sends them."""

import pytest

from interface_server.ws_frames import TEXT_FRAME, data_frame, frame_parts, unmasked_frame
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
