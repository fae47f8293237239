"""A connection's protocol with nothing around it: a wire of bytes, a clock that is turned by hand.

No socket, no reactor, no broker: thousands of connections a second can be made and fed anything.
"""

import random
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from channel_layer.layer import Operation, Send
from interface_server.http_parts import HttpParts
from shared import codec
from shared.messages import HttpRequest
from tests.interface_server.answering import Echo, Site, Worker


class Wire(StringTransport):
    """What a kernel does: takes some of the bytes at once, the rest when it is asked again."""

    def __init__(self, choices: random.Random) -> None:
        super().__init__(lenient=True)
        self.protocol: Any = None
        self.is_over = False
        self.is_closed_for_writing = False
        self._choices = choices

    def write(self, data: bytes) -> None:
        assert not self.is_closed_for_writing, "written behind the end"
        super().write(data)

    def writeSomeData(self, data: bytes) -> int:  # noqa: N802
        taken = len(data) if self._choices.random() < 0.7 else self._choices.randrange(len(data))
        self.write(data[:taken])
        return taken

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802
        """Nothing to be done."""

    def setTcpKeepAlive(self, enabled: bool) -> None:  # noqa: N802
        """Nothing to be done."""

    def loseWriteConnection(self) -> None:  # noqa: N802
        self.is_closed_for_writing = True

    def loseConnection(self) -> None:  # noqa: N802
        self.is_closed_for_writing = True
        super().loseConnection()


class Wireless:
    """A site whose workers answer when the clock is turned, and one connection to it."""

    def __init__(self, worker: Worker, choices: random.Random, **settings: Any) -> None:
        self.clock = Clock()
        self.site = _Site(self.clock, worker, **settings)
        self.wire = Wire(choices)

    def connect(self, protocol: Protocol) -> None:
        """Let the protocol be the connection's."""
        self.wire.protocol = protocol
        protocol.makeConnection(self.wire)

    def feed(self, pieces: list[bytes]) -> None:
        """Give what comes, as long as the connection reads, and turn the clock by and by."""
        for piece in pieces:
            for _ in range(200):
                if self.wire.producerState == "producing" or self.wire.disconnecting:
                    break
                self.turn()
            if self.wire.disconnecting or self.wire.producerState != "producing":
                break
            self.wire.protocol.dataReceived(piece)
            self.turn()

    def turn(self, seconds: float = 0.0) -> None:
        """Let what is due happen, and the kernel take what waits."""
        self.clock.advance(seconds)
        while self.wire.producer is not None:
            self.wire.producer.resumeProducing()
            self.clock.advance(0)
        self.clock.advance(0)

    def hang_up(self) -> None:
        """End the connection; nothing of it may be left."""
        for _ in range(5):
            self.turn(0.01)
        self.wire.disconnecting = True
        self.wire.protocol.connectionLost(Failure(ConnectionDone()))
        self.turn(1000.0)
        site = self.site
        assert not site.receivers, site.receivers
        assert not site.parts.connection_count
        assert not site.held
        assert not self.clock.getDelayedCalls(), self.clock.getDelayedCalls()


class _Site(Site):
    """A Site on the clock."""

    def __init__(self, clock: Clock, worker: Worker, **settings: Any) -> None:
        super().__init__(worker, **settings)
        self.parts = HttpParts(self, clock)
        self._clock = clock

    def _take(self, operation: Operation) -> None:
        if isinstance(operation, Send) and operation.channel == "http.request":
            request = codec.decode_http_request(operation.payload)
            self.requests.append(request)
            self._clock.callLater(0, self._worker, self, request)
        else:
            super()._take(operation)

    def wall_clock(self) -> float:
        return 1e9

    def upgraded(self, transport: Any, head: bytes, rest: bytes, seen: Any) -> Any:
        echo = Echo()
        self.upgrades.append((head, rest))
        echo.makeConnection(transport)
        return echo

    def content_of(self, request: HttpRequest) -> bytes:
        """The body of a request, wherever it lies."""
        if request.body_channel is None:
            return request.body
        return b"".join(chunk.content for chunk in self.bodies.get(request.body_channel, ()))
