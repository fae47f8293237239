"""A WebSocket client that costs little: many sockets, one thread, frames made by hand.

It knows just enough of RFC 6455 for short unfragmented frames; it is no client to use.
"""

import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

PAYLOAD = 100
"""Bytes of text in each frame."""

_MASK = b"\x00\x00\x00\x00"
"""A mask of zeros leaves the payload as it is; legal, and it costs the client nothing."""


@dataclass(slots=True)
class Crowd:
    """Open sockets on one server; `failed` handshakes were refused or lost."""

    connections: list[socket.socket] = field(default_factory=list)
    failed: int = 0

    def close(self) -> None:
        """Close all of them."""
        for connection in self.connections:
            connection.close()


def gather(port: int, path: str, count: int, at_once: int = 50) -> Crowd:
    """Open `count` sockets, `at_once` handshakes at a time."""
    crowd = Crowd()
    request = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Sec-WebSocket-Version: 13\r\nOrigin: http://127.0.0.1:{port}\r\n\r\n"
    ).encode()
    while len(crowd.connections) + crowd.failed < count:
        wanted = min(at_once, count - len(crowd.connections) - crowd.failed)
        started = []
        for _ in range(wanted):
            connection = socket.create_connection(("127.0.0.1", port), 30)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(request)
            started.append(connection)
        for connection in started:
            if _is_accepted(connection):
                connection.setblocking(False)
                crowd.connections.append(connection)
            else:
                connection.close()
                crowd.failed += 1
    return crowd


def last_arrival_ms(crowd: Crowd, timeout_s: float = 30.0) -> tuple[float, int]:
    """Send one frame on the first socket of a group that hears it as a whole.

    Returns the milliseconds until the last socket had it, and how many did not within the time.
    """
    frame_size = len(_server_frame_head()) + PAYLOAD
    left = dict.fromkeys(crowd.connections, frame_size)
    start = time.perf_counter()
    crowd.connections[0].sendall(_frame())
    last = start

    def arrived(connection: socket.socket, size: int) -> None:
        nonlocal last
        if connection not in left:
            return  # a ping of the server
        left[connection] -= size
        if left[connection] <= 0:
            del left[connection]
        last = time.perf_counter()

    _read(crowd, arrived, lambda: bool(left), timeout_s)
    return (last - start) * 1000, len(left)


def echoes_per_second(crowd: Crowd, seconds: float) -> float:
    """Round trips a second when each socket sends its next frame upon the last one's echo."""
    frame = _frame()
    size_of_echo = len(_server_frame_head()) + PAYLOAD
    waiting = dict.fromkeys(crowd.connections, size_of_echo)
    done = 0

    def arrived(connection: socket.socket, size: int) -> None:
        nonlocal done
        waiting[connection] -= size
        if waiting[connection] <= 0:
            done += 1
            waiting[connection] = size_of_echo
            connection.sendall(frame)

    start = time.perf_counter()
    for connection in crowd.connections:
        connection.sendall(frame)
    _read(crowd, arrived, lambda: time.perf_counter() - start < seconds, seconds)
    return done / (time.perf_counter() - start)


def _read(
    crowd: Crowd,
    arrived: Callable[[socket.socket, int], None],
    goes_on: Callable[[], bool],
    timeout_s: float,
) -> None:
    end = time.perf_counter() + timeout_s
    with selectors.DefaultSelector() as selector:
        for connection in crowd.connections:
            selector.register(connection, selectors.EVENT_READ)
        while goes_on() and (left := end - time.perf_counter()) > 0:
            for key, _ in selector.select(left):
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                received = len(connection.recv(65_536))
                if not received:
                    selector.unregister(connection)  # closed: it will count as missing
                    continue
                arrived(connection, received)


def _is_accepted(connection: socket.socket) -> bool:
    head = b""
    try:
        while b"\r\n\r\n" not in head:
            piece = connection.recv(1)  # byte by byte: a frame may follow the head at once
            if not piece:
                return False
            head += piece
    except TimeoutError:
        return False
    return head.startswith(b"HTTP/1.1 101")


def _frame() -> bytes:
    return bytes((0x81, 0x80 | PAYLOAD)) + _MASK + b"x" * PAYLOAD


def _server_frame_head() -> bytes:
    return bytes((0x81, PAYLOAD))
