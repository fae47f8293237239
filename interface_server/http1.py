"""One HTTP/1.1 connection: joins its way in and its way out, keeps every deadline, and ends it.

Requests are read and started by `http_intake`, answers keep their order in `http_row`.
"""

import enum
from collections.abc import Iterator
from typing import cast

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from interface_server.http_answer import Answer
from interface_server.http_intake import RequestIntake
from interface_server.http_messages import RequestRefused
from interface_server.http_parts import AT_STOP, HttpParts
from interface_server.http_row import AnswerRow, Deadline
from interface_server.lazy_timer import LazyTimer
from interface_server.proxies import seen_from
from interface_server.wires import TcpTransport, half_close, hand_over

LINGER_S = 5.0
"""How long a refused client's bytes are read and dropped, so that it sees the answer; nginx's."""


class Phase(enum.Enum):
    """Where a connection stands."""

    OPEN = 1
    ENDING = 2
    """Every answer was given, the end is under way."""
    OVER = 3
    """Not ours: cut, lost or handed on."""


_OPEN = Phase.OPEN
"""Asked for several times a request; Python 3.11 finds an enum's member at ten times the cost."""


class HttpFactory(Factory):
    """Makes the connections; `parts` is what they share, `scheme` what their requests came by."""

    noisy = False

    def __init__(self, parts: HttpParts, scheme: str = "http") -> None:
        self.parts = parts
        self.scheme = scheme

    def buildProtocol(self, addr: IAddress | None) -> Protocol:  # noqa: N802  the interface's name
        """A connection to `addr`."""
        return HttpConnection(self.parts, self.scheme)


class HttpConnection(Protocol):
    """The protocol of one client: owner of its intake and of its row of answers."""

    def __init__(self, parts: HttpParts, scheme: str) -> None:
        self._parts = parts
        self._scheme = scheme
        self._clock = parts.clock
        self._figures = parts.gateway.figures
        self._settings = parts.gateway.settings
        self._timer = LazyTimer(parts.clock, self._on_time)
        self._phase = _OPEN
        self._is_reading = True
        self._lingers = False
        self._idle_since = parts.clock.seconds()
        self._end_by: float | None = None

    def connectionMade(self) -> None:  # noqa: N802
        """A client is here."""
        wire = self._wire = cast(TcpTransport, self.transport)
        self._seen = seen_from(wire.getPeer(), wire.getHost(), self._scheme)
        if self._seen.client is not None:
            wire.setTcpNoDelay(True)
            wire.setTcpKeepAlive(True)
        self._row = AnswerRow(self._parts, wire, self)
        self._intake = RequestIntake(self._parts, self._row, self._seen, self)
        self._timer.not_after(self._idle_since + self._settings.idle_timeout_s)
        self._parts.opened(self)
        self._figures.connections["http1"] += 1

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Bytes came."""
        self._figures.http_in_bytes += len(data)
        if self._phase is _OPEN:
            self._intake.feed(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """The client is gone, or was cut."""
        self._phase = Phase.OVER
        self._timer.stop()
        self._intake.give_up()
        self._row.give_up()
        self._parts.closed(self)
        self._let_go()

    def drain(self) -> None:
        """End as soon as what was asked for is answered; at once when idle."""
        if self._phase is not _OPEN:
            return
        if self._row:
            self._row.close_behind_last()
            self._intake.expect_no_more()
        elif self._intake.is_idle:
            self.last_answered()

    def refuse_waiting(self) -> None:
        """Answer with 503 what has no answer yet."""
        if self._phase is _OPEN:
            self._row.refuse_waiting()

    def abort(self, counter: str) -> None:
        """Cut the connection now."""
        if self._phase is not Phase.OVER:
            if counter != AT_STOP or self._row:
                self._parts.cut(counter, self._row.first_path, self._row.first_request_id)
            self._phase = Phase.OVER
            self._row.output.detach()
            self._wire.abortConnection()

    # What the intake says

    def refuse(self, refused: RequestRefused, answer: Answer | None) -> None:
        """Answer without a worker and end: what follows on the wire cannot be told apart."""
        if self._phase is not _OPEN:
            return
        if answer is None:
            answer = Answer(self._row, None, self._seen, self._clock.seconds(), True)
            self._row.add(answer)
        self._parts.refused(refused, answer)
        self._lingers = True
        answer.close_behind()
        answer.own(refused.status, refused.detail, 1 if refused.status == 503 else None)

    def hand_on(self, head: bytes, rest: bytes) -> None:
        """Leave the transport to the protocol that the gateway gives."""
        self._phase = Phase.OVER
        self._timer.stop()
        self._row.output.detach()
        self._parts.closed(self)
        wire = self._wire
        self._let_go()
        if not self._is_reading:
            wire.resumeProducing()
        hand_over(wire, self._parts.gateway.upgraded(wire, head, rest, self._seen))

    def watch(self, at: float) -> None:
        """There is a new deadline."""
        self._timer.not_after(at)

    def regulate(self) -> None:
        """Read on, or let the client wait."""
        must_wait = self._phase is _OPEN and self._intake.must_wait
        if must_wait is self._is_reading and self._phase is not Phase.OVER:
            self._is_reading = not must_wait
            if must_wait:
                self._wire.pauseProducing()
            else:
                self._wire.resumeProducing()

    # What the row of answers says

    def answered(self) -> None:
        """Answers went out and the connection stays open."""
        if not self._row:
            self._idle_since = self._clock.seconds()
            self._timer.not_after(self._idle_since + self._settings.idle_timeout_s)
        if not self._intake.is_idle:
            self._intake.advance()

    def last_answered(self) -> None:
        """The answer behind which the connection ends was given."""
        self._phase = Phase.ENDING
        self._intake.give_up()
        self._row.give_up()
        self._row.output.when_flushed(self._end)
        self.regulate()

    def output_moved(self) -> None:
        """The reader fell behind or caught up."""
        since = self._row.output.behind_since
        if since is not None:
            self._timer.not_after(since + self._settings.stall_timeout_s)
            self.regulate()
        elif self._phase is _OPEN:
            self._intake.advance()

    def _end(self) -> None:
        self._row.output.detach()
        now = self._clock.seconds()
        if (self._lingers or self._intake.has_unread) and half_close(self._wire):
            self._end_by = now + LINGER_S
        else:
            self._end_by = now + self._settings.stall_timeout_s
            self._wire.loseConnection()
        self._timer.not_after(self._end_by)

    def _let_go(self) -> None:
        """Hold nothing that holds this: all of it is free at once, not when garbage is looked for.

        What comes from there still (a late reply) finds a connection that is OVER.
        """
        self._row.output.let_go()
        self.transport = None
        del self._wire, self._row, self._intake

    # Deadlines

    def _on_time(self) -> None:
        while self._phase is not Phase.OVER:
            at, act = min(self._deadlines(), key=lambda deadline: deadline[0])
            if at > self._clock.seconds():
                self._timer.not_after(at)
                return
            act()

    def _deadlines(self) -> Iterator[Deadline]:
        idle_s = self._settings.idle_timeout_s
        yield from self._row.deadlines()
        if self._phase is _OPEN:
            yield from self._intake.deadlines()
            if not self._row and self._intake.is_idle:
                yield self._idle_since + idle_s, self.last_answered
        elif self._end_by is not None:
            yield self._end_by, lambda: self.abort("http.end_forced")
        yield self._clock.seconds() + idle_s, lambda: None
