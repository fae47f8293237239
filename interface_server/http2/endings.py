"""How an HTTP/2 connection ends: announced, told which request was the last, closed.

Ends no stream and counts nothing; its owner says when none is left. Source: RFC 9113 section 6.8.
"""

import enum
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from h2.events import PingAckReceived

from interface_server.http2.engine import NEVER_LAST, Engine, goaway
from interface_server.http2.stream import NO_ERROR, Deadline
from interface_server.http_output import Output
from interface_server.lazy_timer import LazyTimer
from interface_server.wires import Clock, TcpTransport, half_close

ROUND_S = 1.0
"""How long requests may be on their way when the end is announced; ours."""

LINGER_S = 2.0
"""How long what comes behind the end is read and dropped, so that the client sees the end; ours."""

_WORD = b"\x00farewel"
"""What the ping says behind which no request can be on its way that came before the first word."""


class _Phase(enum.Enum):
    OPEN = 1
    CLOSING = 2
    OVER = 3


class Ending:
    """The end of one connection."""

    def __init__(
        self,
        engine: Engine,
        output: Output,
        wire: TcpTransport,
        clock: Clock,
        timer: LazyTimer,
    ) -> None:
        self._engine = engine
        self._output = output
        self._wire = wire
        self._clock = clock
        self._timer = timer
        self._phase = _Phase.OPEN
        self._last_stream: int | None = None
        self._told_by: float | None = None
        self._closed_by: float | None = None
        self.is_announced = False

    @property
    def is_open(self) -> bool:
        """Whether frames are read and sent."""
        return self._phase is _Phase.OPEN

    @property
    def is_over(self) -> bool:
        """Whether the connection was cut or lost."""
        return self._phase is _Phase.OVER

    def is_past_last(self, stream_id: int) -> bool:
        """Whether the stream came behind the last one that is served."""
        return self._last_stream is not None and stream_id > self._last_stream

    def announce(self) -> None:
        """Say that the end is near; the last request is named when what was on its way is here."""
        if not self.is_open or self.is_announced:
            return
        self.is_announced = True
        self._output.write(goaway(NEVER_LAST, NO_ERROR))
        self._engine.ping(_WORD)
        self._told_by = self._clock.seconds() + ROUND_S
        self._timer.not_after(self._told_by)

    def handle(self, came: Sequence[Any]) -> None:
        """What came may be the answer to our ping."""
        if self._told_by is not None and any(
            type(event) is PingAckReceived and event.ping_data == _WORD for event in came
        ):
            self._name_last()

    def idle(self) -> None:
        """No stream is left."""
        if self._last_stream is not None and self.is_open:
            self._close()

    def fail(self, code: int) -> None:
        """Say why, and close. What h2 has said already is not said twice."""
        if not self.is_open:
            return
        if not self._engine.goaway_sent:
            self._output.write(goaway(self._engine.last_stream, code))
        else:
            self._output.write(self._engine.take_output())
        self._close()

    def cut(self) -> bool:
        """End now; whether it was not over before."""
        if self._phase is _Phase.OVER:
            return False
        self._phase = _Phase.OVER
        self._output.detach()
        self._wire.abortConnection()
        return True

    def over(self) -> None:
        """The connection is lost: hold nothing of it."""
        self._phase = _Phase.OVER
        del self._output, self._wire

    def deadlines(self, abort: Callable[[str], None]) -> Iterator[Deadline]:
        """What is waited for now, each with its end."""
        if self._told_by is not None and self.is_open:
            yield self._told_by, self._name_last
        if self._closed_by is not None:
            yield self._closed_by, lambda: abort("http.end_forced")

    def _name_last(self) -> None:
        self._told_by = None
        self._last_stream = self._engine.last_stream
        self._output.write(goaway(self._last_stream, NO_ERROR))
        self._timer.not_after(self._clock.seconds())

    def _close(self) -> None:
        self._phase = _Phase.CLOSING
        self._output.when_flushed(self._shut)

    def _shut(self) -> None:
        self._output.detach()
        self._closed_by = self._clock.seconds() + LINGER_S
        if not half_close(self._wire):
            self._wire.loseConnection()
        self._timer.not_after(self._closed_by)
