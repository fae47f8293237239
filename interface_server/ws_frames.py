"""Whole frames: those that a server sends, and the usual one that comes from a peer.

Everything else that a peer sends, and each of its faults, is Autobahn's. Source: RFC 6455
section 5.2.
"""

from typing import NamedTuple

from shared.messages import WsReply

TEXT_FRAME = 0x1
"""The opcode of a text frame."""

BINARY_FRAME = 0x2

LONGEST_USUAL = 1024
"""Bytes of content up to which a frame is read here; past it Autobahn's native parts are faster."""

_USUAL = frozenset({0x80 | TEXT_FRAME, 0x80 | BINARY_FRAME})
"""The first byte of a message in one frame, not compressed."""

_MASKED = 0x80


class Message(NamedTuple):
    """A whole message of a peer, and the bytes of its frame."""

    content: str | bytes
    size_bytes: int


def usual_message(received: bytes, limit_bytes: int) -> Message | None:
    """The message that is the first thing in `received`, where it is a usual one; else None.

    Usual is a short text or binary message in one masked frame that is all here, is not
    compressed and breaks no rule.
    """
    if len(received) < 6 or received[0] not in _USUAL:
        return None
    size, at = received[1] - _MASKED, 2
    if size == 126:
        size, at = int.from_bytes(received[2:4], "big"), 4
        is_usual = size >= 126
    else:
        is_usual = 0 <= size < 126
    end = at + 4 + size
    if not is_usual or size > min(LONGEST_USUAL, limit_bytes) or len(received) < end:
        return None
    content = _unmasked(received[at + 4 : end], received[at : at + 4])
    if received[0] & 0x0F == BINARY_FRAME:
        return Message(content, end)
    try:
        return Message(content.decode(), end)
    except UnicodeDecodeError:
        return None


def _unmasked(content: bytes, mask: bytes) -> bytes:
    """Source: RFC 6455 section 5.3. As numbers: half the cost of Autobahn's call of native code."""
    size = len(content)
    masks = (mask * (size // 4 + 1))[:size]
    number = int.from_bytes(content, "little") ^ int.from_bytes(masks, "little")
    return number.to_bytes(size, "little")


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
