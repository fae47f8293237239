"""What all sockets of a process share of Autobahn: its options, its log, and what stays unused.

Speaks with no peer: `ws_protocol.py` does.
"""

from collections import deque
from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.protocol import TrafficStats
from autobahn.websocket.types import ConnectionDeny

from interface_server.settings import ServerSettings
from shared.logs import get_logger

CLOSE_TIMEOUT_S = 5.0
"""How long a peer may take to answer a close frame, or to read the last bytes."""

FAILURES = {1007: "invalid_payload", 1009: "message_too_big"}
"""Why Autobahn failed a connection by its code, where it is not `protocol_error`."""

log = get_logger("websocket")

Protocol: Any = WebSocketServerProtocol
Deny: Any = ConnectionDeny
_Factory: Any = WebSocketServerFactory
_Statistics: Any = TrafficStats
"""Autobahn's annotations contradict what it calls its methods with, so they are not checked."""

NO_QUEUE: deque[Any] = deque()
STATISTICS = _Statistics()
"""What each connection would have of its own, 1 KiB, and nobody uses: `sendData` is ours."""


class Quiet:
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
