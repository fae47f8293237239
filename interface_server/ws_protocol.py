"""One WebSocket connection on Autobahn, as the wire of a `Socket`.

Framing, masking, fragments, pings and UTF-8 are Autobahn's; what is written goes through one
`SocketOutput`. Decides nothing about events and replies.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.protocol import TrafficStats
from autobahn.websocket.types import ConnectionDeny
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from interface_server.gateway import Gateway
from interface_server.http_responses import DateAndServer
from interface_server.settings import ServerSettings
from interface_server.wires import Call, Clock
from interface_server.ws_output import SocketOutput
from interface_server.ws_socket import Socket
from interface_server.ws_steps import SessionLimits
from shared.logs import get_logger
from shared.messages import WsConnect

EARLY_BYTES = 64 * 1024
"""What a peer may send before its handshake is answered; past it nothing more is read."""

CLOSE_TIMEOUT_S = 5.0
"""How long a peer may take to answer a close frame, or to read the last bytes."""

NO_CODE = 1005
VANISHED = 1006
TRY_AGAIN_LATER = 1013

log = get_logger("websocket")

_REASONS = {
    400: "Bad Request",
    403: "Forbidden",
    426: "Upgrade Required",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


_Autobahn: Any = WebSocketServerProtocol
_Factory: Any = WebSocketServerFactory
_Deny: Any = ConnectionDeny
_Statistics: Any = TrafficStats
"""Autobahn's annotations contradict what it calls its methods with, so they are not checked."""


_NO_QUEUE: deque[Any] = deque()
_STATISTICS = _Statistics()
"""What each connection would have of its own, 1 KiB, and nobody uses: `sendData` is ours."""


class _Quiet:
    """What Autobahn logs to: its lines hold addresses, and ours say the same. Faults are kept."""

    def debug(self, *_: Any, **__: Any) -> None:
        """Forget it."""

    trace = info = warn = debug

    def error(self, message: str, **facts: Any) -> None:
        """A fault of Autobahn or ours."""
        log.error("autobahn_fault", message=message, facts=sorted(facts))

    critical = failure = error


def socket_factory(reactor: Any, settings: ServerSettings) -> WebSocketServerFactory:
    """What all sockets of a process share: Autobahn's options."""
    factory: WebSocketServerFactory = _Factory(server="", reactor=reactor)
    options: Any = factory.setProtocolOptions
    options(
        webStatus=False,
        maxFramePayloadSize=settings.max_message,
        maxMessagePayloadSize=settings.max_message,
        failByDrop=False,
        echoCloseCodeReason=True,
        openHandshakeTimeout=0,
        closeHandshakeTimeout=CLOSE_TIMEOUT_S,
        autoPingInterval=settings.ping_interval_s,
        autoPingTimeout=settings.ping_timeout_s,
        allowNullOrigin=True,
    )
    return factory


def socket_class(factory: WebSocketServerFactory) -> "type[SocketProtocol]":
    """`SocketProtocol` with the factory's options.

    Autobahn copies them to each connection, and formats them for its log: a fifth of a socket's
    memory and of a handshake's time. Here they stand on the class.
    """
    options = {name: getattr(factory, name) for name in _Autobahn.CONFIG_ATTRS}
    return type("OptionedSocket", (SocketProtocol,), {**options, "CONFIG_ATTRS": ()})


def session_limits(settings: ServerSettings) -> SessionLimits:
    """The bounds of each socket of a process."""
    return SessionLimits(
        settings.websocket_connect_timeout_s,
        settings.websocket_event_timeout_s,
        settings.socket_queue_frames,
        settings.socket_queue_bytes,
    )


