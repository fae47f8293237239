"""A transport that encrypts: what a protocol has as its transport on a connection with TLS.

Its handshake was made by `tls_handshake.py`, its bytes are `tls_records.py`'s.
"""

import ssl
from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from interface_server.listening.tls_records import RECORD, TlsRecords
from interface_server.wires import Call, Clock, TcpTransport, direct_write
from shared.logs import get_logger

PIECE = 128 * 1024
"""Bytes that are encrypted before the reader has taken them: what Twisted sends in one call."""

_log = get_logger("interface_server.tls")


class TlsWire:
    """The protocol of `wire`, and the transport of `protocol`.

    It has a direct way to the kernel too (`wires.direct_write`): what the kernel does not take of
    a piece waits, encrypted, in the transport below, and nothing more goes past it until a
    producer heard that it left.
    """

    __slots__ = (
        "_clock",
        "_is_behind",
        "_is_ended",
        "_is_paused",
        "_producer",
        "_read_on_call",
        "_records",
        "_wire",
        "_write_now",
        "disconnecting",
        "protocol",
    )

    def __init__(
        self, wire: TcpTransport, records: TlsRecords, clock: Clock, protocol: Any
    ) -> None:
        self._wire: Any = wire
        self._write_now = direct_write(wire)
        self._records = records
        self._clock = clock
        self._is_ended = False
        self._is_paused = False
        self._is_behind = False
        self._producer: _Pulled | None = None
        self._read_on_call: Call | None = None
        self.protocol = protocol
        self.disconnecting = False

    # What the transport below says

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  the interface's name
        """Encrypted bytes; after the end they are dropped."""
        if len(data) <= RECORD:
            if not self._is_ended:
                self._records.feed(data)
                self.read()
            return
        for start in range(0, len(data), RECORD):
            if self._is_ended:
                return
            self._records.feed(data[start : start + RECORD])
            self.read()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """The connection ended."""
        self._is_ended = True
        if self._read_on_call is not None:
            self._read_on_call.cancel()
            self._read_on_call = None
        protocol, self.protocol = self.protocol, None
        protocol.connectionLost(reason)
        # What fills the transport would stay until the next garbage collection.
        self._wire = self._write_now = self._producer = None

    def read(self) -> None:
        """Give the protocol what can be decrypted."""
        records = self._records
        while not (self._is_paused or self._is_ended):
            try:
                data = records.open()
            except ssl.SSLError as error:
                self._break(error)
                return
            if data is None:
                break
            if not data:  # the same as the end of a plain connection
                self.loseConnection()
                return
            self.protocol.dataReceived(data)
            if not records.has_more:
                break
        if not self._is_ended:
            self._send(records.own_words())

    # What the protocol above does

    def write(self, data: bytes) -> None:
        """Send bytes, in order."""
        sealed = self._seal(data)
        if sealed:
            self._is_behind = True
            self._wire.write(sealed)

    def writeSequence(self, pieces: list[bytes]) -> None:  # noqa: N802
        """The same for several."""
        self.write(b"".join(pieces))

    def writeSomeData(self, data: bytes) -> int | BaseException:  # noqa: N802
        """Give bytes to the kernel at once unless some wait; how many were taken for good."""
        if self._is_behind or self._write_now is None:
            return ConnectionLost() if self._is_ended else 0
        piece = data if len(data) <= PIECE else data[:PIECE]
        sealed = self._seal(piece)
        if not sealed:
            return ConnectionLost()
        self._send(sealed)
        return len(piece)

    def loseConnection(self) -> None:  # noqa: N802
        """Close once everything is sent, a producer's too, with TLS's own end before."""
        self.disconnecting = True
        if self._producer is None and self._wire is not None:
            self._say_goodbye()
            self._wire.loseConnection()

    def loseWriteConnection(self) -> None:  # noqa: N802
        """Close the way out only, once everything is sent; what comes is dropped."""
        if self._wire is not None:
            self._say_goodbye()
            self._wire.loseWriteConnection()

    def abortConnection(self) -> None:  # noqa: N802
        """Close now."""
        self._is_ended = self.disconnecting = True
        if self._wire is not None:
            self._wire.abortConnection()

    def pauseProducing(self) -> None:  # noqa: N802
        """Stop reading."""
        self._is_paused = True
        self._wire.pauseProducing()

    def resumeProducing(self) -> None:  # noqa: N802
        """Read again, what is here already in a turn of its own."""
        self._is_paused = False
        self._wire.resumeProducing()
        if not self._is_ended and self._read_on_call is None and self._records.has_more:
            self._read_on_call = self._clock.callLater(0, self._read_on)

    def stopProducing(self) -> None:  # noqa: N802
        """Close."""
        self.loseConnection()

    def registerProducer(self, producer: Any, streaming: bool) -> None:  # noqa: N802
        """Tell `producer` when the reader is behind."""
        self._producer = pulled = _Pulled(self, producer)
        self._wire.registerProducer(pulled, streaming)
        pulled.is_starting = False

    def unregisterProducer(self) -> None:  # noqa: N802
        """Stop that."""
        self._producer = None
        if self._wire is not None:
            self._wire.unregisterProducer()
            if self.disconnecting:
                self.loseConnection()

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802
        """Send small writes at once."""
        self._wire.setTcpNoDelay(enabled)

    def setTcpKeepAlive(self, enabled: bool) -> None:  # noqa: N802
        """Probe a silent peer."""
        self._wire.setTcpKeepAlive(enabled)

    def getPeer(self) -> IAddress:  # noqa: N802
        """The other end."""
        peer: IAddress = self._wire.getPeer()
        return peer

    def getHost(self) -> IAddress:  # noqa: N802
        """This end."""
        host: IAddress = self._wire.getHost()
        return host

    def drained(self) -> None:
        """The transport below holds nothing any more."""
        self._is_behind = False

    def _read_on(self) -> None:
        self._read_on_call = None
        self.read()

    def _seal(self, data: bytes) -> bytes:
        """The records of `data`; empty when the connection is over."""
        if self._is_ended:
            return b""
        try:
            return self._records.seal(data)
        except ssl.SSLError as error:
            self._break(error)
            return b""

    def _send(self, sealed: bytes) -> None:
        if not sealed:
            return
        if self._is_behind or self._write_now is None:
            self._wire.write(sealed)
            return
        sent = self._write_now(sealed)
        if sent != len(sealed):
            self._is_behind = True
            self._wire.write(sealed[sent:] if isinstance(sent, int) else sealed)

    def _say_goodbye(self) -> None:
        if not self._is_ended:
            self._is_ended = True
            self._send(self._records.goodbye())

    def _break(self, error: ssl.SSLError) -> None:
        _log.debug("tls_broken", reason=error.reason)
        self._is_ended = True
        self._send(self._records.own_words())  # the alert that says why
        self._wire.loseConnection()


class _Pulled:
    """A producer that hears from the transport below, and the wire with it."""

    __slots__ = ("_producer", "_wire", "is_starting")

    def __init__(self, wire: TlsWire, producer: Any) -> None:
        self._wire = wire
        self._producer = producer
        self.is_starting = True

    def resumeProducing(self) -> None:  # noqa: N802
        if not self.is_starting:  # that call comes whatever is held
            self._wire.drained()
        self._producer.resumeProducing()

    def pauseProducing(self) -> None:  # noqa: N802
        self._producer.pauseProducing()

    def stopProducing(self) -> None:  # noqa: N802
        self._producer.stopProducing()
