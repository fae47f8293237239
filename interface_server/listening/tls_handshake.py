"""The handshake of a connection with TLS: bounded in time, refused to who speaks anything else.

Makes the protocol that was agreed on. Reads no certificate (`tls_pairs.py`), encrypts nothing once
the handshake is over (`tls_wire.py`).
"""

import ssl
from typing import Any, cast

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from interface_server.http_responses import ResponseFraming, own_page
from interface_server.listening.protocol_choice import HttpProtocols
from interface_server.listening.tls_pairs import TlsContexts
from interface_server.listening.tls_records import RECORD, TlsRecords
from interface_server.listening.tls_wire import TlsWire
from interface_server.wires import Call, TcpTransport, hand_over
from shared.logs import get_logger

LINGER_S = 5.0
"""How long the bytes of a client without TLS are dropped, so that it sees the answer."""

_HANDSHAKE = 22
"""The first byte of every TLS connection. Source: RFC 8446 section 5.1."""

_log = get_logger("interface_server.tls")


class TlsFactory(Factory):
    """Makes connections with TLS; each takes the certificates that are current when it comes."""

    noisy = False

    def __init__(self, contexts: TlsContexts, protocols: HttpProtocols) -> None:
        self._contexts = contexts
        self._protocols = protocols

    def buildProtocol(self, addr: IAddress | None) -> Protocol:  # noqa: N802  the interface's name
        """A connection to `addr`."""
        return TlsHandshake(self._contexts.current, self._protocols)


class TlsHandshake(Protocol):
    """One connection until its handshake is over; a Drainable meanwhile."""

    def __init__(self, context: ssl.SSLContext, protocols: HttpProtocols) -> None:
        self._records = TlsRecords(context)
        self._protocols = protocols
        self._has_begun = False
        self._is_refused = False
        self._deadline: Call | None = None

    def connectionMade(self) -> None:  # noqa: N802
        """A client is here."""
        self._wire = cast(TcpTransport, self.transport)
        parts = self._protocols.parts
        late_s = parts.gateway.settings.head_timeout_s
        self._deadline = parts.clock.callLater(late_s, self._is_late)
        parts.opened(self)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Bytes of the handshake, and what may follow on it."""
        if self._is_refused:
            return
        if not self._has_begun and data[0] != _HANDSHAKE:
            self._refuse(data)
            return
        self._has_begun = True
        for start in range(0, len(data), RECORD):
            if self._shake_hands(data[start : start + RECORD]):
                self._hand_on(data[start + RECORD :])
                return

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """The client left before the handshake was over."""
        self._let_go()

    def drain(self) -> None:
        """Nothing was asked for."""
        self.abort("http.cut_at_stop")

    def refuse_waiting(self) -> None:
        """Nothing waits."""

    def abort(self, counter: str) -> None:
        """Cut the connection now."""
        self._protocols.parts.gateway.count(counter)
        self._is_refused = True
        self._wire.abortConnection()

    def _shake_hands(self, data: bytes) -> bool:
        """Whether the handshake is over."""
        if self._is_refused:
            return False
        self._records.feed(data)
        try:
            is_over = self._records.shake_hands()
        except ssl.SSLError as error:
            self._protocols.parts.gateway.count("tls.handshake_failed")
            _log.debug("tls_handshake_failed", reason=error.reason)
            self._is_refused = True
            self._wire.write(self._records.own_words())
            self._wire.loseConnection()
            return False
        if not is_over:
            self._wire.write(self._records.own_words())
        return is_over

    def _hand_on(self, rest: bytes) -> None:
        parts = self._protocols.parts
        parts.gateway.figures.connections["tls"] += 1
        made: Any = self._protocols.agreed(self._records.agreed_protocol)
        wire = TlsWire(self._wire, self._records, parts.clock, made)
        hand_over(self._wire, wire)
        made.makeConnection(wire)
        self._let_go()
        wire.read()
        if rest:
            wire.dataReceived(rest)

    def _refuse(self, data: bytes) -> None:
        """Say so to a client that speaks HTTP without TLS; cut what speaks anything else."""
        if not data[:1].isalpha():
            self.abort("tls.handshake_failed")
            return
        parts = self._protocols.parts
        parts.gateway.count("tls.plain_http")
        page = own_page(400, "This port speaks HTTPS only.")
        self._wire.write(ResponseFraming("1.1", False, True).whole(page, parts.date_and_server()))
        self._is_refused = True
        self._wire.loseWriteConnection()
        if self._deadline is not None:
            self._deadline.reset(LINGER_S)

    def _let_go(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._protocols.parts.closed(self)
        self.transport = None
        del self._wire

    def _is_late(self) -> None:
        self._deadline = None
        if self._is_refused:
            self._wire.abortConnection()
        else:
            self.abort("tls.handshake_late")