class SocketProtocol(_Autobahn):  # type: ignore[misc]  # its base is untyped on purpose
    """The wire of one socket, which it makes; `on_end` is called when nothing is left of it."""

    log = _Quiet()
    transport: Any

    def __init__(
        self,
        clock: Clock,
        factory: WebSocketServerFactory,
        gateway: Gateway,
        connect: WsConnect,
        limits: SessionLimits,
        on_end: Callable[[Socket], None],
    ) -> None:
        super().__init__()
        self.factory = factory
        self.socket = Socket(clock, gateway, connect, limits, self, on_end)
        self._connect: WsConnect | None = connect
        self._clock = clock
        self._gateway = gateway
        self._max_output = gateway.settings.max_socket_output
        self._output: SocketOutput
        self._answer: Deferred[str | None] | None = None
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
        answer.callback(subprotocol)
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
            answer.errback(_Deny(status))

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
        """Read again."""
        self._is_paused, self._heard_at = False, self._clock.seconds()
        self.transport.resumeProducing()

    # What Twisted says

    def connectionMade(self) -> None:  # noqa: N802
        """The transport is ours."""
        self._output = SocketOutput(self.transport, self._max_output, self.socket.overflowed)
        super().connectionMade()
        self.send_queue, self.trafficStats = _NO_QUEUE, _STATISTICS

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Bytes from the peer; those that come before the handshake's answer wait."""
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
        # What fills the transport would stay until the next garbage collection.
        self._output.let_go()
        self.transport = None

    # What Autobahn says

    def onConnect(self, request: Any) -> "Deferred[str | None]":  # noqa: N802
        """A valid handshake: a worker decides."""
        answer: Deferred[str | None] = Deferred()
        self._answer = answer
        connect, self._connect = self._connect, None
        assert connect is not None
        self.socket.shake_hands(connect)
        return answer

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803
        """One whole message from the peer; Autobahn has checked that text is UTF-8."""
        self.socket.message_came(payload if isBinary else payload.decode())

    def onMessageFrame(self, payload: list[bytes]) -> None:  # noqa: N802
        """One fragment; empty parts are forgotten, since a message may have any number of them."""
        super().onMessageFrame([part for part in payload if part])

    def onClose(self, wasClean: bool, code: Any, reason: Any) -> None:  # noqa: N802, N803
        """The connection is over. Source: RFC 6455 section 7.1.5 for the codes."""
        if self._connect is not None:
            self.socket.never_began()
        else:
            self.socket.ended(VANISHED if not wasClean else NO_CODE if code is None else code)

    def onAutoPingTimeout(self) -> None:  # noqa: N802
        """No pong came: the peer is gone, unless its pong may lie behind what was not read yet."""
        quiet_s = self._clock.seconds() - self._heard_at
        if self._is_paused or quiet_s < self.autoPingTimeout:
            self.autoPingTimeoutCall = self._clock.callLater(
                self.autoPingTimeout, self.onAutoPingTimeout
            )
        else:
            self.socket.fell_silent()
            super().onAutoPingTimeout()

    # What Autobahn writes

    def sendData(self, data: bytes, sync: bool = False, chopsize: Any = None) -> None:  # noqa: N802
        """All that Autobahn writes takes the same way as our frames, so that order is kept."""
        self._output.write(data)

    def sendHttpErrorResponse(  # noqa: N802
        self,
        code: int,
        reason: str,
        responseHeaders: Any = None,  # noqa: N803
    ) -> None:
        """Refuse a handshake; the reason, which may quote the peer, stays out."""
        phrase = _REASONS.get(code, "Refused")
        body = f"{code} {phrase}\n"
        head = [
            f"HTTP/1.1 {code} {phrase}",
            "content-type: text/plain; charset=utf-8",
            f"content-length: {len(body)}",
            *self._date_and_server(),
            "connection: close",
            *(f"{name}: {value}" for name, value in responseHeaders or ()),
        ]
        if code == 503:
            head.append("retry-after: 1")
        self.sendData("\r\n".join([*head, "", body]).encode("latin-1"))

    def _date_and_server(self) -> list[str]:
        lines = DateAndServer(self._gateway.settings.server_header).at(self._gateway.wall_clock())
        return lines.decode("ascii").splitlines()

    def dropConnection(self, abort: bool = False) -> None:  # noqa: N802
        """End the connection; what waits is written first unless it is aborted."""
        if abort:
            self._output.stopProducing()
        else:
            self._output.finish()
            if self._linger is None and self.state != self.STATE_CLOSED:
                self._linger = self._clock.callLater(CLOSE_TIMEOUT_S, self._linger_over)
        super().dropConnection(abort)

    def _linger_over(self) -> None:
        self._linger = None
        self.transport.abortConnection()
