"""One direction of a connection that the relay carries: bytes read, due, and written.

It waits for nothing and watches no socket; `relay.py` does.
"""

import collections
import contextlib
import socket
import struct

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER that makes `close` send a reset."""


class Flow:
    """What was read from `source` and waits to be written to `sink` when it is due.

    `is_broken`: bytes of it were dropped, so nothing behind them may pass, its end neither.
    """

    def __init__(self, source: socket.socket, sink: socket.socket, is_towards_target: bool) -> None:
        self.source = source
        self.sink = sink
        self.is_towards_target = is_towards_target
        self.chunks: collections.deque[tuple[float, memoryview]] = collections.deque()
        self.waiting = 0
        self.has_ended = False
        self.is_broken = False
        self.other: Flow

    @property
    def is_over(self) -> bool:
        """Whether all of it was passed on, its end too."""
        return self.has_ended and not self.chunks and not self.is_broken

    def put(self, read: bytes, due: float) -> None:
        """Take in what was read."""
        self.chunks.append((due, memoryview(read)))
        self.waiting += len(read)

    def lose(self) -> None:
        """Forget what waits, and all that comes."""
        self.is_broken = True
        self.chunks.clear()
        self.waiting = 0

    def write(self, now: float) -> bool:
        """Write what is due, and the end behind it; whether the next bytes are due later.

        Raises: OSError when the other side is gone.
        """
        while self.chunks and self.chunks[0][0] <= now:
            due, chunk = self.chunks[0]
            try:
                written = self.sink.send(chunk)
            except BlockingIOError:
                return False
            self.waiting -= written
            if written < len(chunk):
                self.chunks[0] = (due, chunk[written:])
                return False
            self.chunks.popleft()
        if self.is_over:
            shut(self.sink)
        return bool(self.chunks)


def reset(which: socket.socket) -> None:
    """Close with a reset."""
    with contextlib.suppress(OSError):
        which.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    which.close()


def shut(which: socket.socket) -> None:
    """Send the end, keep reading."""
    with contextlib.suppress(OSError):
        which.shutdown(socket.SHUT_WR)
