"""Where a request's body ends: bytes in, content out, for both ways to frame one.

Keeps no content and sends nothing; trailers are read to their end and dropped.
"""

import enum
import re
from typing import Protocol

from interface_server.http_messages import RequestHead, RequestRefused

MAX_CHUNK_LINE = 1024
"""Bytes of a chunk's size line with its extensions, and of each trailer; ours."""

MAX_TRAILERS = 32
"""Lines of trailers that are read and dropped; ours."""

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
_EXTENSION = rb"[ \t]*;[ \t]*%b(?:[ \t]*=[ \t]*(?:%b|%b))?" % (_TOKEN, _TOKEN, _QUOTED)
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:%b)*" % _EXTENSION)
_TRAILER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")


class BodyFraming(Protocol):
    """Takes a body's bytes from what a connection received."""

    @property
    def is_complete(self) -> bool:
        """Whether the body's end was read."""

    def feed(self, received: bytes) -> tuple[bytes, int]:
        """Content found at the start of `received`, and how many bytes of it are used up.

        What is not used up must come again with more behind it; once `is_complete` it belongs
        to the next request. Raises: RequestRefused.
        """


def framing_of(head: RequestHead, max_size: int) -> BodyFraming:
    """The framing that the head announces; a chunk past `max_size` bytes is refused at once."""
    return ChunkedFraming(max_size) if head.is_chunked else LengthFraming(head.content_length)


class LengthFraming:
    """A body of known length."""

    __slots__ = ("_left",)

    def __init__(self, length: int) -> None:
        self._left = length

    @property
    def is_complete(self) -> bool:
        """Whether all of the length was read."""
        return self._left == 0

    def feed(self, received: bytes) -> tuple[bytes, int]:
        """See BodyFraming."""
        content = received[: self._left]
        self._left -= len(content)
        return content, len(content)


class _Awaits(enum.Enum):
    SIZE = 1
    CONTENT = 2
    END_OF_CHUNK = 3
    TRAILER = 4
    NOTHING = 5


class ChunkedFraming:
    """A body in chunks. Source: RFC 9112 section 7.1."""

    __slots__ = ("_awaits", "_left", "_max_size", "_trailers")

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._awaits = _Awaits.SIZE
        self._left = 0
        self._trailers = 0

    @property
    def is_complete(self) -> bool:
        """Whether the last chunk and its trailers were read."""
        return self._awaits is _Awaits.NOTHING

    def feed(self, received: bytes) -> tuple[bytes, int]:
        """See BodyFraming."""
        content: list[bytes] = []
        at = 0
        while self._awaits is not _Awaits.NOTHING:
            if self._awaits is _Awaits.CONTENT:
                piece = received[at : at + self._left]
                if not piece:
                    break
                content.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if self._left == 0:
                    self._awaits = _Awaits.END_OF_CHUNK
                continue
            end = received.find(b"\r\n", at, at + MAX_CHUNK_LINE + 2)
            if end < 0:
                self._check_partial(received[at : at + MAX_CHUNK_LINE + 2])
                break
            self._line(received[at:end])
            at = end + 2
        return b"".join(content), at

    def _check_partial(self, line: bytes) -> None:
        if len(line) > MAX_CHUNK_LINE or b"\n" in line:
            raise RequestRefused(400, "a chunk or trailer line without its end")
        if self._awaits is _Awaits.END_OF_CHUNK and line not in (b"", b"\r"):
            raise RequestRefused(400, "a chunk longer than its size")

    def _line(self, line: bytes) -> None:
        if self._awaits is _Awaits.SIZE:
            match = _SIZE_LINE.fullmatch(line)
            if match is None:
                raise RequestRefused(400, "a chunk without a hexadecimal size")
            self._left = int(match[1], 16)
            if self._left > self._max_size:
                raise RequestRefused(413, f"a body of more than {self._max_size} bytes")
            self._awaits = _Awaits.CONTENT if self._left else _Awaits.TRAILER
        elif self._awaits is _Awaits.END_OF_CHUNK:
            if line:
                raise RequestRefused(400, "a chunk longer than its size")
            self._awaits = _Awaits.SIZE
        elif not line:
            self._awaits = _Awaits.NOTHING
        else:
            self._trailers += 1
            if self._trailers > MAX_TRAILERS or not _TRAILER.fullmatch(line):
                raise RequestRefused(400, "trailers that are malformed or too many")
