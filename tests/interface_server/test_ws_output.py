"""What waits for one socket, over a real TCP connection."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater

from interface_server.coalescing import Coalescer
from interface_server.ws_output import SocketOutput
from tests.interface_server.tcp_pairs import connected, read

LIMIT = 1024 * 1024


class Served(Protocol):
    """One accepted connection with its output."""

    def __init__(self, made: "Deferred[Served]") -> None:
        self.made = made
        self.lost: Deferred[None] = Deferred()
        self.overflows = 0

    def connectionMade(self) -> None:  # noqa: N802
        self.coalescer = Coalescer()
        transport: Any = self.transport
        self.output = SocketOutput(transport, LIMIT, self.overflowed, self.coalescer)
        self.made.callback(self)

    def overflowed(self) -> None:
        self.overflows += 1

    def connectionLost(self, reason: object) -> None:  # type: ignore[override]  # noqa: N802
        self.output.stopProducing()
        self.lost.callback(None)


async def turn() -> None:
    await deferLater(reactor, 0.001)  # type: ignore[arg-type]


@pytest.fixture
def pair() -> Iterator[tuple["Deferred[Served]", socket.socket]]:
    """A connection: what it is here, and its other end as a plain socket."""
    made: Deferred[Served] = Deferred()
    with connected(lambda: Served(made)) as client:
        yield made, client


@ensureDeferred
async def test_bytes_arrive_in_order_whatever_way_they_took(
    pair: tuple["Deferred[Served]", socket.socket],
) -> None:
    """Direct writes, waiting ones and what the transport still held keep their order."""
    made, client = pair
    served = await made
    served.transport.write(b"before ")  # type: ignore[union-attr]
    expected = b"before "
    for number in range(2000):
        frame = b"%d," % number * (1 if number % 7 else 2000)
        if served.output.waiting_bytes + len(frame) < LIMIT:
            served.output.write(frame)
            expected += frame
        if number % 50 == 0:
            await turn()
        if number % 300 == 299:
            assert await read(client, len(expected)) == expected
            expected = b""
    assert await read(client, len(expected)) == expected
    while served.output.waiting_bytes:
        await turn()
    assert served.overflows == 0


@ensureDeferred
async def test_a_reader_that_does_not_read_overflows_and_memory_stays_bounded(
    pair: tuple["Deferred[Served]", socket.socket],
) -> None:
    """Past the limit the owner is told; what it drops is forgotten; whole frames stay whole."""
    made, client = pair
    served = await made
    frame = b"x" * 65536
    written = 0
    while not served.overflows:
        served.output.write(frame)
        written += len(frame)
        await turn()
    assert served.output.waiting_bytes <= LIMIT + len(frame)
    waiting = served.output.waiting_bytes
    served.output.drop_waiting()
    assert served.output.waiting_bytes < waiting
    served.output.write(b"end")
    got = b""
    while not got.endswith(b"end"):
        got += await read(client, 1)
    assert (len(got) - 3) % len(frame) == 0
    assert len(got) - 3 < written


@ensureDeferred
async def test_what_waits_is_written_before_an_orderly_end(
    pair: tuple["Deferred[Served]", socket.socket],
) -> None:
    """`finish` hands everything to the transport, which closes behind it."""
    made, client = pair
    served = await made
    served.output.write(b"a" * 300_000)
    served.output.write(b"b" * 300_000)
    served.output.finish()
    served.transport.loseConnection()  # type: ignore[union-attr]
    served.output.write(b"too late")
    assert await read(client, 600_000) == b"a" * 300_000 + b"b" * 300_000
    await served.lost
    assert client.recv(1) == b""


@ensureDeferred
async def test_writing_to_a_lost_connection_raises_nothing(
    pair: tuple["Deferred[Served]", socket.socket],
) -> None:
    """The end is told by the transport, not by the writer."""
    made, client = pair
    served = await made
    served.output.write(b"x")
    await read(client, 1)
    await turn()
    client.close()
    for _ in range(100):
        served.output.write(b"y" * 1000)
    await served.lost
    served.output.write(b"z")
