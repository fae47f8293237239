"""Which protocol a connection speaks: what TLS agreed on (ALPN), or what its first bytes say.

Makes the protocol and hands the transport over; reads no request itself. A connection that can
only be HTTP/1.1 never comes here.
"""

from collections.abc import Callable
from typing import Any, cast

from twisted.internet.interfaces import IAddress, IHandshakeListener, IProtocolNegotiationFactory
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

from interface_server.http1 import HttpConnection
from interface_server.http_parts import HttpParts
from interface_server.listening.undecided import Undecided
from interface_server.wires import TcpTransport, hand_over

Maker = Callable[[HttpParts, str], Protocol]
"""Makes the protocol of one connection that came by a scheme, `http` or `https`."""

H2 = b"h2"
HTTP_1_1 = b"http/1.1"
"""Their names in ALPN. Source: RFC 7301 section 6, RFC 9113 section 3.1."""

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""How a client begins that knows that this server speaks HTTP/2. Source: RFC 9113 section 3.4."""


class HttpProtocols:
    """The protocols of all connections that come by one scheme; no HTTP/2 where `http2` is None."""

    def __init__(self, parts: HttpParts, scheme: str, http2: Maker | None = None) -> None:
        self.parts = parts
        self._scheme = scheme
        self._http2 = http2

    @property
    def alpn(self) -> tuple[bytes, ...]:
        """What TLS may agree on, the best first."""
        return (H2, HTTP_1_1) if self._http2 is not None else (HTTP_1_1,)

    def agreed(self, name: bytes | None) -> Protocol:
        """The protocol of that ALPN name; HTTP/1.1 where nothing was agreed on."""
        if name == H2 and self._http2 is not None:
            return self._http2(self.parts, self._scheme)
        return HttpConnection(self.parts, self._scheme)


@implementer(IProtocolNegotiationFactory)
class ChoiceFactory(Factory):
    """Makes connections that have yet to say what they speak.

    With `by_first_bytes` they say it by HTTP/2's preface or its absence, else in TLS's handshake,
    which is Twisted's (endpoint strings).
    """

    noisy = False

    def __init__(self, protocols: HttpProtocols, by_first_bytes: bool = False) -> None:
        self._protocols = protocols
        self._by_first_bytes = by_first_bytes

    def acceptableProtocols(self) -> list[bytes]:  # noqa: N802  the interface's name
        """What Twisted's TLS may agree on."""
        return list(self._protocols.alpn)

    def buildProtocol(self, addr: IAddress | None) -> Protocol:  # noqa: N802
        """A connection to `addr`."""
        return ProtocolChoice(self._protocols, self._by_first_bytes)


@implementer(IHandshakeListener)
class ProtocolChoice(Undecided):
    """Holds one connection until it is known what it speaks."""

    late = "http.no_choice_in_time"

    def __init__(self, protocols: HttpProtocols, by_first_bytes: bool) -> None:
        super().__init__(protocols.parts)
        self._protocols = protocols
        self._by_first_bytes = by_first_bytes
        self._first = b""

    def connectionMade(self) -> None:  # noqa: N802
        """A client is here; a handshake has the time of a head, silence that between requests."""
        settings = self.parts.gateway.settings
        self.wait(settings.idle_timeout_s if self._by_first_bytes else settings.head_timeout_s)

    def handshakeCompleted(self) -> None:  # noqa: N802
        """TLS stands."""
        self._choose(getattr(self.transport, "negotiatedProtocol", None))

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """The first bytes, before which TLS would have said what they are."""
        if not self._by_first_bytes:
            self._choose(None, data)
            return
        is_first, self._first = not self._first, self._first + data
        if self._first[: len(PREFACE)] == PREFACE[: len(self._first)]:
            if len(self._first) >= len(PREFACE):
                self._choose(H2, self._first)
            elif is_first:
                self.wait_only(self.parts.gateway.settings.head_timeout_s)
        else:
            self._choose(None, self._first)

    def _choose(self, name: bytes | None, first: bytes = b"") -> None:
        wire = cast(TcpTransport, self.transport)
        self.let_go()
        protocol = self._protocols.agreed(name)
        hand_over(wire, protocol)
        connect: Any = protocol.makeConnection
        connect(wire)
        if first:
            protocol.dataReceived(first)
