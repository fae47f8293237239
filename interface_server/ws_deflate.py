"""permessage-deflate without context: its terms for one socket, and frames that go out compressed.

Each message is compressed by itself (`server_no_context_takeover`), so that one frame serves all
members of a group and an idle socket keeps no window. What comes in is `ws_inflate.py`'s.
Source: RFC 7692 section 7.
"""

import re
import zlib
from collections.abc import Iterator

from interface_server.http_messages import RequestHead, RequestRefused
from interface_server.ws_frames import frame_parts, unmasked_frame

NO_DEFLATE = 0
"""The window of a socket that agreed to no compression."""

FULL_WINDOW = 15
_SMALLEST_WINDOW = 9
"""zlib's smallest; no distance in what it writes then passes the 256 bytes of a window of 8 bits,
which RFC 7692 allows to be asked for too."""

THRESHOLD_BYTES = 512
"""Shorter frames go out as they are: one packet carries them anyway, and they hardly shrink."""

LEVEL = 1
"""zlib's fastest: frames of some KiB shrink as far as with level 6 (tested within 5 %), and one of
64 KiB stops the reactor for a third of the time."""

_SMALL_BYTES = 4096
_SMALL_MEMORY, _LARGE_MEMORY = 5, 8
"""zlib's tables for frames up to `_SMALL_BYTES` and for larger ones: small ones are made sooner."""

_SYNC_TAIL_BYTES = 4
_COMPRESSED = 0x40
"""RSV1. Source: RFC 7692 section 6."""

_NAME = "permessage-deflate"
_EXTENSIONS = b"sec-websocket-extensions"
_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = rf'"(?:\\?{_WORD[:-1]})+"'
_PARAMETER = re.compile(rf"[ \t]*;[ \t]*({_WORD})[ \t]*(?:=[ \t]*({_WORD}|{_QUOTED}))?[ \t]*")
_EXTENSION = re.compile(rf"[ \t]*({_WORD})[ \t]*")
_BLANK = re.compile(r"[ \t]*")
_BITS = re.compile(r"[89]|1[0-5]")

Offer = tuple[str, tuple[tuple[str, str | None], ...]]
"""An extension's name and its parameters in order; None for one without a value."""


def agreed_window(head: RequestHead) -> int:
    """The window in bits (8 to 15) of the first offer that this server can serve, or `NO_DEFLATE`.

    Source: RFC 7692 section 5: an offer that is not understood is declined, not refused.
    """
    windows = (_window(parameters) for name, parameters in offered(head) if name.lower() == _NAME)
    return next((window for window in windows if window != NO_DEFLATE), NO_DEFLATE)


def check_extensions(head: RequestHead) -> None:
    """Refuse what is no list of extensions. Raises: RequestRefused.

    Source: RFC 6455 section 9.1.
    """
    for _ in offered(head):
        pass


def offered(head: RequestHead) -> Iterator[Offer]:
    """What a handshake offers, best first. Raises: RequestRefused for what is no such list.

    Source: RFC 6455 section 9.1.
    """
    values = [value.decode("latin-1") for name, value in head.headers if name == _EXTENSIONS]
    text, at = ", ".join(values), 0
    while at < len(text):
        extension = _EXTENSION.match(text, at)
        if extension is not None:
            at, parameters = extension.end(), []
            while found := _PARAMETER.match(text, at):
                at = found.end()
                parameters.append((found[1].lower(), _bare(found[2])))
            yield extension[1], tuple(parameters)
        elif blank := _BLANK.match(text, at):
            at = blank.end()
        if at < len(text) and text[at] != ",":
            raise RequestRefused(400, "extensions that are no list")
        at += 1


def terms(window: int) -> str:
    """The answer to the offer that was agreed on."""
    bits = "" if window == FULL_WINDOW else f"; server_max_window_bits={window}"
    return f"{_NAME}; server_no_context_takeover; client_no_context_takeover{bits}"


def deflated_frame(frame: bytes, window: int) -> bytes:
    """A whole data frame compressed for a socket with that window; as it is when that is shorter.

    Source: RFC 7692 section 7.2.1; an uncompressed frame may always be sent (section 6).
    """
    if len(frame) < THRESHOLD_BYTES:
        return frame
    opcode, payload = frame_parts(frame)
    size = len(payload)
    bits = max(_SMALLEST_WINDOW, min(window, size.bit_length()))
    memory = _SMALL_MEMORY if size <= _SMALL_BYTES else _LARGE_MEMORY
    deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, -bits, memory)
    packed = deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH)
    packed = packed[:-_SYNC_TAIL_BYTES]
    return unmasked_frame(opcode | _COMPRESSED, packed) if len(packed) < size else frame


def _window(parameters: tuple[tuple[str, str | None], ...]) -> int:
    """The window that an offer's parameters lead to; `NO_DEFLATE` declines it."""
    window = FULL_WINDOW
    named = dict(parameters)
    if len(named) != len(parameters):
        return NO_DEFLATE
    for name, value in parameters:
        if name in ("server_no_context_takeover", "client_no_context_takeover"):
            is_good = value is None
        elif name == "client_max_window_bits":
            is_good = value is None or _BITS.fullmatch(value) is not None
        else:
            is_good = name == "server_max_window_bits" and _BITS.fullmatch(value or "") is not None
            window = int(value) if is_good and value else window
        if not is_good:
            return NO_DEFLATE
    return window


def _bare(value: str | None) -> str | None:
    return value if value is None or value[0] != '"' else value[1:-1].replace("\\", "")
