"""A WebSocket client that sends any bytes at all and shows each frame; asserts nothing."""

import socket
import struct
from types import TracebackType
from typing import NamedTuple

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA

HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
)


class Frame(NamedTuple):
    """One frame as it came; `bits` are its reserved ones."""

    opcode: int
    payload: bytes
    bits: int = 0
    is_last: bool = True


def frame(
    opcode: int, payload: bytes = b"", *, bits: int = 0, is_last: bool = True, masked: bool = True
) -> bytes:
    """A client's frame; its mask is zero, so that the payload stays readable."""
    size, mask = len(payload), b"\0\0\0\0" if masked else b""
    first, flag = (0x80 if is_last else 0) | bits | opcode, 0x80 if masked else 0
    if size < 126:
        return bytes((first, flag | size)) + mask + payload
    if size < 65536:
        return struct.pack("!BBH", first, flag | 126, size) + mask + payload
    return struct.pack("!BBQ", first, flag | 127, size) + mask + payload


def close(code: int | None = None, reason: bytes = b"") -> bytes:
    """A close frame."""
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


class RawSocket:
    """A connection on which the handshake was sent; `head` is the answer to it."""

    def __init__(
        self, address: str, path: str = "/", more: str = "", timeout_s: float = 15
    ) -> None:
        host, port = address.split(":")
        self.wire = socket.socket()
        self.wire.settimeout(timeout_s)
        # Small, so that what nobody reads waits at the server and not here.
        self.wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.wire.connect((host, int(port)))
        self.wire.sendall(HANDSHAKE.format(path=path, host=address, more=more).encode())
        self._unread = b""
        while b"\r\n\r\n" not in self._unread and self._read():
            pass
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        self.head = head.decode("latin-1")

    def send(self, *frames: bytes) -> None:
        """All in one write."""
        self.wire.sendall(b"".join(frames))

    def frame(self) -> Frame | None:
        """The next frame; None behind the last one. Pings are answered and passed over."""
        while (came := self._next()) is not None and came.opcode == PING:
            self.send(frame(PONG, came.payload))
        return came

    def _next(self) -> Frame | None:
        while not self._is_whole() and self._read():
            pass
        if not self._unread:
            return None
        first, size = self._unread[0], self._unread[1]
        start, size = self._extent(size)
        payload, self._unread = (
            self._unread[start : start + size],
            self._unread[start + size :],
        )
        return Frame(first & 0x0F, payload, first & 0x70, bool(first & 0x80))

    def end(self) -> int | None:
        """The code of the close frame behind which the connection ends; others are passed over."""
        code = None
        while (came := self.frame()) is not None:
            if came.opcode == CLOSE and came.payload:
                code = int.from_bytes(came.payload[:2], "big")
        return code

    def _read(self) -> bool:
        try:
            piece = self.wire.recv(65536)
        except ConnectionResetError:
            piece = b""
        self._unread += piece
        return bool(piece)

    def _is_whole(self) -> bool:
        if len(self._unread) < 2 or len(self._unread) < self._extent(self._unread[1])[0]:
            return False
        return len(self._unread) >= sum(self._extent(self._unread[1]))

    def _extent(self, size: int) -> tuple[int, int]:
        start = {126: 4, 127: 10}.get(size, 2)
        return start, size if start == 2 else int.from_bytes(self._unread[2:start], "big")

    def __enter__(self) -> "RawSocket":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.wire.close()
