"""The first protocol of connections that a proxy passes on with a PROXY protocol header: reads the
header, gives the transport the client's address, and hands over.

What the header may look like is told by `proxy_header.py`.
"""

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.protocol import Factory, Protocol

from interface_server.http_parts import HttpParts
from interface_server.listening.doors import Unknown
from interface_server.listening.proxy_header import BadProxyHeader, ProxyHeader, read_header
from interface_server.listening.undecided import Undecided
from interface_server.wires import hand_over
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


class ProxyHeaderReader(Undecided):
    """One connection until its header was read."""

    late = "connections.header_late"

    def __init__(self, parts: HttpParts, inner: Factory) -> None:
        super().__init__(parts)
        self._inner = inner
        self._received = b""

    def connectionMade(self) -> None:  # noqa: N802
        """A proxy is here; its header has the time of a request's head."""
        self.wait(self.parts.gateway.settings.head_timeout_s)

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

    def _hand_on(self, header: ProxyHeader) -> None:
        wire: Any = self.transport
        if not header.is_local:
            peer = _end(header.client)
            if not wire.is_said_to_be(peer, _end(header.server)):
                self.abort("connections.address_full")
                return
        rest = self._received[header.length :]
        self.let_go()
        protocol = self._inner.buildProtocol(wire.getPeer())
        if protocol is None:
            wire.abortConnection()
            return
        hand_over(wire, protocol)
        protocol.makeConnection(wire)
        if rest:
            protocol.dataReceived(rest)


def _end(address: Address | None) -> Any:
    if address is None:
        return Unknown()
    kind = IPv6Address if ":" in address[0] else IPv4Address
    return kind("TCP", *address)
