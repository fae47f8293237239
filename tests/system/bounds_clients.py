"""Clients that misbehave, and what the tests about bounds ask of a process: its memory, its health.

A client here does exactly what it is told and nothing by itself: it reads only when asked to, so
the kernel's buffers fill. It asserts nothing.
"""

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.stack import Stack

SMALL_BUFFER = 4096
"""A receive buffer that makes a reader stall soon; the kernel doubles it."""

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
TIMEOUT_S = 20.0


def plain(port: int, receive_buffer: int | None = None) -> socket.socket:
    """A connection to the server; with `receive_buffer` its window is that small."""
    client = socket.socket()
    if receive_buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    client.settimeout(TIMEOUT_S)
    client.connect(("127.0.0.1", port))
    return client


def request(path: str, *lines: str, method: str = "GET") -> bytes:
    """The head of a request."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: a", *lines, "", ""]).encode()


def until_closed(client: socket.socket) -> bytes:
    """All that comes until the other side ends the connection, in order or not."""
    pieces = []
    with contextlib.suppress(ConnectionError):
        while piece := client.recv(1 << 20):
            pieces.append(piece)
    return b"".join(pieces)


def flood(client: socket.socket, piece: bytes, seconds: float, most: int) -> int:
    """How many bytes the other side took of `piece` after `piece`, in that time and up to `most`.

    Stops early once nothing was taken for a second: then the other side reads no more.
    """
    client.setblocking(False)
    took, rest, end = 0, b"", time.monotonic() + seconds
    moved = time.monotonic()
    while took < most and time.monotonic() < min(end, moved + 1.0):
        try:
            sent = client.send(rest or piece)
        except BlockingIOError:
            time.sleep(0.002)
            continue
        except ConnectionError:
            break
        rest = (rest or piece)[sent:]
        took, moved = took + sent, time.monotonic()
    client.settimeout(TIMEOUT_S)
    return took


class RawSocket:
    """A WebSocket client without a loop of its own; `path` is asked for at once."""

    def __init__(self, port: int, path: str, receive_buffer: int | None = None) -> None:
        self.wire = plain(port, receive_buffer)
        self._unread = b""
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", key)
        self.wire.sendall(request(path, *upgrade))
        while b"\r\n\r\n" not in self._unread:
            piece = self.wire.recv(4096)
            if not piece:
                break
            self._unread += piece
        self.head, _, self._unread = self._unread.partition(b"\r\n\r\n")

    @property
    def is_open(self) -> bool:
        """Whether the handshake was accepted."""
        return self.head.startswith(b"HTTP/1.1 101")

    def send(self, text: str) -> None:
        """Send one text frame."""
        self.wire.sendall(masked_frame(TEXT, text.encode()))

    def frame(self) -> tuple[int, bytes]:
        """The next frame: its opcode and payload. Raises: EOFError at the connection's end."""
        first, length = self._bytes(2)
        size = length & 0x7F
        if size == 126:
            size = int.from_bytes(self._bytes(2), "big")
        elif size == 127:
            size = int.from_bytes(self._bytes(8), "big")
        return first & 0x0F, self._bytes(size)

    def text(self) -> str:
        """The next text frame's text; other frames are passed over, a close ends it (EOFError)."""
        while True:
            opcode, payload = self.frame()
            if opcode == TEXT:
                return payload.decode()
            if opcode == CLOSE:
                raise EOFError(f"closed with {close_code(payload)}")
            if opcode == PING:
                self.wire.sendall(masked_frame(PONG, payload))

    def close_code(self) -> int | None:
        """The code with which the other side closes, None when it just ends; all else is read."""
        try:
            while True:
                opcode, payload = self.frame()
                if opcode == CLOSE:
                    self.wire.sendall(masked_frame(CLOSE, payload))
                    return close_code(payload)
        except (EOFError, ConnectionError):
            return None

    def leave(self) -> None:
        """Close in order: 1000."""
        with contextlib.suppress(OSError):
            self.wire.sendall(masked_frame(CLOSE, (1000).to_bytes(2, "big")))
            self.close_code()
        self.wire.close()

    def _bytes(self, count: int) -> bytes:
        while len(self._unread) < count:
            piece = self.wire.recv(1 << 18)
            if not piece:
                raise EOFError("the connection ended")
            self._unread += piece
        taken, self._unread = self._unread[:count], self._unread[count:]
        return taken


def masked_frame(opcode: int, payload: bytes, *, is_final: bool = True, mask: bool = True) -> bytes:
    """One frame as a client sends it, with the mask of zeros. Source: RFC 6455 section 5.2."""
    size = len(payload)
    bit = 0x80 if mask else 0
    if size < 126:
        length = bytes((bit | size,))
    elif size < 65536:
        length = bytes((bit | 126,)) + size.to_bytes(2, "big")
    else:
        length = bytes((bit | 127,)) + size.to_bytes(8, "big")
    first = bytes(((0x80 if is_final else 0) | opcode,))
    return first + length + (bytes(4) if mask else b"") + payload


def close_code(payload: bytes) -> int:
    """The code in a close frame; 1005 without one."""
    return int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005


@contextlib.contextmanager
def closing(clients: list[Any]) -> Iterator[list[Any]]:
    """Ends every connection of the list, whatever happens."""
    try:
        yield clients
    finally:
        for client in clients:
            wire = client.wire if isinstance(client, RawSocket) else client
            wire.close()


def vitals(stack: Stack) -> dict[str, Any]:
    """What the server says of itself."""
    return stack.health()


def counted(stack: Stack, name: str) -> int:
    """How often the server counted this."""
    return int(vitals(stack)["counters"].get(name, 0))


def eventually(fact: Callable[[], Any], timeout_s: float = TIMEOUT_S) -> Any:
    """What `fact` gives as soon as that is true. Raises: AssertionError."""
    end = time.monotonic() + timeout_s
    while True:
        found = fact()
        if found:
            return found
        assert time.monotonic() < end, f"not so within {timeout_s} s; last: {found!r}"
        time.sleep(0.02)  # the fact lies in another process, which can only be asked


def memory_kib(pid: int) -> int:
    """The memory that a process has in RAM now."""
    return _status(pid, "VmRSS")


def peak_kib(pid: int) -> int:
    """The most that it had since `forget_peak`."""
    return _status(pid, "VmHWM")


def forget_peak(pid: int) -> int:
    """Let the peak begin at what is used now, which is given."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return memory_kib(pid)


def settles_at(pid: int, most_kib: int) -> None:
    """See that a process comes down to so much memory. Raises: AssertionError."""
    end = time.monotonic() + TIMEOUT_S
    while (now_kib := memory_kib(pid)) > most_kib:
        assert time.monotonic() < end, f"{now_kib} KiB are kept, {most_kib} KiB are allowed"
        time.sleep(0.05)  # the fact lies in another process, which can only be asked


def descriptors(pid: int) -> int:
    """How many files and connections a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def _status(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise AssertionError(f"/proc/{pid}/status has no {name}")
