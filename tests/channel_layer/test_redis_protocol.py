"""The reactor's end of a connection to Redis: whose answer is whose, and what comes late."""

from typing import Any

import pytest
import txredisapi
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from channel_layer.redis_commands import packed
from channel_layer.redis_protocol import RedisProtocol


class Wire(StringTransport):
    """Tells its protocol at once that it was cut; takes `room` bytes at once, then none."""

    protocol: Any = None
    room = 10**6

    def writeSomeData(self, data: bytes) -> int:  # noqa: N802
        taken = data[: self.room]
        self.room -= len(taken)
        self.write(taken)
        return len(taken)

    def registerProducer(self, producer: Any, streaming: bool) -> None:  # noqa: N802
        super().registerProducer(producer, streaming)
        producer.resumeProducing()

    def abortConnection(self) -> None:  # noqa: N802
        super().abortConnection()
        self.protocol.connectionLost(Failure(ConnectionDone()))


@pytest.fixture
def clock() -> Clock:
    """The protocol's time."""
    return Clock()


@pytest.fixture
def protocol(clock: Clock) -> RedisProtocol:
    """One that is connected and waits 20 s for each answer."""
    made = RedisProtocol(clock, 20)
    wire = Wire()
    wire.protocol = made
    made.makeConnection(wire)
    return made


def came(deferred: Deferred[Any]) -> list[Any]:
    """Where its result or error is put."""
    results: list[Any] = []
    deferred.addCallbacks(results.append, lambda failure: results.append(failure.value))
    return results


def test_what_the_kernel_does_not_take_is_sent_in_order(protocol: RedisProtocol) -> None:
    """Behind it all commands wait until the transport holds nothing; then they go straight."""
    wire = protocol.transport
    wire.room = 3
    for commands in (b"ab", b"cd", b"ef"):
        protocol.ask(commands, 1)
    assert wire.value() == b"abcd"
    wire.producer.resumeProducing()
    assert wire.value() == b"abcdef"
    protocol.ask(b"gh", 1)
    assert wire.value() == b"abcdef"
    wire.producer.resumeProducing()
    wire.producer.resumeProducing()
    wire.room = 10
    protocol.ask(b"ij", 1)
    assert wire.value() == b"abcdefghij"


def test_answers_in_pieces(protocol: RedisProtocol) -> None:
    """Each asker gets its own answers, when all are there, however the bytes come."""
    one, two = came(protocol.ask(b"", 2)), came(protocol.execute_command("GET", b"a", 1))
    assert protocol.transport.value() == packed((b"GET", b"a", b"1"))
    for byte in b"*1\r\n:1\r\n$2\r\n12\r\n+OK":
        protocol.dataReceived(bytes((byte,)))
    assert (one, two) == ([[[1], b"12"]], [])
    protocol.dataReceived(b"\r\n")
    assert two == [b"OK"]


def test_an_error_is_its_askers(protocol: RedisProtocol) -> None:
    """An error among several answers is raised to who asked, and the next one's is its own."""
    one, two = came(protocol.ask(b"", 2)), came(protocol.ask(b"", 1))
    protocol.dataReceived(b"-ERR no\r\n:1\r\n:2\r\n")
    assert isinstance(one[0], txredisapi.ResponseError)
    assert two == [[2]]


def test_a_late_answer(protocol: RedisProtocol, clock: Clock) -> None:
    """Who waits for longer than the bound is told, and the connection is cut; others are not."""
    came(protocol.ask(b"", 1))
    clock.advance(15)
    protocol.dataReceived(b":1\r\n")
    late = came(protocol.ask(b"", 1))
    clock.advance(19.9)
    assert not late
    clock.advance(0.2)
    assert isinstance(late[0], txredisapi.ConnectionError)
    assert not clock.getDelayedCalls()


def test_a_lost_connection(protocol: RedisProtocol, clock: Clock) -> None:
    """Everybody who waits is told."""
    waiting = [came(protocol.ask(b"", 1)) for _ in range(2)]
    protocol.connectionLost(Failure(ConnectionDone()))
    assert all(isinstance(one[0], txredisapi.ConnectionError) for one in waiting)
    assert not clock.getDelayedCalls()


def test_an_answer_that_nobody_asked_for(protocol: RedisProtocol) -> None:
    """The connection is cut: what comes behind it could be taken for another's answer."""
    protocol.dataReceived(b":1\r\n")
    assert protocol.transport.disconnected
