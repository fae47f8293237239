"""A response as bytes: its head, the framing of its content and what must not be sent at all.

Decides nothing about which response it is; the clock comes in as an argument.
"""

from collections.abc import Sequence
from email.utils import formatdate
from http import HTTPStatus

from shared.checks import may_be_kept
from shared.errors import ChannelsBoardError
from shared.messages import Headers, HttpResponse

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode("ascii")
    for status in HTTPStatus
}
_LAST_CHUNK = b"0\r\n\r\n"

OURS = frozenset(
    {
        b"connection",
        b"content-length",
        b"date",
        b"keep-alive",
        b"proxy-connection",
        b"server",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"x-compress",
        b"x-request-id",
    }
)
"""Headers that this server writes itself or that mean one connection only.

Source: RFC 9110 section 7.6.1.
"""


_KNOWN_LINES: dict[Headers, tuple[bytes, int | None]] = {}
"""What the headers come to that a site's responses have again and again."""

_MAX_KNOWN_LINES = 256
"""Then all are forgotten; ours."""


class FramingBroken(ChannelsBoardError):
    """Content that does not fit the Content-Length that went before it.

    `left` are the bytes that were still expected, `size` those that came.
    """

    def __init__(self, left: int, size: int) -> None:
        super().__init__(f"expected {left} more bytes of content, got {size}")
        self.left = left
        self.size = size


class DateAndServer:
    """The two headers that every response carries, written once a second."""

    __slots__ = ("_headers", "_second", "_server")

    def __init__(self, server: str) -> None:
        self._server = f"\r\nServer: {server}\r\n".encode("ascii") if server else b"\r\n"
        self._second = -1
        self._headers = b""

    def at(self, now: float) -> bytes:
        """The header lines at `now`, seconds since the epoch."""
        second = int(now)
        if second != self._second:
            self._second = second
            date = formatdate(second, usegmt=True).encode("ascii")
            self._headers = b"Date: " + date + self._server
        return self._headers


def hsts_line(seconds: int, with_subdomains: bool) -> bytes:
    """Strict-Transport-Security as a header line; empty for 0. Source: RFC 6797 section 6.1."""
    if not seconds:
        return b""
    more = b"; includeSubDomains" if with_subdomains else b""
    return b"Strict-Transport-Security: max-age=%d%b\r\n" % (seconds, more)


class ReadyResponse:
    """A whole response whose lines were written once, to be given to many.

    `lines` are its headers with the Content-Length, without what each answer writes itself.
    """

    __slots__ = ("lines", "response")

    def __init__(self, response: HttpResponse) -> None:
        lines, _ = _kept(response.headers)
        if response.status not in (204, 304):
            lines += b"Content-Length: %d\r\n" % len(response.content)
        self.response = response
        self.lines = lines


class ResponseFraming:
    """One response on its way out: gives bytes for its head and for each piece of content.

    `closes` says whether the connection must end behind it; it may turn True at the start.
    """

    __slots__ = ("_chunked", "_http_1_0", "_is_head", "_left", "_silent", "closes")

    def __init__(self, http_version: str, is_head: bool, closes: bool) -> None:
        self.closes = closes
        self._http_1_0 = http_version == "1.0"
        self._is_head = is_head
        self._silent = is_head
        self._chunked = False
        self._left: int | None = None

    def whole(self, response: HttpResponse, fixed: bytes) -> bytes:
        """All of a response whose content is complete; `fixed` are Date and Server."""
        status, content = response.status, response.content
        lines, length = _kept(response.headers)
        parts = [_status_line(status), fixed, lines]
        if status in (204, 304):
            content = b""
        elif status == 205:
            content = b""
            parts.append(b"Content-Length: 0\r\n")
        elif self._is_head and not content and length is not None:
            parts.append(b"Content-Length: %d\r\n" % length)
        else:
            parts.append(b"Content-Length: %d\r\n" % len(content))
        parts.append(self._ending())
        if not self._is_head:
            parts.append(content)
        return b"".join(parts)

    def ready(self, ready: ReadyResponse, fixed: bytes) -> bytes:
        """All of a response that was made beforehand; `fixed` are Date and Server."""
        response = ready.response
        ending = self._ending() if self.closes or self._http_1_0 else b"\r\n"
        head = (_status_line(response.status), fixed, ready.lines, ending)
        return b"".join(head if self._is_head else (*head, response.content))

    def start(
        self, status: int, headers: Headers, content: bytes, fixed: bytes, length: int | None = None
    ) -> bytes:
        """The head and first content of a response whose content comes in pieces.

        `length` is the whole content's when the caller knows it; else a single valid
        Content-Length among `headers` counts, else the content goes out in chunks.
        Raises: FramingBroken.
        """
        lines, announced = _kept(headers)
        length = announced if length is None else length
        parts = [_status_line(status), fixed, lines]
        if status in (204, 205, 304):
            self._silent = True
            if status == 205:
                parts.append(b"Content-Length: 0\r\n")
        elif length is not None:
            parts.append(b"Content-Length: %d\r\n" % length)
            self._left = length
        elif self._http_1_0:
            self.closes = True
        else:
            parts.append(b"Transfer-Encoding: chunked\r\n")
            self._chunked = True
        parts.append(self._ending())
        parts.append(self.more(content, False))
        return b"".join(parts)

    def more(self, content: bytes, is_last: bool) -> bytes:
        """The next piece, framed. Raises: FramingBroken."""
        if self._silent:
            return b""
        if self._left is not None:
            if len(content) > self._left or (is_last and len(content) < self._left):
                raise FramingBroken(self._left, len(content))
            self._left -= len(content)
            return content
        if not self._chunked:
            return content
        framed = b"%x\r\n%b\r\n" % (len(content), content) if content else b""
        return framed + _LAST_CHUNK if is_last else framed

    def _ending(self) -> bytes:
        if self.closes:
            return b"Connection: close\r\n\r\n"
        return b"Connection: keep-alive\r\n\r\n" if self._http_1_0 else b"\r\n"


def only_length(values: Sequence[bytes]) -> int | None:
    """The Content-Length that these values say; None where there is not one valid one."""
    if len(values) == 1 and values[0].isdigit() and len(values[0]) < 19:
        return int(values[0])
    return None


def own_page(status: int, detail: str, headers: Headers = ()) -> HttpResponse:
    """A plain page of this server's own."""
    text = f"{status} {_phrase(status)}\n\n{detail}\n".encode()
    return HttpResponse(
        status,
        (
            (b"Content-Type", b"text/plain; charset=utf-8"),
            (b"Cache-Control", b"no-store"),
            (b"X-Content-Type-Options", b"nosniff"),
            *headers,
        ),
        text,
    )


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _status_line(status: int) -> bytes:
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d Unknown\r\n" % status


def _kept(headers: Headers) -> tuple[bytes, int | None]:
    """The header lines that may go out, and the Content-Length if there is one valid one."""
    known = _KNOWN_LINES.get(headers)
    if known is not None:
        return known
    lines = []
    lengths = []
    for name, value in headers:
        lower = name.lower()
        if lower not in OURS:
            lines.append(b"%b: %b\r\n" % (name, value))
        elif lower == b"content-length":
            lengths.append(value)
    kept = b"".join(lines), only_length(lengths)
    if may_be_kept(headers):
        if len(_KNOWN_LINES) >= _MAX_KNOWN_LINES:
            _KNOWN_LINES.clear()
        _KNOWN_LINES[headers] = kept
    return kept
