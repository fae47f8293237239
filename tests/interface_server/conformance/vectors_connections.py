"""Vectors of connections: how long they live, in which order they answer, what they turn into.

The paths that answer in an odd way are those of `echo_worker.py`.
"""

from tests.interface_server.conformance.vector import (
    PROBE_SAW,
    Allows,
    Vector,
    chunked,
    doubtful,
    get,
    head,
    last,
    post,
    refused,
    taken,
)

_LIFE = "9112 9.3"
_CLOSE = "9112 9.6"
_UPGRADE = "9110 7.8"
_FIVE = b"Content-Length: 5"


def _asked(path: bytes, method: bytes = b"GET", *headers: bytes) -> bytes:
    return head(method + b" " + path + b" HTTP/1.1", b"Host: x", *headers)


def _old(*headers: bytes, line: bytes = b"GET / HTTP/1.0") -> bytes:
    return head(line, b"Host: x", *headers)


LIVES = (
    taken("kept", _LIFE, get(), "GET /"),
    taken("kept-with-keep-alive", _LIFE, get(b"Connection: keep-alive"), "GET /"),
    taken("kept-with-other-option", _LIFE, get(b"Connection: x-own"), "GET /"),
    last("close", _CLOSE, get(b"Connection: close"), "GET /"),
    last("close-in-capitals", _CLOSE, get(b"Connection: CLOSE"), "GET /"),
    last("close-in-a-list", _CLOSE, get(b"Connection: x , close\t,y"), "GET /"),
    last("close-beside-keep-alive", _CLOSE, get(b"Connection: keep-alive, close"), "GET /"),
    last(
        "close-in-a-second-header",
        _CLOSE,
        get(b"Connection: keep-alive", b"Connection: close"),
        "GET /",
    ),
    last("close-behind-a-body", _CLOSE, post(_FIVE, b"Connection: close"), "POST / hello"),
    taken("close-as-part-of-a-word", _CLOSE, get(b"Connection: closed, xclose"), "GET /"),
    taken(
        "proxy-connection-close-is-no-close", "9112 C.2.2", get(b"Proxy-Connection: close"), "GET /"
    ),
    taken("connection-empty", "9110 7.6.1", get(b"Connection:"), "GET /"),
    taken(
        "connection-names-host",
        "9110 7.6.1",
        get(b"Connection: Host"),
        "GET /",
        allows=Allows.EITHER,
        shows=((b"host", b"x"),),
    ),
    taken(
        "connection-names-content-length",
        "9110 7.6.1",
        post(_FIVE, b"Connection: Content-Length"),
        "POST / hello",
        allows=Allows.EITHER,
    ),
    taken(
        "connection-names-transfer-encoding",
        "9110 7.6.1",
        post(
            *(b"Connection: Transfer-Encoding", b"Transfer-Encoding: chunked"),
            body=b"5\r\nhello\r\n0\r\n\r\n",
        ),
        "POST / hello",
        allows=Allows.EITHER,
    ),
    refused("connection-with-vertical-tab", "9110 5.5", get(b"Connection: close\x0b")),
)

OLD_LIVES = (
    taken("1.0-keep-alive", _LIFE, _old(b"Connection: keep-alive"), "GET /"),
    taken("1.0-keep-alive-in-capitals", _LIFE, _old(b"Connection: Keep-Alive"), "GET /"),
    last("1.0-proxy-connection", "9112 C.2.2", _old(b"Proxy-Connection: keep-alive"), "GET /"),
    last("1.0-keep-alive-header", "9112 C.2.2", _old(b"Keep-Alive: timeout=5"), "GET /"),
    last("1.0-close-beside-keep-alive", _LIFE, _old(b"Connection: keep-alive, close"), "GET /"),
    last("1.0-post", _LIFE, _old(_FIVE, line=b"POST / HTTP/1.0") + b"hello", "POST / hello"),
    last("1.0-post-without-length", _LIFE, _old(line=b"POST / HTTP/1.0"), "POST /"),
    taken(
        "1.0-post-keep-alive",
        _LIFE,
        _old(_FIVE, b"Connection: keep-alive", line=b"POST / HTTP/1.0") + b"hello",
        "POST / hello",
    ),
    last(
        "1.0-streamed-answer-ends-with-the-connection",
        "9112 6.3",
        _old(line=b"GET /stream HTTP/1.0"),
        "GET /stream",
    ),
    # The probe runs beside, being safe, and its answer finds no connection any more.
    Vector(
        "1.0-keep-alive-with-streamed-answer",
        "9112 6.3",
        _old(b"Connection: keep-alive", line=b"GET /stream HTTP/1.0"),
        *(Allows.ACCEPT, (200,), ("GET /stream", PROBE_SAW)),
        probe_may_miss=True,
    ),
)

