"""Vectors of the request line and of the Host that belongs to it. Source: RFC 9112 section 3."""

from tests.interface_server.conformance.vector import (
    Allows,
    Vector,
    doubtful,
    get,
    head,
    last,
    refused,
    taken,
)

_LINE = "9112 3"
_TARGET = "9112 3.2"
_HOST = "9112 3.2"
_VERSION = "9112 2.3"


def _line(line: bytes) -> bytes:
    return head(line, b"Host: x")


def _target(target: bytes) -> bytes:
    return _line(b"GET " + target + b" HTTP/1.1")


def _host(*hosts: bytes) -> bytes:
    return head(b"GET / HTTP/1.1", *(b"Host: " + host for host in hosts))


HOSTS = (
    taken("host", _HOST, get(), "GET /", shows=((b"host", b"x"),)),
    taken("host-with-port", _HOST, _host(b"x:8000"), "GET /", shows=((b"host", b"x:8000"),)),
    taken("host-with-empty-port", "3986 3.2.3", _host(b"x:"), "GET /"),
    taken("host-ipv4", _HOST, _host(b"127.0.0.1:80"), "GET /"),
    taken("host-ipv6", _HOST, _host(b"[::1]:80"), "GET /"),
    taken("host-empty", _HOST, head(b"GET / HTTP/1.1", b"Host:"), "GET /"),
    refused("host-missing", _HOST, head(b"GET / HTTP/1.1", b"A: b")),
    refused("host-missing-and-no-header", _HOST, head(b"GET / HTTP/1.1")),
    refused("host-repeated", _HOST, _host(b"x", b"y")),
    refused("host-repeated-same", _HOST, _host(b"x", b"x")),
    refused("host-repeated-in-other-case", _HOST, get(b"hOST: x")),
    refused("host-repeated-and-empty", _HOST, get(b"Host:")),
    refused("host-repeated-in-http-1.0", _HOST, head(b"GET / HTTP/1.0", b"Host: x", b"Host: y")),
    refused("host-list", _HOST, _host(b"x, y")),
    refused("host-two-words", _HOST, _host(b"x y")),
    refused("host-with-user", _HOST, _host(b"u@x")),
    refused("host-with-path", _HOST, _host(b"x/a")),
    refused("host-with-query", _HOST, _host(b"x?a")),
    refused("host-with-fragment", _HOST, _host(b"x#a")),
    refused("host-with-scheme", _HOST, _host(b"http://x")),
    refused("host-with-backslash", _HOST, _host(b"x\\y")),
    refused("host-with-quotes", _HOST, _host(b'"x"')),
    refused("host-with-angle-brackets", _HOST, _host(b"<x>")),
    refused("host-port-in-letters", _HOST, _host(b"x:http")),
    refused("host-port-with-sign", _HOST, _host(b"x:+80")),
    refused("host-two-ports", _HOST, _host(b"x:80:80")),
    refused("host-ipv6-left-open", _HOST, _host(b"[::1")),
    refused("host-ipv6-without-brackets", _HOST, _host(b"::1")),
    refused("host-text-behind-brackets", _HOST, _host(b"[::1]x")),
    refused("host-bad-percent", "3986 2.1", _host(b"%zz")),
    refused("host-with-nul", _HOST, _host(b"x\x00y")),
    refused("host-with-tab", _HOST, _host(b"x\ty")),
    refused("host-with-high-byte", _HOST, _host(b"x\xe9")),
    refused("host-in-utf-8", _HOST, _host("ö".encode())),
    doubtful("host-with-comma", "3986 3.2.2", _host(b"x,y")),
    doubtful("host-port-past-65535", "3986 3.2.3", _host(b"x:99999")),
)

ABSOLUTE = (
    taken("absolute", "9112 3.2.2", _target(b"http://x/a"), "GET /a", shows=((b"host", b"x"),)),
    taken(
        "absolute-and-another-host",
        "9112 3.2.2",
        _target(b"http://y/a"),
        "GET /a",
        shows=((b"host", b"y"),),
    ),
    taken("absolute-without-path", "9112 3.2.2", _target(b"http://x"), "GET /"),
    taken("absolute-with-query-only", "9112 3.2.2", _target(b"http://x?a"), "GET /"),
    taken("absolute-scheme-in-capitals", "3986 3.1", _target(b"HTTP://x/a"), "GET /a"),
    taken("absolute-with-port", "9112 3.2.2", _target(b"http://x:8000/a"), "GET /a"),
    refused("absolute-without-host-header", _HOST, head(b"GET http://x/a HTTP/1.1")),
    refused("absolute-with-bad-host-header", _HOST, head(b"GET http://x/ HTTP/1.1", b"Host: a b")),
    refused(
        "absolute-with-two-host-headers",
        _HOST,
        head(b"GET http://x/ HTTP/1.1", b"Host: x", b"Host: x"),
    ),
    refused("absolute-without-host", "9110 4.2.1", _target(b"http:///a")),
    refused("absolute-with-port-only", "9110 4.2.1", _target(b"http://:80/a")),
    refused("absolute-with-user", "9110 4.2.4", _target(b"http://u:p@x/a")),
    refused("absolute-with-one-slash", _TARGET, _target(b"http:/x/a")),
    refused("absolute-ftp", _TARGET, _target(b"ftp://x/a"), allows=Allows.EITHER),
    refused("absolute-https-over-plain", "9110 7.4", _target(b"https://x/a"), 421),
)

