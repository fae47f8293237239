"""A real interface server with a worker behind it, and what becomes of a vector's bytes there.

Judges nothing: `test_http_conformance.py` and `table.py` compare with what the vectors want.
"""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import httpx

from shared.messages import Headers
from tests.interface_server.conformance.answers import Answer, answers_in
from tests.interface_server.conformance.echo_worker import EchoWorker, text_of
from tests.interface_server.conformance.vector import Vector
from tests.interface_server.real_server import ServerProcess

PATIENCE_S = 10.0
"""How long the end of a connection is awaited; only what fails takes so long."""

PIECES = 300
"""Into so many pieces a vector is cut at most when it is sent byte by byte."""

_PREFIX = "conformance"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of bytes: `saw` as in `Vector.saw`, `headers` of the first of these."""

    answers: tuple[Answer, ...]
    interims: tuple[int, ...]
    saw: tuple[str, ...]
    headers: Headers
    has_ended: bool

    @property
    def statuses(self) -> tuple[int, ...]:
        """Of the final answers, in their order."""
        return tuple(answer.status for answer in self.answers)


class House:
    """The server and its worker on one Valkey; `close` ends both."""

    def __init__(self, redis_url: str) -> None:
        self.server = ServerProcess(redis_url, _PREFIX)
        host, _, port = self.server.address.rpartition(":")
        self._address = (host, int(port))
        self._worker = EchoWorker(redis_url, _PREFIX)
        self._fence = httpx.Client(base_url=self.server.http)

    def outcome(self, vector: Vector, in_pieces: bool = False) -> Outcome:
        """Send a vector, whole or in pieces, and tell what became of it."""
        before = len(self._worker.seen)
        with socket.create_connection(self._address, PATIENCE_S) as client:
            port = client.getsockname()[1]
            received, has_ended = conversation(client, vector, in_pieces)
        # A list keeps its order and this worker is alone: what came before was seen by then.
        self._fence.get("/fence")
        asked = self._worker.asked(port, before)
        saw = tuple(text_of(message) for message in asked)
        headers = asked[0].get("headers", []) if asked else []
        methods = tuple(text.split(" ")[0] for text in saw)
        finals, interims = answers_in(received, methods)
        return Outcome(
            tuple(finals),
            tuple(interims),
            saw,
            tuple((name, value) for name, value in headers),
            has_ended,
        )

    def close(self) -> None:
        """End the worker and the server."""
        self._fence.close()
        self._worker.stop()
        self.server.part.stop()


@contextlib.contextmanager
def house(redis_url: str) -> Iterator[House]:
    """A house for the time of a block."""
    running = House(redis_url)
    try:
        yield running
    finally:
        running.close()


def conversation(client: socket.socket, vector: Vector, in_pieces: bool) -> tuple[bytes, bool]:
    """All that a server writes until it ends the connection, and whether it did end it.

    A reset is an end too.
    """
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    received = b""
    _send(client, vector.wire, in_pieces)
    try:
        if vector.rest:
            while b"\r\n\r\n" not in received:
                received += _received(client)
            _send(client, vector.rest, in_pieces)
        while True:
            received += _received(client)
    except (EOFError, ConnectionError):
        return received, True
    except TimeoutError:
        return received, False


def _send(client: socket.socket, wire: bytes, in_pieces: bool) -> None:
    size = max(1, len(wire) // PIECES) if in_pieces else len(wire)
    # A server that refuses may end the connection before it has got all.
    with contextlib.suppress(ConnectionError):
        for at in range(0, len(wire), size):
            client.sendall(wire[at : at + size])


def _received(client: socket.socket) -> bytes:
    """Raises: EOFError at the connection's end, TimeoutError when nothing comes."""
    piece = client.recv(65536)
    if not piece:
        raise EOFError
    return piece
