"""Compressed messages of one socket, inflated piece by piece under a bound.

What Autobahn calls a compression: it is given the payloads of frames and says nothing of frames.
Between messages it holds no window, so an idle socket costs nothing. Source: RFC 7692 section 7.2.
"""

import zlib
from typing import Any

from autobahn.exception import PayloadCorruptError, PayloadExceededError

_WINDOW_BITS = 15
"""Inflates every window that a peer may use."""

_SYNC_TAIL = b"\x00\x00\xff\xff"
_LAST_BLOCK = b"\x03\x00"
"""An empty last block: a stream that ends behind it was whole before it."""

_FINISHED_TAILS = (b"", b"\x00")
"""What may follow a last block. Source: RFC 7692 section 7.2.3.4."""


class Inflater:
    """The compression of one socket, as Autobahn uses one; no message grows past `limit_bytes`."""

    EXTENSION_NAME = "permessage-deflate"

    __slots__ = ("_limit_bytes", "_size_bytes", "_stream")

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._size_bytes = 0
        self._stream: Any = None

    def start_decompress_message(self) -> None:
        """A compressed message begins."""
        self._stream = zlib.decompressobj(-_WINDOW_BITS)
        self._size_bytes = 0

    def decompress_message_data(self, data: bytes, max_output_len: int | None = None) -> bytes:
        """What the next piece of the message inflates to.

        `max_output_len` is Autobahn's own bound, which is the same limit counted otherwise.
        Raises: PayloadExceededError, having inflated one byte more than allowed; and
        PayloadCorruptError.
        """
        left = self._limit_bytes - self._size_bytes
        try:
            inflated: bytes = self._stream.decompress(data, left + 1)
        except zlib.error as error:
            raise _corrupt() from error
        if len(inflated) > left:
            self._stream = None
            raise PayloadExceededError(f"more than {self._limit_bytes} bytes when inflated")
        if self._stream.unused_data not in _FINISHED_TAILS:
            raise _corrupt()
        self._size_bytes += len(inflated)
        return inflated

    def end_decompress_message(self) -> None:
        """The message is over. Raises: PayloadCorruptError when its stream is not whole."""
        stream, self._stream = self._stream, None
        try:
            if not stream.eof and stream.decompress(_SYNC_TAIL, 1):
                raise _corrupt()
            if not stream.eof:
                stream.decompress(_LAST_BLOCK, 1)
        except zlib.error as error:
            raise _corrupt() from error
        if not stream.eof:
            raise _corrupt()


def _corrupt() -> PayloadCorruptError:
    return PayloadCorruptError("no whole DEFLATE stream")
