"""One connection's TLS without its wire: encrypted bytes in and out, plain ones in and out.

The cryptography is OpenSSL's, by way of the standard library. Holds no transport.
"""

import contextlib
import ssl

RECORD = 16 * 1024
"""The largest plain text of one record. Source: RFC 8446 section 5.1.

OpenSSL's buffers grow to what is put in at a time and stay so large, so no more is.
"""


class TlsRecords:
    """The server's end. Methods raise ssl.SSLError when the connection cannot go on."""

    __slots__ = ("_incoming", "_outgoing", "_tls")

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def feed(self, data: bytes) -> None:
        """Take encrypted bytes."""
        self._incoming.write(data)

    def shake_hands(self) -> bool:
        """Go on with the handshake; whether it is over."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    @property
    def agreed_protocol(self) -> bytes | None:
        """What was agreed on by ALPN."""
        name = self._tls.selected_alpn_protocol()
        return name.encode("ascii") if name else None

    def open(self) -> bytes | None:
        """The next plain bytes; None when more must be fed, empty when the peer sends no more."""
        try:
            return self._tls.read(RECORD)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLZeroReturnError:
            return b""

    @property
    def has_more(self) -> bool:
        """Whether bytes are here that were not opened."""
        return bool(self._incoming.pending or self._tls.pending())

    def seal(self, data: bytes) -> bytes:
        """The encrypted form of plain bytes."""
        write = self._tls.write
        if len(data) <= RECORD:
            if data:
                write(data)
            return self._outgoing.read()
        records = []
        for start in range(0, len(data), RECORD):
            write(data[start : start + RECORD])
            records.append(self._outgoing.read())
        return b"".join(records)

    def own_words(self) -> bytes:
        """What TLS itself has to say, which must be sent: handshakes, tickets, alerts."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def goodbye(self) -> bytes:
        """The end of what is said. Source: RFC 8446 section 6.1."""
        with contextlib.suppress(ssl.SSLError):  # it was said; the answer is not waited for
            self._tls.unwrap()
        return self._outgoing.read()
