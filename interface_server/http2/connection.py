"""One HTTP/2 connection: gives what comes to h2, what h2 makes to the client, keeps deadlines.

What may come is in `frames.py`, what it means to the requests in `streams.py`, the end in
`endings.py`.
"""

from collections.abc import Iterator
from typing import cast

from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from interface_server.http2.endings import Ending
from interface_server.http2.engine import Engine
from interface_server.http2.frames import ENHANCE_YOUR_CALM, Fault, FrameGate
from interface_server.http2.outgoing import Sender
from interface_server.http2.stream import Deadline
from interface_server.http2.streams import Streams
from interface_server.http_output import Output
from interface_server.http_parts import HttpParts
from interface_server.lazy_timer import LazyTimer
from interface_server.proxies import seen_from
from interface_server.wires import Call, TcpTransport
from shared.logs import get_logger

MAX_CONTROL = 64 * 1024
"""Bytes of answers to frames (acknowledgements, resets) that may wait for a client which does not
read them; past it nothing more is read. Ours.
"""

_log = get_logger("interface_server.http2")


class Http2Connection(Protocol):
    """The protocol of one client: a Drainable, and the owner of its streams."""

    def __init__(self, parts: HttpParts, scheme: str) -> None:
        self._parts = parts
        self._scheme = scheme
        self._clock = parts.clock
        self._settings = settings = parts.gateway.settings
        self._timer = LazyTimer(parts.clock, self._on_time)
        fields = 2 * settings.max_head + 32 * settings.max_headers
        self._engine = Engine(settings.http2_streams, settings.http2_window, fields)
        self._gate = FrameGate(fields, parts.clock.seconds())
        self._soon: Call | None = None
        self._is_handling = False
        self._is_reading = True
        self._control_bytes = 0
        self._since = parts.clock.seconds()

    def connectionMade(self) -> None:  # noqa: N802
        """A client is here."""
        wire = self._wire = cast(TcpTransport, self.transport)
        seen = seen_from(wire.getPeer(), wire.getHost(), self._scheme)
        if seen.client is not None:
            wire.setTcpNoDelay(True)
            wire.setTcpKeepAlive(True)
        engine, gate = self._engine, self._gate
        limit = self._settings.max_output
        coalescer = self._parts.gateway.coalescer
        self._output = Output(wire, self._clock, limit, self._output_moved, self.abort, coalescer)
        self._sender = sender = Sender(engine, self._output, self._clock)
        self._streams = Streams(self, self._parts, engine, gate, sender, wire, seen)
        self._ending = Ending(engine, self._output, wire, self._clock, self._timer)
        first_s = min(self._settings.head_timeout_s, self._settings.idle_timeout_s)
        self._timer.not_after(self._since + first_s)
        self._parts.gateway.figures.connections["http2"] += 1
        self._parts.opened(self)
        sender.flush()
        if self._parts.is_draining:  # its TLS handshake began before
            self._ending.announce()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Bytes came."""
        self._parts.gateway.figures.http_in_bytes += len(data)
        if not self._ending.is_open:
            return
        passed, fault = self._gate.feed(data, self._clock.seconds())
        if fault is None:
            came, fault = self._engine.receive(passed)
            self._is_handling = True
            try:
                self._streams.handle(came)
                self._ending.handle(came)
            finally:
                self._is_handling = False
        if fault is not None:
            self._fail(fault)
            return
        if self._gate.partial_since is not None:
            self._timer.not_after(self._gate.partial_since + self._settings.head_timeout_s)
        self._flush()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """The client is gone, or was cut."""
        self._ending.over()
        self._timer.stop()
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        self._streams.give_up()
        self._parts.closed(self)
        self._output.let_go()
        self._engine.let_go()
        self.transport = None
        # All of it holds this, and would stay with it until the next search for garbage.
        del self._wire, self._streams, self._sender, self._output

    # A Drainable

    def drain(self) -> None:
        """Take no new request in a moment, and end when those that came are answered."""
        self._ending.announce()
        self._flush()

    def refuse_waiting(self) -> None:
        """Answer with 503 what has no answer yet."""
        self._streams.refuse_waiting()

    def abort(self, counter: str) -> None:
        """Cut the connection now."""
        if self._ending.cut():
            self._parts.cut(counter, *self._streams.first_named)

    # The owner of the streams

    def is_past_last(self, stream_id: int) -> bool:
        """See StreamsOwner."""
        return self._ending.is_past_last(stream_id)

    def watch(self, at: float) -> None:
        """See StreamsOwner."""
        if not self._ending.is_over:
            self._timer.not_after(at)

    def flush_soon(self) -> None:
        """See StreamsOwner: once in a turn of the reactor, however many answers come in it."""
        if self._soon is None and not self._is_handling and self._ending.is_open:
            self._soon = self._clock.callLater(0, self._flush_now)

    # The way out

    def _flush_now(self) -> None:
        self._soon = None
        self._flush()

    def _flush(self) -> None:
        if not self._ending.is_open:
            return
        streams, sender = self._streams, self._sender
        was_behind = self._output.behind_since is not None
        has_more = sender.pump()
        streams.sent()
        control = sender.flush()
        if streams.fault is not None:
            self._fail(streams.fault)
            return
        self._control_bytes += control if was_behind else 0
        if sender.frames:
            self._gate.give("window_updates", 2 * sender.frames)
            sender.frames = 0
        if has_more:
            self.flush_soon()
        if sender.has_blocked:
            self._timer.not_after(self._clock.seconds() + self._settings.stall_timeout_s)
        if not streams:
            self._ending.idle()
        self._regulate()

    def _output_moved(self) -> None:
        if self._output.behind_since is None:
            self._control_bytes = 0
            self.flush_soon()
        else:
            self._timer.not_after(self._output.behind_since + self._settings.stall_timeout_s)
        self._regulate()

    def _regulate(self) -> None:
        """Read on, or let a client that does not read wait."""
        must_wait = self._ending.is_open and self._control_bytes > MAX_CONTROL
        if must_wait is self._is_reading and not self._ending.is_over:
            self._is_reading = not must_wait
            if must_wait:
                self._wire.pauseProducing()
            else:
                self._wire.resumeProducing()

    # The end

    def _fail(self, fault: Fault) -> None:
        """End the connection for its client's fault."""
        if not self._ending.is_open:
            return
        gateway = self._parts.gateway
        gateway.count("http." + fault.cause)
        gateway.figures.failures[fault.cause, 0] += 1
        _log.warning("connection_refused", cause=fault.cause, detail=fault.detail)
        self._ending.fail(fault.code)
        self._streams.give_up()
        self._control_bytes = 0
        self._regulate()

    def _on_time(self) -> None:
        self.flush_soon()  # what is due may end streams, or the connection
        while not self._ending.is_over:
            at, act = min(self._deadlines(), key=lambda deadline: deadline[0])
            if at > self._clock.seconds():
                self._timer.not_after(at)
                return
            act()

    def _deadlines(self) -> Iterator[Deadline]:
        settings, gate, streams = self._settings, self._gate, self._streams
        yield self._clock.seconds() + settings.idle_timeout_s, lambda: None
        if self._output.behind_since is not None:
            at = self._output.behind_since + settings.stall_timeout_s
            yield at, lambda: self.abort("http.stalled")
        yield from self._ending.deadlines(self.abort)
        if not self._ending.is_open:
            return
        if gate.partial_since is not None:
            yield gate.partial_since + settings.head_timeout_s, self._is_late
        if not gate.is_greeted:
            yield self._since + settings.head_timeout_s, self._is_late
        elif not streams and not self._ending.is_announced:
            yield streams.idle_since + settings.idle_timeout_s, self.drain
        yield from streams.deadlines()

    def _is_late(self) -> None:
        self._fail(Fault(ENHANCE_YOUR_CALM, "h2_frame_late", "a frame that took too long"))
