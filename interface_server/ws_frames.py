"""Whole frames as a server sends them, final and unmasked, and the one that a reply's data make.

Reads nothing that comes from a peer: that is Autobahn's. Source: RFC 6455 section 5.2.
"""

from shared.messages import WsReply

TEXT_FRAME = 0x1
"""The opcode of a text frame."""

BINARY_FRAME = 0x2


def unmasked_frame(opcode: int, payload: bytes) -> bytes:
    """One whole frame; `opcode` may bring reserved bits along."""
    size = len(payload)
    first = 0x80 | opcode
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65536:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


def frame_parts(frame: bytes) -> tuple[int, memoryview]:
    """Opcode and payload of what `unmasked_frame` made."""
    head_bytes = {126: 4, 127: 10}.get(frame[1], 2)
    return frame[0] & 0x0F, memoryview(frame)[head_bytes:]


def data_frame(reply: WsReply) -> bytes:
    """The frame that carries a reply's data; `b""` when it has none."""
    if reply.text is not None:
        return unmasked_frame(TEXT_FRAME, reply.text.encode())
    if reply.binary is not None:
        return unmasked_frame(BINARY_FRAME, reply.binary)
    return b""