PIPELINES = (
    taken(
        "pipeline",
        "9112 9.3.2",
        _asked(b"/1") + _asked(b"/2") + _asked(b"/3"),
        "GET /1",
        "GET /2",
        "GET /3",
    ),
    taken(
        "pipeline-whose-first-is-slow",
        "9112 9.3.2",
        _asked(b"/slow") + _asked(b"/fast"),
        "GET /slow",
        "GET /fast",
    ),
    taken(
        "pipeline-of-bodies",
        "9112 9.3.2",
        post(_FIVE) + chunked(b"1\r\nx\r\n0\r\n\r\n"),
        "POST / hello",
        "POST / x",
    ),
    taken(
        "pipeline-head-get-post",
        "9112 9.3.2",
        _asked(b"/1", b"HEAD") + _asked(b"/2") + post(_FIVE),
        "HEAD /1",
        "GET /2",
        "POST / hello",
    ),
    last("pipeline-cut-by-close", _CLOSE, get(b"Connection: close") + _asked(b"/2"), "GET /"),
    taken("pipeline-of-forty", "9112 9.3.2", _asked(b"/n") * 40, *["GET /n"] * 40),
)

BODIES = (
    doubtful(
        "body-for-the-health-page", "9112 6.3", _asked(b"/healthz", b"POST", _FIVE) + b"hello", 413
    ),
    doubtful(
        "body-for-the-health-page-that-is-a-request",
        "9112 6.3",
        _asked(b"/healthz", b"GET", b"Content-Length: 35") + _asked(b"/smuggled"),
        413,
    ),
    taken(
        "get-with-a-body",
        "9110 9.3.1",
        head(b"GET / HTTP/1.1", b"Host: x", _FIVE) + b"hello",
        "GET / hello",
    ),
    taken(
        "head-with-a-body", "9110 9.3.2", _asked(b"/", b"HEAD", _FIVE) + b"hello", "HEAD / hello"
    ),
    taken(
        "delete-with-a-body",
        "9110 9.3.5",
        _asked(b"/", b"DELETE", _FIVE) + b"hello",
        "DELETE / hello",
    ),
    taken(
        "options-with-a-body",
        "9110 9.3.7",
        _asked(b"/", b"OPTIONS", _FIVE) + b"hello",
        "OPTIONS / hello",
    ),
    doubtful("trace-with-a-body", "9110 9.3.8", _asked(b"/", b"TRACE", _FIVE) + b"hello"),
)

UPGRADES = (
    taken(
        "upgrade-h2c",
        "9113 3.1",
        get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"),
        "GET /",
    ),
    taken("upgrade-unknown", _UPGRADE, get(b"Connection: Upgrade", b"Upgrade: x/1"), "GET /"),
    taken("upgrade-without-connection", _UPGRADE, get(b"Upgrade: websocket"), "GET /"),
    taken("upgrade-option-without-upgrade", _UPGRADE, get(b"Connection: upgrade"), "GET /"),
    taken(
        "upgrade-with-a-body",
        _UPGRADE,
        post(b"Connection: upgrade", b"Upgrade: h2c", _FIVE),
        "POST / hello",
    ),
    taken(
        "upgrade-to-tls",
        _UPGRADE,
        get(b"Connection: upgrade", b"Upgrade: TLS/1.2"),
        "GET /",
    ),
    last(
        "upgrade-in-http-1.0-is-ignored",
        _UPGRADE,
        _old(b"Connection: upgrade", b"Upgrade: websocket"),
        "GET /",
    ),
)

VECTORS: tuple[Vector, ...] = (
    *LIVES,
    *OLD_LIVES,
    *PIPELINES,
    *BODIES,
    *UPGRADES,
)
