"""What one conformance vector is: bytes on the wire, what the RFC allows, what this server must do.

Holds no vectors and opens no socket.
"""

import enum
from dataclasses import dataclass

from shared.messages import Headers

PROBE = b"GET /probe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
"""Sent behind nearly every vector. It ends the connection, so a client reads until the end.

It is seen as a request of its own exactly when the bytes before it were framed as they should be.
"""

PROBE_SAW = "GET /probe"


class Allows(enum.Enum):
    """What the RFC lets a server do with the bytes."""

    ACCEPT = "accept"
    REJECT = "reject"
    EITHER = "either"


@dataclass(frozen=True, slots=True)
class Vector:
    """Bytes and what must become of them.

    `answers` are the final statuses in their order, the probe's included; `saw` is what workers
    are asked, as `METHOD PATH BODY` (see `seen`). `shows` are headers that the first request must
    carry to the worker, `hides` names that it must not. `behind_continue` is sent once a
    100 (Continue) came, of which `sent` must ask for one. `may_continue`: a 100 is no fault.
    `probe_may_miss`: in pieces the answer that ends the connection may be there before the probe.
    `why` says why this server is stricter than the RFC where it is.
    """

    name: str
    section: str
    sent: bytes
    allows: Allows
    answers: tuple[int, ...]
    saw: tuple[str, ...] = ()
    has_probe: bool = True
    shows: Headers = ()
    hides: tuple[bytes, ...] = ()
    behind_continue: bytes = b""
    may_continue: bool = False
    probe_may_miss: bool = False
    why: str = ""

    @property
    def wire(self) -> bytes:
        """All that is sent at once."""
        return self.sent + PROBE if self.has_probe and not self.behind_continue else self.sent

    @property
    def rest(self) -> bytes:
        """What is sent behind a 100 (Continue); empty where none is awaited."""
        return self.behind_continue + PROBE if self.behind_continue else b""

    @property
    def is_accepted(self) -> bool:
        """Whether a worker is to be asked anything before the probe."""
        return any(saw != PROBE_SAW for saw in self.saw)


def seen(method: str, path: str, body: bytes) -> str:
    """How a request that a worker was asked is written in `Vector.saw`."""
    return f"{method} {path} {body.decode('latin-1')}" if body else f"{method} {path}"


def refused(
    name: str,
    section: str,
    sent: bytes,
    status: int = 400,
    allows: Allows = Allows.REJECT,
    before: tuple[str, ...] = (),
) -> Vector:
    """Bytes that get `status` and the end; requests `before` the fault are answered."""
    answers = (200,) * len(before) + (status,)
    return Vector(name, section, sent, allows, answers, before)


def doubtful(name: str, section: str, sent: bytes, status: int = 400) -> Vector:
    """Bytes that the RFC lets a server repair, and that this one refuses."""
    return refused(name, section, sent, status, Allows.EITHER)


def taken(
    name: str,
    section: str,
    sent: bytes,
    *saw: str,
    allows: Allows = Allows.ACCEPT,
    status: int = 200,
    shows: Headers = (),
    hides: tuple[bytes, ...] = (),
) -> Vector:
    """Requests that are answered with `status`; the connection stays for the probe."""
    answers = (status,) * len(saw) + (200,)
    return Vector(name, section, sent, allows, answers, (*saw, PROBE_SAW), shows=shows, hides=hides)


def last(name: str, section: str, sent: bytes, *saw: str, allows: Allows = Allows.ACCEPT) -> Vector:
    """Requests that are answered, the last of which ends the connection: no probe is seen."""
    return Vector(name, section, sent, allows, (200,) * len(saw), saw)


def head(line: bytes, *headers: bytes) -> bytes:
    """A head of these lines, each ended with CRLF, and its blank line."""
    return b"\r\n".join((line, *headers, b"", b""))


def get(*headers: bytes) -> bytes:
    """A GET of `/` with these header lines behind its Host."""
    return head(b"GET / HTTP/1.1", b"Host: x", *headers)


def post(*headers: bytes, body: bytes = b"hello") -> bytes:
    """A POST to `/` with these header lines behind its Host, and bytes behind its head."""
    return head(b"POST / HTTP/1.1", b"Host: x", *headers) + body


def chunked(body: bytes) -> bytes:
    """A POST to `/` in chunks: `body` are the bytes behind its head."""
    return post(b"Transfer-Encoding: chunked", body=body)
