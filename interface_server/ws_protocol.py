"""One WebSocket connection on Autobahn, as the wire of a `Socket`.

Framing, masking, fragments, pings and UTF-8 are Autobahn's; what is written goes through one
`SocketOutput`. Decides nothing about events and replies.
"""

from collections.abc import Callable
from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from interface_server.gateway import Gateway
from interface_server.http_responses import DateAndServer
from interface_server.wires import Call, Clock, half_close
from interface_server.ws_autobahn import (
    CLOSE_TIMEOUT_S,
    FAILURES,
    NO_QUEUE,
    STATISTICS,
    Deny,
    Protocol,
    Quiet,
)
from interface_server.ws_deflate import NO_DEFLATE, terms
from interface_server.ws_frames import usual_message
from interface_server.ws_inflate import Inflater
from interface_server.ws_output import SocketOutput
from interface_server.ws_pieces import gather
from interface_server.ws_refusal import refusal
from interface_server.ws_socket import Socket
from interface_server.ws_steps import SessionLimits
from shared.messages import WsConnect

EARLY_BYTES = 64 * 1024
"""What a peer may send before its handshake is answered; past it nothing more is read."""

REASON_BYTES = 123
"""The longest reason of a close frame. Source: RFC 6455 section 5.5."""

PROTOCOL_ERROR = 1002
NO_CODE = 1005
VANISHED = 1006
TRY_AGAIN_LATER = 1013


def socket_class(factory: WebSocketServerFactory) -> "type[SocketProtocol]":
    """`SocketProtocol` with the factory's options.

    Autobahn copies them to each connection, and formats them for its log: a fifth of a socket's
    memory and of a handshake's time. Here they stand on the class.
    """
    options = {name: getattr(factory, name) for name in Protocol.CONFIG_ATTRS}
    return type("OptionedSocket", (SocketProtocol,), {**options, "CONFIG_ATTRS": ()})


