"""The handshake of a connection with TLS: bounded in time, refused to who speaks anything else.

Makes the protocol that was agreed on. Reads no certificate (`tls_pairs.py`), encrypts nothing once
the handshake is over (`tls_wire.py`).
"""

import ssl
from typing import Any, cast

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol

from interface_server.http_responses import ResponseFraming, own_page
from interface_server.listening.protocol_choice import HttpProtocols
from interface_server.listening.tls_pairs import TlsContexts
from interface_server.listening.tls_records import RECORD, TlsRecords
from interface_server.listening.tls_wire import TlsWire
from interface_server.listening.undecided import Undecided
from interface_server.wires import TcpTransport, hand_over
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


class TlsHandshake(Undecided):
    """One connection until its handshake is over."""

    late = "tls.handshake_late"

    def __init__(self, context: ssl.SSLContext, protocols: HttpProtocols) -> None:
        super().__init__(protocols.parts)
        self._records = TlsRecords(context)
        self._protocols = protocols
        self._has_begun = False
        self._is_refused = False

    def connectionMade(self) -> None:  # noqa: N802
        """A client is here."""
        self._wire = cast(TcpTransport, self.transport)
        self.wait(self.parts.gateway.settings.head_timeout_s)

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

    def abort(self, counter: str) -> None:
        """Cut the connection now."""
        self._is_refused = True
        super().abort(counter)

    def _shake_hands(self, data: bytes) -> bool:
        """Whether the handshake is over."""
        if self._is_refused:
            return False
        self._records.feed(data)
        try:
            is_over = self._records.shake_hands()
        except ssl.SSLError as error:
            self.parts.gateway.count("tls.handshake_failed")
            _log.debug("tls_handshake_failed", reason=error.reason)
            self._is_refused = True
            self._wire.write(self._records.own_words())
            self._wire.loseConnection()
            return False
        if not is_over:
            self._wire.write(self._records.own_words())
        return is_over

    def _hand_on(self, rest: bytes) -> None:
        parts = self.parts
        parts.gateway.figures.connections["tls"] += 1
        made: Any = self._protocols.agreed(self._records.agreed_protocol)
        wire = TlsWire(self._wire, self._records, parts.clock, made)
        hand_over(self._wire, wire)
        made.makeConnection(wire)
        self.let_go()
        wire.read()
        if rest:
            wire.dataReceived(rest)

    def _refuse(self, data: bytes) -> None:
        """Say so to a client that speaks HTTP without TLS; cut what speaks anything else."""
        if not data[:1].isalpha():
            self.abort("tls.handshake_failed")
            return
        parts = self.parts
        parts.gateway.count("tls.plain_http")
        page = own_page(400, "This port speaks HTTPS only.")
        self._wire.write(ResponseFraming("1.1", False, True).whole(page, parts.date_and_server()))
        self._is_refused = True
        self._wire.loseWriteConnection()
        self.wait_only(LINGER_S)

    def let_go(self) -> None:
        """See Undecided."""
        super().let_go()
        self.transport = None
        del self._wire

    def time_is_over(self) -> None:
        """A refused client had time to read why; any other took too long."""
        if self._is_refused:
            self._wire.abortConnection()
        else:
            super().time_is_over()
