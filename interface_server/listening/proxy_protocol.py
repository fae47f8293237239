"""The first protocol of connections that a proxy passes on with a PROXY protocol header: reads the
header, gives the transport the client's address, and hands over.

What the header may look like is told by `proxy_header.py`.
"""

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from interface_server.http_parts import HttpParts
from interface_server.listening.doors import Unknown
from interface_server.listening.proxy_header import BadProxyHeader, ProxyHeader, read_header
from interface_server.wires import Call, hand_over
from shared.logs import get_logger
from shared.messages import Address

log = get_logger("interface_server.listening")


class ProxyHeaderFactory(Factory):
    """Lets in trusted proxies only, whose connections must begin with a header."""

    noisy = False

    def __init__(self, parts: HttpParts, inner: Factory) -> None:
        self._parts = parts
        self._inner = inner

    def buildProtocol(self, addr: Any) -> Protocol | None:  # noqa: N802  the interface's name
        """A connection of a proxy; None for anybody else."""
        is_unix = isinstance(addr, UNIXAddress)
        if not self._parts.proxies.is_trusted(None if is_unix else addr.host):
            self._parts.gateway.count("connections.not_a_proxy")
            return None
        return ProxyHeaderReader(self._parts, self._inner)


class ProxyHeaderReader(Protocol):
    """One connection until its header was read; a Drainable meanwhile."""

    def __init__(self, parts: HttpParts, inner: Factory) -> None:
        self._parts = parts
        self._inner = inner
        self._received = b""
        self._deadline: Call | None = None

    def connectionMade(self) -> None:  # noqa: N802
        """A proxy is here; its header has the time of a request's head."""
        late_s = self._parts.gateway.settings.head_timeout_s
        self._deadline = self._parts.clock.callLater(late_s, self._is_late)
        self._parts.opened(self)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Bytes of the header, and what may follow."""
        self._received += data
        try:
            header = read_header(self._received)
        except BadProxyHeader as error:
            log.warning("proxy_header_refused", reason=str(error))
            self.abort("connections.bad_proxy_header")
            return
        if header is not None:
            self._hand_on(header)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """The proxy left, or was cut."""
        self._let_go()

    def drain(self) -> None:
        """Nothing was asked for."""
        self.abort("http.cut_at_stop")

    def refuse_waiting(self) -> None:
        """Nothing waits."""

    def abort(self, counter: str) -> None:
        """Cut the connection now."""
        self._parts.gateway.count(counter)
        wire: Any = self.transport
        self._let_go()
        wire.abortConnection()

    def _is_late(self) -> None:
        self._deadline = None
        self.abort("connections.header_late")

    def _hand_on(self, header: ProxyHeader) -> None:
        wire: Any = self.transport
        if not header.is_local:
            peer = _end(header.client)
            if not wire.is_said_to_be(peer, _end(header.server)):
                self.abort("connections.address_full")
                return
        rest = self._received[header.length :]
        self._let_go()
        protocol = self._inner.buildProtocol(wire.getPeer())
        if protocol is None:
            wire.abortConnection()
            return
        hand_over(wire, protocol)
        protocol.makeConnection(wire)
        if rest:
            protocol.dataReceived(rest)

    def _let_go(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._parts.closed(self)


def _end(address: Address | None) -> Any:
    if address is None:
        return Unknown()
    kind = IPv6Address if ":" in address[0] else IPv4Address
    return kind("TCP", *address)
