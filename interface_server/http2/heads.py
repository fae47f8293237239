"""From the fields of an HTTP/2 request to its head, with every rule that makes it malformed.

What HTTP/2 says otherwise is ruled here; the rest is said as an HTTP/1.1 head, so that one file
rules paths, hosts and headers for both. Decodes no HPACK and answers nothing.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from interface_server.http_messages import RequestHead, RequestRefused, parse_head
from shared.errors import ChannelsBoardError
from shared.messages import Headers

Fields = Sequence[tuple[bytes, bytes]]

_PSEUDO = frozenset({b":method", b":scheme", b":authority", b":path", b":protocol"})
_CONNECTION = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
"""What means one HTTP/1 connection only. Source: RFC 9113 section 8.2.2."""

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_VALUE = re.compile(rb"(?:[^\x00-\x20\x7f](?:[^\x00-\x08\x0a-\x1f\x7f]*[^\x00-\x20\x7f])?)?")
_METHOD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET = re.compile(rb"[^\x00-\x20\x7f]+")

_SOCKET_FIELDS = (
    (b"upgrade", b"websocket"),
    (b"connection", b"upgrade"),
    (b"sec-websocket-key", b"AAAAAAAAAAAAAAAAAAAAAA=="),
)
"""What a handshake over HTTP/1.1 has and one over HTTP/2 has not. Source: RFC 8441 section 5.1."""

_FROM_HTTP_1 = frozenset({b"sec-websocket-key"})


class Malformed(ChannelsBoardError):
    """A request that is none: its stream is reset. Source: RFC 9113 section 8.1.1."""


class StreamRequest(NamedTuple):
    """What a stream asks for.

    `raw` is the same as a head of HTTP/1.1, of a WebSocket handshake where `head.is_websocket`.
    """

    head: RequestHead
    raw: bytes


class _Sorted(NamedTuple):
    pseudo: dict[bytes, bytes]
    fields: list[tuple[bytes, bytes]]
    hosts: list[bytes]
    size: int


def read_request(
    fields: Fields, has_content: bool, max_head: int, max_headers: int
) -> StreamRequest:
    """The request that the fields make; `has_content` when the stream does not end with them.

    Raises: Malformed, RequestRefused. Source: RFC 9113 sections 8.2 and 8.3.
    """
    sorted_ = _sort(fields)
    method, target, host = _target(sorted_)
    if sorted_.size > max_head:
        raise RequestRefused(431, f"a head of more than {max_head} bytes")
    is_socket = b":protocol" in sorted_.pseudo
    regular = sorted_.fields
    if is_socket:
        _check_socket(sorted_.pseudo, has_content)
        regular = [pair for pair in regular if pair[0] not in _FROM_HTTP_1]
        method, regular = b"GET", [*_SOCKET_FIELDS, *regular]
    elif method == b"CONNECT":
        raise RequestRefused(501, "this server is no tunnel")
    lines = [b"%b %b HTTP/1.1" % (method, target)]
    if host is not None:
        lines.append(b"host: " + host)
    lines += [b"%b: %b" % pair for pair in regular]
    raw = b"\r\n".join([*lines, b"", b""])
    head = parse_head(raw, max_headers)
    if head.content_length and not has_content:
        raise Malformed(f"expected {head.content_length} bytes of content, got none")
    if method == b"TRACE" and has_content:
        raise RequestRefused(400, "a TRACE with a body")
    is_for_https = sorted_.pseudo.get(b":scheme") == b"https"
    return StreamRequest(head._replace(http_version="2", is_for_https=is_for_https), raw)


def check_trailers(fields: Fields) -> None:
    """Trailers are dropped, unless they are malformed. Raises: Malformed."""
    for name, value in fields:
        _check_field(name, value)


def response_fields(head: bytes) -> tuple[int, Headers]:
    """Status and fields of a response's head as HTTP/1.1 says it; what means the connection is
    left out, and 101 is 200.

    Source: RFC 8441 section 5.
    """
    status_line, *lines = head.split(b"\r\n")
    status = int(status_line.split(b" ", 2)[1])
    fields = [
        (name.strip().lower(), value.strip())
        for name, mark, value in (line.partition(b":") for line in lines)
        if mark
    ]
    left_out = _CONNECTION | {b"sec-websocket-accept"}
    kept = tuple(pair for pair in fields if pair[0] not in left_out)
    return (200 if status == 101 else status), kept


def _sort(fields: Fields) -> _Sorted:
    """Pseudo fields and the others, each of them checked. Raises: Malformed."""
    pseudo: dict[bytes, bytes] = {}
    regular: list[tuple[bytes, bytes]] = []
    hosts: list[bytes] = []
    crumbs: list[bytes] = []
    size = 0
    for name, value in fields:
        size += len(name) + len(value) + 4  # ": " and the line's end
        if name[:1] == b":":
            if regular or hosts or crumbs or name in pseudo or name not in _PSEUDO:
                raise Malformed("a pseudo field that is unknown, repeated or late")
            pseudo[name] = value
            continue
        _check_field(name, value)
        if name == b"cookie":
            crumbs.append(value)
        elif name == b"host":
            hosts.append(value)
        else:
            regular.append((name, value))
    if crumbs:  # Source: RFC 9113 section 8.2.3
        regular.append((b"cookie", b"; ".join(crumbs)))
    return _Sorted(pseudo, regular, hosts, size)


def _check_field(name: bytes, value: bytes) -> None:
    if not _NAME.fullmatch(name):
        raise Malformed("a field's name that is no token in lower case")
    if name in _CONNECTION or (name == b"te" and value != b"trailers"):
        raise Malformed(f"a field that means one HTTP/1 connection: {name.decode('ascii')}")
    if not _VALUE.fullmatch(value):
        raise Malformed("a field's value with a control character or a blank at an end")


def _target(sorted_: _Sorted) -> tuple[bytes, bytes, bytes | None]:
    """Method, target and host. Raises: Malformed, RequestRefused."""
    pseudo = sorted_.pseudo
    method = pseudo.get(b":method", b"")
    if not _METHOD.fullmatch(method):
        raise Malformed("a request without a method")
    authority = pseudo.get(b":authority")
    if authority is not None and not _TARGET.fullmatch(authority):
        raise Malformed("an :authority that is empty or has a blank")
    if method == b"CONNECT" and b":protocol" not in pseudo:
        if authority is None or b":path" in pseudo or b":scheme" in pseudo:
            raise Malformed("a CONNECT with a path or a scheme, or without an authority")
        return method, b"/", authority
    target = pseudo.get(b":path", b"")
    if not _TARGET.fullmatch(target):
        raise Malformed("a request without a path, or with a blank in it")
    if not (target.startswith(b"/") or (target == b"*" and method == b"OPTIONS")):
        raise Malformed("a path that does not begin with '/'")
    scheme = pseudo.get(b":scheme")
    if scheme is None:
        raise Malformed("a request without a scheme")
    if scheme not in (b"http", b"https"):
        raise RequestRefused(400, "a scheme other than http and https")
    hosts = sorted_.hosts
    if len(hosts) > 1:
        raise RequestRefused(400, f"expected one Host header, got {len(hosts)}")
    host = hosts[0] if hosts else None
    if authority is not None and host is not None and authority.lower() != host.lower():
        raise Malformed("a Host header other than :authority")
    return method, target, authority if authority is not None else host


def _check_socket(pseudo: dict[bytes, bytes], has_content: bool) -> None:
    if pseudo.get(b":method") != b"CONNECT":
        raise Malformed("a :protocol without CONNECT")
    if pseudo[b":protocol"] != b"websocket":
        raise RequestRefused(501, "a protocol other than websocket")
    if not has_content:
        raise Malformed("a WebSocket whose stream ends with its handshake")