TARGETS = (
    taken("asterisk-with-options", "9112 3.2.4", _line(b"OPTIONS * HTTP/1.1"), "OPTIONS *"),
    refused("asterisk-with-get", "9112 3.2.4", _target(b"*")),
    refused("asterisk-with-path", "9112 3.2.4", _line(b"OPTIONS */a HTTP/1.1")),
    doubtful("connect", "9110 9.3.6", _line(b"CONNECT x:80 HTTP/1.1"), 501),
    doubtful("connect-to-a-path", "9112 3.2.3", _line(b"CONNECT / HTTP/1.1"), 501),
    refused("authority-with-get", "9112 3.2.3", _target(b"x:80")),
    refused("target-without-slash", _TARGET, _target(b"a")),
    refused("target-missing", _LINE, _line(b"GET  HTTP/1.1")),
    refused("target-query-only", _TARGET, _target(b"?a")),
    refused("target-with-fragment", _TARGET, _target(b"/a#b")),
    refused("target-high-byte", _TARGET, _target(b"/\xe9")),
    refused("target-in-utf-8", _TARGET, _target("/ö".encode())),
    refused("target-next-line", _TARGET, _target(b"/\x85")),
    refused("query-high-byte", _TARGET, _target(b"/?\xff")),
    refused("target-with-space", _TARGET, _target(b"/a b")),
    refused("target-that-holds-a-version", _TARGET, _target(b"/ HTTP/1.1 /")),
    refused("target-with-tab", _TARGET, _target(b"/a\tb")),
    refused("target-with-nul", _TARGET, _target(b"/a\x00b")),
    refused("target-with-vertical-tab", _TARGET, _target(b"/a\x0bb")),
    refused("target-with-form-feed", _TARGET, _target(b"/a\x0cb")),
    refused("target-with-escape", _TARGET, _target(b"/a\x1bb")),
    refused("target-with-delete", _TARGET, _target(b"/a\x7fb")),
    doubtful("percent-without-digits", "3986 2.1", _target(b"/%zz")),
    doubtful("percent-nul", "3986 7.3", _target(b"/%00")),
    doubtful("percent-that-is-no-utf-8", "3986 2.5", _target(b"/%ff")),
    taken("percent-line-end", "3986 2.1", _target(b"/a%0d%0aX:%20b"), "GET /a\r\nX: b"),
    taken(
        "two-slashes-are-a-path", _TARGET, _target(b"//y/a"), "GET //y/a", shows=((b"host", b"x"),)
    ),
    taken("target-with-brackets", _TARGET, _target(b"/?a[]={}|^"), "GET /", allows=Allows.EITHER),
)

METHODS = (
    taken("method-delete", "9110 9.3.5", _line(b"DELETE / HTTP/1.1"), "DELETE /"),
    taken("method-patch", "9110 9.1", _line(b"PATCH / HTTP/1.1"), "PATCH /"),
    taken("method-options", "9110 9.3.7", _line(b"OPTIONS / HTTP/1.1"), "OPTIONS /"),
    taken(
        "method-trace", "9110 9.3.8", _line(b"TRACE / HTTP/1.1"), "TRACE /", allows=Allows.EITHER
    ),
    doubtful("method-unknown", "9110 9.1", _line(b"BREW / HTTP/1.1"), 501),
    doubtful("method-lower-case", "9110 9.1", _line(b"get / HTTP/1.1"), 501),
    doubtful("method-mixed-case", "9110 9.1", _line(b"Get / HTTP/1.1"), 501),
    doubtful("method-that-begins-with-one", "9110 9.1", _line(b"GETX / HTTP/1.1"), 501),
    doubtful("method-of-token-characters", "9110 9.1", _line(b"A!#$ / HTTP/1.1"), 501),
    doubtful("method-of-33-letters", _LINE, _line(b"M" * 33 + b" / HTTP/1.1"), 501),
    doubtful("method-of-1000-letters", _LINE, _line(b"M" * 1000 + b" / HTTP/1.1"), 501),
    refused("method-no-token", "9110 9.1", _line(b"G@T / HTTP/1.1")),
    refused("method-with-nul", "9110 9.1", _line(b"GE\x00T / HTTP/1.1")),
    refused("method-with-high-byte", "9110 9.1", _line(b"GET\xff / HTTP/1.1")),
    refused("method-in-quotes", "9110 9.1", _line(b'"GET" / HTTP/1.1')),
    refused("method-missing", _LINE, _line(b"/ HTTP/1.1")),
)

