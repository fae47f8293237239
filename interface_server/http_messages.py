"""From the bytes of a request's head to what they mean, with every rule that makes a 400 of it.

Reads no body and no socket; `request_message.py` makes the message that a worker gets.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

import httptools

from interface_server.seeing.causes import cause_of_status
from shared.codec import Part
from shared.errors import ChannelsBoardError, shortened
from shared.messages import Headers

END_OF_HEAD = b"\r\n\r\n"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that change nothing. Source: RFC 9110 section 9.2.1."""

_CONTROLS = bytes((*range(9), *range(10, 32), 127))
"""What no head may hold but in its line ends."""

_UNDERSCORE = ord("_")
_PERCENT = ord("%")
_HASH = ord("#")
"""Numbers: `in` finds them in bytes at a sixth of what it takes for bytes of length one."""

_BAD_LINE_END = re.compile(rb"\n(?:[ \t]|(?<!\r\n))")
"""An LF without its CR, or one that a folded line follows."""

_MALFORMED = "a control character, a bare line end or a folded line in the head"
_VERSIONS = {b" HTTP/1.1": "1.1", b" HTTP/1.0": "1.0"}
_METHOD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+ ")
_OTHER_VERSION = re.compile(rb"[^ \r]+ [^ \r]+ HTTP/(?!1\.[01])[0-9]\.[0-9]\r\n")
_HOST = re.compile(
    rb"(?:[A-Za-z0-9.\-_~]*+(?:%[0-9A-Fa-f]{2}[A-Za-z0-9.\-_~]*+)*+|\[[0-9A-Fa-f:.]+\])"
    rb"(?::(?:[0-9]{0,4}|[0-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
)
"""A host with a port up to 65535; narrower than RFC 3986, whose sub-delims no host name has."""

_BAD_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_RULED = frozenset(
    {
        b"host",
        b"connection",
        b"content-length",
        b"transfer-encoding",
        b"expect",
        b"upgrade",
    }
)


class RequestRefused(ChannelsBoardError):
    """A request that is answered with `status` without asking a worker; `detail` says why.

    `cause` is one of `seeing/causes.py`; without it the usual one of the status counts.
    """

    def __init__(self, status: int, detail: str, cause: str = "") -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.detail = detail
        self.cause = cause or cause_of_status(status)


class RequestHead(NamedTuple):
    """What a request's head says.

    `path` is percent-decoded, `query_string` is not. Names in `headers` are lower case, those
    with `_` are left out (a proxy may write `-` as `_`, which would let a client forge names).
    `is_for_https`: the target is a whole `https` address. `part` is the head packed for a worker's
    message (`request_message.py`), None while nobody packed it.
    """

    method: str
    path: str
    query_string: bytes
    http_version: str
    headers: Headers
    content_length: int = 0
    is_chunked: bool = False
    keeps_alive: bool = True
    expects_continue: bool = False
    is_websocket: bool = False
    is_for_https: bool = False
    part: Part | None = None

    @property
    def has_body(self) -> bool:
        """Whether bytes of a body follow."""
        return self.is_chunked or self.content_length > 0

    @property
    def is_safe(self) -> bool:
        """Whether it may run beside other requests of its connection."""
        return self.method in SAFE_METHODS


def parse_head(raw: bytes, max_headers: int) -> RequestHead:
    """The head in `raw`, which ends in its blank line.

    Raises: RequestRefused. Source: RFC 9112 sections 2 to 6, RFC 9110 section 7.
    """
    line_ends = raw.count(b"\n")
    if line_ends - 2 > max_headers:
        raise RequestRefused(431, f"more than {max_headers} headers")
    if _is_malformed(raw, line_ends):
        raise RequestRefused(400, _MALFORMED)
    parsed = _Parsed()
    parser = httptools.HttpRequestParser(parsed)
    try:
        parser.feed_data(raw)
    except httptools.HttpParserUpgrade:
        pass  # what is asked for is read from the headers below
    except httptools.HttpParserError as error:
        raise _refusal(raw, error) from error
    line_end = raw.index(b"\r\n")
    version = _VERSIONS.get(raw[line_end - 9 : line_end])
    if version is None:
        raise RequestRefused(505, "expected HTTP/1.1 or HTTP/1.0")
    method = parser.get_method()
    if len(method) + len(parsed.url) + 10 != line_end:  # two blanks and the version
        raise RequestRefused(400, "a request line with more than two blanks")
    return _checked(method.decode("ascii"), parsed, version)


def incomplete_head_fault(raw: bytes) -> str | None:
    """Why these first bytes of a head can never become one; None while they can."""
    whole_lines = raw[: raw.rfind(b"\n") + 1]
    is_malformed = _is_malformed(whole_lines, whole_lines.count(b"\n"))
    return _MALFORMED if is_malformed else None


def _is_malformed(raw: bytes, line_ends: int) -> bool:
    """Whether there is a control character, a bare line end or a folded line.

    `line_ends` are the LFs in it. Source: RFC 9112 sections 2.2 and 5.2.
    """
    printable = len(raw.translate(None, _CONTROLS))
    return printable + 2 * line_ends != len(raw) or _BAD_LINE_END.search(raw) is not None


