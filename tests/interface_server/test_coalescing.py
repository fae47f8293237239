"""Writes of one turn: held back, sent in order behind all of it, over real TCP connections."""

import random
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater

from interface_server import coalescing
from interface_server.coalescing import MOST, SMALL_BYTES, Coalescer
from interface_server.http_output import Output
from interface_server.ws_output import SocketOutput
from tests.interface_server.tcp_pairs import connected, read

LIMIT = 64 * 1024 * 1024
Made = Callable[[Any, Coalescer], Any]


class Served(Protocol):
    """One accepted connection with its output."""

    def __init__(self, make: Made, made: "Deferred[Served]") -> None:
        self.make, self.made = make, made
        self.coalescer = Coalescer()
        self.output: Any = None

    def connectionMade(self) -> None:  # noqa: N802
        self.output = self.make(self.transport, self.coalescer)
        self.made.callback(self)

    def connectionLost(self, reason: object) -> None:  # type: ignore[override]  # noqa: N802
        self.output.stopProducing()


def socket_output(transport: Any, coalescer: Coalescer) -> SocketOutput:
    return SocketOutput(transport, LIMIT, lambda: None, coalescer)


def http_output(transport: Any, coalescer: Coalescer) -> Output:
    clock: Any = reactor
    return Output(transport, clock, LIMIT, lambda: None, lambda _: None, coalescer)


@pytest.fixture(params=[socket_output, http_output])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple["Deferred[Served]", socket.socket]]:
    """A connection with each kind of output: what it is here, and its other end."""
    made: Deferred[Served] = Deferred()
    with connected(lambda: Served(request.param, made)) as client:
        yield made, client


def has_nothing(client: socket.socket) -> bool:
    try:
        client.recv(1)
    except BlockingIOError:
        return True
    return False


def test_what_joined_is_flushed_in_order() -> None:
    """At the end of the turn, each once; one that raises stops no other."""
    coalescer, flushed = Coalescer(), list[object]()

    def fail() -> None:
        raise RuntimeError("broken")

    with coalescer.turn():
        assert coalescer.is_on
        coalescer.join(lambda: flushed.append(1))
        coalescer.join(fail)
        coalescer.join(lambda: flushed.append(2))
        assert flushed == []
    assert flushed == [1, 2]
    assert not coalescer.is_on
    with pytest.raises(KeyError), coalescer.turn():
        raise KeyError
    assert flushed == [1, 2]
    assert not coalescer.is_on


def test_a_crowd_is_flushed_as_it_comes() -> None:
    """No more than `MOST` are held back; what joins while they are flushed comes behind them."""
    coalescer, flushed = Coalescer(), list[object]()

    def flush(number: int) -> Callable[[], None]:
        def late() -> None:
            flushed.append("late")

        def now() -> None:
            flushed.append(number)
            if number == 0:
                coalescer.join(late)

        return now

    with coalescer.turn():
        for number in range(MOST - 1):
            coalescer.join(flush(number))
        assert flushed == []
        coalescer.join(flush(MOST - 1))
        assert flushed == list(range(MOST))
    assert flushed == [*range(MOST), "late"]


@ensureDeferred
async def test_writes_of_a_turn_go_out_together(
    pair: tuple["Deferred[Served]", socket.socket],
) -> None:
    """Nothing leaves before the end of the turn; then all of it is there at once."""
    made, client = pair
    served = await made
    served.output.write(b"before")
    assert await read(client, 6) == b"before"
    with served.coalescer.turn():
        served.output.write(b"one ")
        served.output.write(b"two")
        assert has_nothing(client)
    assert client.recv(100) == b"one two"


@ensureDeferred
async def test_order_whatever_way_bytes_take(
    pair: tuple["Deferred[Served]", socket.socket],
) -> None:
    """Small and large pieces, in turns and outside, with a reader that lags and catches up."""
    made, client = pair
    served = await made
    chance, expected = random.Random(7), b""
    for number in range(120):
        pieces = [
            b"%d," % number * chance.choice((1, 10, SMALL_BYTES // 4, 40_000))
            for _ in range(chance.randrange(1, 5))
        ]
        expected += b"".join(pieces)
        if chance.random() < 0.3:
            for piece in pieces:
                served.output.write(piece)
        else:
            with served.coalescer.turn():
                for piece in pieces:
                    served.output.write(piece)
        if chance.random() < 0.5:
            await deferLater(reactor, 0)  # type: ignore[arg-type]
        if chance.random() < 0.2:
            taken = await read(client, chance.randrange(len(expected) + 1))
            assert expected.startswith(taken)
            expected = expected[len(taken) :]
    assert await read(client, len(expected)) == expected


@ensureDeferred
async def test_an_end_in_a_turn_loses_nothing(
    pair: tuple["Deferred[Served]", socket.socket],
) -> None:
    """What was written before the connection is closed, in the same turn, arrives."""
    made, client = pair
    served = await made
    transport: Any = served.transport
    with served.coalescer.turn():
        served.output.write(b"the last words")
        if isinstance(served.output, SocketOutput):
            served.output.finish()
            transport.loseConnection()
        else:
            served.output.when_flushed(transport.loseConnection)
    assert await read(client, 14) == b"the last words"


@ensureDeferred
async def test_a_connection_that_ends_in_a_turn(
    pair: tuple["Deferred[Served]", socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was held back for it is dropped, and no flush fails."""
    made, client = pair
    served = await made
    transport: Any = served.transport
    logged: list[str] = []
    monkeypatch.setattr(coalescing.log, "exception", lambda event: logged.append(event))
    with served.coalescer.turn():
        served.output.write(b"nobody reads this")
        served.output.stopProducing()
        transport.abortConnection()
    assert logged == []
    with pytest.raises(ConnectionResetError):
        await read(client, 1)
