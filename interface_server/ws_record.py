"""What is told of one socket: its lines in the access log and why it ended, its place in figures.

Decides nothing. The first cause of an end counts: what comes behind it follows from it.
"""

from interface_server.gateway import Gateway
from shared.logs import get_logger
from shared.messages import WsConnect

VANISHED = 1006
"""The code of a connection that ended without a close frame. Source: RFC 6455 section 7.4.1."""

log = get_logger("websocket")


class SocketRecord:
    """The words for each turn in the life of the socket that `connect` asks for."""

    __slots__ = ("_cause", "_client", "_code", "_gateway", "_is_accepted", "path", "request_id")

    def __init__(self, gateway: Gateway, connect: WsConnect) -> None:
        self._gateway = gateway
        self._client = connect.client
        self.path = connect.path
        self.request_id = connect.request_id
        self._is_accepted = False
        self._cause = ""
        self._code = 0

    def began(self) -> None:
        """A valid handshake came."""
        self._line("HANDSHAKING")

    def accepted(self) -> None:
        """A worker let the socket in."""
        self._is_accepted = True
        self._gateway.figures.handshakes["accepted"] += 1
        self._line("CONNECT")

    def refused(self, status: int, cause: str) -> None:
        """The handshake came to nothing."""
        self._gateway.figures.handshakes[str(status)] += 1
        self._line("REJECT", status, cause)

    def closing(self, code: int, cause: str) -> bool:
        """This server ends the socket with that code; whether this is what ends it."""
        if self._cause:
            return False
        self._code, self._cause = code, cause
        return True

    def failed(self, code: int, cause: str, detail: str) -> None:
        """The peer broke a rule; `detail` says which, and quotes nothing of the peer's."""
        if self.closing(code, cause):
            facts = {"code": code, "cause": cause, "detail": detail}
            log.info("websocket_failed", path=self.path, **facts, request_id=self.request_id)

    def fell_silent(self) -> None:
        """The peer answered no ping."""
        if self.closing(VANISHED, "ping_timeout"):
            log.info("websocket_ping_timeout", path=self.path, request_id=self.request_id)
            self._gateway.count("websocket_ping_timeouts")

    def ended(self, code: int) -> None:
        """The connection is over; `code` is the peer's, or says that it gave none."""
        if not self._is_accepted:
            return
        self.closing(code, "peer_vanished" if code == VANISHED else "peer")
        self._gateway.figures.socket_closed(self._cause, self._code)
        self._line("DISCONNECT", self._code, self._cause)

    def _line(self, event: str, code: int | None = None, cause: str = "") -> None:
        self._gateway.access_log.websocket(
            event, self.path, self._client, self.request_id, code, cause
        )