class _Parsed:
    """Receives what the parser finds."""

    __slots__ = ("headers", "on_header", "url")

    def __init__(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        keep = self.headers.append

        def on_header(name: bytes, value: bytes) -> None:
            if _UNDERSCORE not in name:
                keep((name.lower(), value.strip()))  # no control but a tab is here

        # Called once a header: a function costs half of a method here.
        self.on_header = on_header

    def on_url(self, url: bytes) -> None:
        self.url += url


def _checked(method: str, parsed: _Parsed, version: str) -> RequestHead:
    headers = parsed.headers
    ruled: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        if name in _RULED:
            ruled.setdefault(name, []).append(value)
    target, host = _target(method, parsed.url)
    _check_host(ruled.get(b"host", ()), version)
    if host is not None:
        headers = [pair for pair in headers if pair[0] != b"host"]
        headers.insert(0, (b"host", host))
    path, _, query = target.partition(b"?")
    decoded = path.decode("ascii") if _PERCENT not in path else _decoded(path)
    if len(ruled) == 1 and version == "1.1" and host is None:  # most requests
        return RequestHead(method, decoded, query, version, tuple(headers))
    length, chunked = _framing(ruled, version)
    options = _tokens(ruled.get(b"connection", ()))
    keeps = b"close" not in options and (version == "1.1" or b"keep-alive" in options)
    upgrade = b"upgrade" in options and b"websocket" in _tokens(ruled.get(b"upgrade", ()))
    websocket = upgrade and method == "GET" and version == "1.1"
    if websocket and (length or chunked):
        raise RequestRefused(400, "a WebSocket handshake with a body")
    if method == "TRACE" and (length or chunked):
        raise RequestRefused(400, "a TRACE with a body")
    expects = _expectation(ruled.get(b"expect", []), version)
    head = RequestHead(
        *(method, decoded, query, version, tuple(headers)),
        *(length, chunked, keeps, expects, websocket),
    )
    is_for_https = host is not None and parsed.url[:6].lower() == b"https:"
    return head._replace(is_for_https=True) if is_for_https else head


def _target(method: str, url: bytes) -> tuple[bytes, bytes | None]:
    """Path with query, and the host if the target names one. Source: RFC 9112 section 3.2."""
    if method == "CONNECT":
        raise RequestRefused(501, "this server is no tunnel")
    if _HASH in url or not url.isascii():
        raise RequestRefused(400, "a fragment or an unencoded character in the target")
    if url.startswith(b"/"):
        return url, None
    if url == b"*" and method == "OPTIONS":
        return url, None
    scheme, mark, rest = url.partition(b"://")
    if mark and scheme.lower() in (b"http", b"https"):
        cut = min((at for at in (rest.find(b"/"), rest.find(b"?")) if at >= 0), default=len(rest))
        host, target = rest[:cut], rest[cut:]
        if host and not host.startswith(b":") and _HOST.fullmatch(host):
            return (target if target.startswith(b"/") else b"/" + target), host
    raise RequestRefused(400, "a target that is neither a path nor an absolute address")


def _check_host(hosts: Sequence[bytes], version: str) -> None:
    if len(hosts) > 1 or (not hosts and version == "1.1"):
        raise RequestRefused(400, f"expected one Host header, got {len(hosts)}")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise RequestRefused(400, "a Host header that names no host")


def _decoded(path: bytes) -> str:
    if _BAD_PERCENT.search(path):
        raise RequestRefused(400, "a '%' without two hexadecimal digits in the path")
    try:
        decoded = unquote_to_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestRefused(400, "a path that is not UTF-8") from error
    if "\x00" in decoded:
        raise RequestRefused(400, "a path with a zero byte")
    return decoded


def _framing(ruled: dict[bytes, list[bytes]], version: str) -> tuple[int, bool]:
    """Length of the body and whether it is chunked. Source: RFC 9112 section 6.3."""
    lengths = ruled.get(b"content-length", [])
    codings = ruled.get(b"transfer-encoding", [])
    if codings:
        if lengths or version == "1.0" or len(codings) > 1:
            raise RequestRefused(400, "a body whose length is said in two ways")
        if codings[0].lower() != b"chunked":
            raise RequestRefused(501, "a transfer coding other than chunked")
        return 0, True
    if len(lengths) > 1:
        raise RequestRefused(400, "a repeated Content-Length")
    if lengths and not (lengths[0].isdigit() and len(lengths[0]) < 19):
        raise RequestRefused(400, "a Content-Length that is no number")
    return (int(lengths[0]) if lengths else 0), False


def _expectation(expectations: list[bytes], version: str) -> bool:
    if not expectations or version == "1.0":
        return False
    if len(expectations) == 1 and expectations[0].lower() == b"100-continue":
        return True
    raise RequestRefused(417, "an expectation other than 100-continue")


def _tokens(values: Iterable[bytes]) -> set[bytes]:
    return {token.strip(b" \t").lower() for value in values for token in value.split(b",")}


def _refusal(raw: bytes, error: Exception) -> RequestRefused:
    if isinstance(error, httptools.HttpParserInvalidMethodError) and _METHOD.match(raw):
        return RequestRefused(501, "a method that this server does not know")
    if _OTHER_VERSION.match(raw):
        return RequestRefused(505, "expected HTTP/1.1 or HTTP/1.0")
    return RequestRefused(400, shortened(str(error)).strip("'\""))