LINES = (
    refused("line-begins-with-space", _LINE, _line(b" GET / HTTP/1.1")),
    refused("line-begins-with-tab", _LINE, _line(b"\tGET / HTTP/1.1")),
    doubtful("line-two-spaces-behind-method", _LINE, _line(b"GET  / HTTP/1.1")),
    doubtful("line-two-spaces-behind-target", _LINE, _line(b"GET /  HTTP/1.1")),
    doubtful("line-tab-behind-method", _LINE, _line(b"GET\t/ HTTP/1.1")),
    doubtful("line-tab-behind-target", _LINE, _line(b"GET /\tHTTP/1.1")),
    doubtful("line-vertical-tab-behind-method", _LINE, _line(b"GET\x0b/ HTTP/1.1")),
    doubtful("line-form-feed-behind-target", _LINE, _line(b"GET /\x0cHTTP/1.1")),
    doubtful("line-ends-with-space", _LINE, _line(b"GET / HTTP/1.1 ")),
    doubtful("line-ends-with-tab", _LINE, _line(b"GET / HTTP/1.1\t")),
    refused("line-without-spaces", _LINE, _line(b"GET/HTTP/1.1")),
    refused("line-without-space-before-version", _LINE, _line(b"GET /HTTP/1.1"), 505),
    refused("line-text-behind-version", _LINE, _line(b"GET / HTTP/1.1 x")),
    refused("line-is-a-response", _LINE, _line(b"HTTP/1.1 200 OK")),
)

VERSIONS = (
    last("http-1.0", "9112 9.3", head(b"GET / HTTP/1.0", b"Host: x"), "GET /"),
    last("http-1.0-without-host", _HOST, head(b"GET / HTTP/1.0"), "GET /"),
    doubtful("http-0.9", _LINE, b"GET /\r\n\r\n", 505),
    doubtful("http-0.9-with-version", _VERSION, _line(b"GET / HTTP/0.9"), 505),
    doubtful("http-1.2", "9110 2.5", _line(b"GET / HTTP/1.2"), 505),
    doubtful("http-1.9", "9110 2.5", _line(b"GET / HTTP/1.9"), 505),
    refused("http-2.0", "9110 15.6.6", _line(b"GET / HTTP/2.0"), 505),
    refused("http-3.0", "9110 15.6.6", _line(b"GET / HTTP/3.0"), 505),
    refused("http-2-without-minor", _VERSION, _line(b"GET / HTTP/2")),
    refused("http-1-without-minor", _VERSION, _line(b"GET / HTTP/1")),
    refused("version-lower-case", _VERSION, _line(b"GET / http/1.1")),
    refused("version-mixed-case", _VERSION, _line(b"GET / Http/1.1")),
    refused("version-two-digits", _VERSION, _line(b"GET / HTTP/1.10")),
    refused("version-leading-zero", _VERSION, _line(b"GET / HTTP/01.1")),
    refused("version-comma", _VERSION, _line(b"GET / HTTP/1,1")),
    refused("version-without-dot", _VERSION, _line(b"GET / HTTP/11")),
    refused("version-three-numbers", _VERSION, _line(b"GET / HTTP/1.1.1")),
    refused("version-minus", _VERSION, _line(b"GET / HTTP/-1.1")),
    refused("version-space-inside", _VERSION, _line(b"GET / HTTP /1.1")),
    refused("version-of-letters", _VERSION, _line(b"GET / HTTP/a.b")),
    refused("version-high-byte", _VERSION, _line(b"GET / HTTP/1.\xb9")),
    refused("version-of-another-protocol", _VERSION, _line(b"GET / RTSP/1.0"), 505),
    refused("version-icy", _VERSION, _line(b"GET / ICE/1.0")),
    refused("http-2-preface", "9113 3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
)

VECTORS: tuple[Vector, ...] = (*HOSTS, *ABSOLUTE, *TARGETS, *METHODS, *LINES, *VERSIONS)