class SocketProtocol(Protocol):  # type: ignore[misc]  # its base is untyped on purpose
    """The wire of one socket, which it makes; `on_end` is called when nothing is left of it."""

    log = Quiet()
    transport: Any
    data: Any
    frame_data: Any
    message_data: Any

    def __init__(
        self,
        clock: Clock,
        factory: WebSocketServerFactory,
        gateway: Gateway,
        connect: WsConnect,
        limits: SessionLimits,
        on_end: Callable[[Socket], None],
        window: int = NO_DEFLATE,
    ) -> None:
        super().__init__()
        self.factory = factory
        self.window = window
        self.socket = Socket(clock, gateway, connect, limits, self, on_end)
        self._connect: WsConnect | None = connect
        self._clock = clock
        self._gateway = gateway
        self._max_output = gateway.settings.max_socket_output
        self._output: SocketOutput
        self._answer: Deferred[Any] | None = None
        self._early = b""
        self._is_paused = False
        self._heard_at = 0.0
        self._linger: Call | None = None

    # The wire

    def accept(self, subprotocol: str | None) -> None:
        """Complete the handshake; then what came early is read."""
        answer, self._answer = self._answer, None
        if answer is None:
            return
        headers = {"X-Request-ID": self.socket.request_id}
        if self.window != NO_DEFLATE:
            headers["Sec-WebSocket-Extensions"] = terms(self.window)
        answer.callback((subprotocol, headers))
        if self.window != NO_DEFLATE:
            self._perMessageCompress = Inflater(self.maxMessagePayloadSize)
        self.http_headers = self.http_request_data = self.http_response_data = None
        early, self._early = self._early, b""
        if len(early) > EARLY_BYTES:
            self.transport.resumeProducing()
        if early:
            self._dataReceived(early)

    def refuse(self, status: int) -> None:
        """Answer the handshake with an HTTP status and close."""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.errback(Deny(status))

    def write_frame(self, frame: bytes) -> None:
        """Write one whole frame, unless the connection is closing."""
        if self.state == self.STATE_OPEN:
            self._output.write(frame)

    def close(self, code: int) -> None:
        """Begin the closing handshake, with any code of the RFC."""
        if self.state == self.STATE_OPEN:
            if code == TRY_AGAIN_LATER:
                self._output.drop_waiting()
            self.sendCloseFrame(code)

    def pause_reading(self) -> None:
        """Read no more."""
        self._is_paused = True
        self.transport.pauseProducing()

    def resume_reading(self) -> None:
        """Read again, first what was received before."""
        self._is_paused, self._heard_at = False, self._clock.seconds()
        self._clock.callLater(0, self._read_on)

    # What Twisted says

    def connectionMade(self) -> None:  # noqa: N802
        """The transport is ours."""
        overflowed, coalescer = self.socket.overflowed, self._gateway.coalescer
        self._output = SocketOutput(self.transport, self._max_output, overflowed, coalescer)
        super().connectionMade()
        self.send_queue, self.trafficStats = NO_QUEUE, STATISTICS

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Bytes from the peer: kept until the handshake is answered, dropped behind a close."""
        if self.state == self.STATE_CLOSED:
            return
        if self._answer is None:
            self._heard_at = self._clock.seconds()
            self._dataReceived(data)
            return
        self._early += data
        if len(self._early) > EARLY_BYTES:
            self.transport.pauseProducing()

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802
        """The connection ended."""
        self._output.stopProducing()
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        super().connectionLost(reason)
        # What holds this would stay with it until the next search for garbage: Autobahn's two
        # deferreds have it as their result.
        self._output.let_go()
        self.transport = self.is_open = self.is_closed = None

    # What Autobahn says

    def consumeData(self) -> None:  # noqa: N802
        """Read frames until reading is paused: sixty that inflate to 1 MiB each fit in one read."""
        if self.state not in (self.STATE_OPEN, self.STATE_CLOSING):
            super().consumeData()
            return
        while not self._is_paused and self.state != self.STATE_CLOSED:
            if not (self._take_usual() or self.processData()):
                return

    def _take_usual(self) -> bool:
        """Whether the next thing was a usual message: it takes a third of the time it would take
        with everything that may be."""
        if self.current_frame is not None or self.inside_message or self.state != self.STATE_OPEN:
            return False
        message = usual_message(self.data, self.maxMessagePayloadSize)
        if message is None:
            return False
        self.data = self.data[message.size_bytes :]
        self._came(message.content, message.size_bytes)
        return True

    def _read_on(self) -> None:
        if self.transport is not None:
            self.consumeData()
            if not self._is_paused:
                self.transport.resumeProducing()

    def onConnect(self, request: Any) -> "Deferred[Any]":  # noqa: N802
        """A valid handshake: a worker decides."""
        answer: Deferred[Any] = Deferred()
        self._answer = answer
        connect, self._connect = self._connect, None
        assert connect is not None
        self.socket.shake_hands(connect)
        return answer

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803
        """One whole message from the peer; Autobahn has checked that text is UTF-8."""
        self._came(payload if isBinary else payload.decode(), len(payload))

    def _came(self, content: str | bytes, size_bytes: int) -> None:
        figures = self._gateway.figures
        figures.frames_in += 1
        figures.frames_in_bytes += size_bytes
        self.socket.message_came(content)

    def onMessageFrameData(self, payload: bytes) -> None:  # noqa: N802
        """A piece of a fragment."""
        if not self.failedByMe:
            self.frame_data = gather(self.frame_data, [payload])

    def onMessageFrame(self, payload: list[bytes]) -> None:  # noqa: N802
        """One fragment; a message may have any number of them."""
        if not self.failedByMe:
            self.message_data = gather(self.message_data, payload)

    def onClose(self, wasClean: bool, code: Any, reason: Any) -> None:  # noqa: N802, N803
        """The connection is over. Source: RFC 6455 section 7.1.5 for the codes."""
        if self._connect is not None:
            self.socket.never_began()
        else:
            ours = self.localCloseCode if self.failedByMe else VANISHED
            self.socket.ended(ours if not wasClean else NO_CODE if code is None else code)

    def onAutoPingTimeout(self) -> None:  # noqa: N802
        """No pong came: the peer is gone, unless its pong may lie behind what was not read yet.

        Once the closing began, its own time-outs bound what is left, and why it began is told.
        """
        if self.state != self.STATE_OPEN:
            self.autoPingTimeoutCall = None
            return
        left_s = self._heard_at + self.autoPingTimeout - self._clock.seconds()
        if self._is_paused:
            left_s = self.autoPingTimeout
        if left_s > 0:
            self.autoPingTimeoutCall = self._clock.callLater(left_s, self.onAutoPingTimeout)
        else:
            self.socket.fell_silent()
            super().onAutoPingTimeout()

    # What Autobahn writes

    def sendData(self, data: bytes, sync: bool = False, chopsize: Any = None) -> None:  # noqa: N802
        """All that Autobahn writes goes behind our frames."""
        self._output.write(data)

    def sendHttpErrorResponse(  # noqa: N802
        self,
        code: int,
        reason: str,
        responseHeaders: Any = None,  # noqa: N803
    ) -> None:
        """Refuse a handshake; the reason, which may quote the peer, stays out."""
        header, now = self._gateway.settings.server_header, self._gateway.wall_clock()
        more = (("x-request-id", self.socket.request_id), *(responseHeaders or ()))
        self.sendData(refusal(code, DateAndServer(header).at(now), more))

    def _fail_connection(self, code: int = PROTOCOL_ERROR, reason: str = "") -> None:
        """The peer broke a rule: tell it, and read nothing more of what it says.

        Source: RFC 6455 section 7.1.7. Autobahn would read on for an answer, also what is broken.
        """
        if self.state == self.STATE_CLOSED:
            return
        self.failedByMe = True
        self.socket.failed(code, FAILURES.get(code, "protocol_error"), reason)
        self.sendCloseFrame(code, reason.encode("ascii", "replace")[:REASON_BYTES])
        self.dropConnection()

    def dropConnection(self, abort: bool = False) -> None:  # noqa: N802
        """End the connection; what waits is written first unless it is aborted.

        Not even Autobahn aborts behind a whole closing handshake: that could take our close frame
        from a peer which sent its own at the same moment.
        """
        if abort and not self.wasClean:
            self._output.stopProducing()
        else:
            self._output.finish()
            if self._linger is None and self.state != self.STATE_CLOSED:
                self._linger = self._clock.callLater(CLOSE_TIMEOUT_S, self._linger_over)
        super().dropConnection(abort and not self.wasClean)

    def _closeConnection(self, abort: bool = False) -> None:  # noqa: N802
        """Close our way out and wait for the peer's end, so that it can read what we sent.

        Source: RFC 6455 section 7.1.1.
        """
        if abort:
            self.transport.abortConnection()
            return
        if self._is_paused or len(self._early) > EARLY_BYTES:
            self.transport.resumeProducing()
        if not half_close(self.transport):
            self.transport.loseConnection()

    def _linger_over(self) -> None:
        self._linger = None
        self.transport.abortConnection()
