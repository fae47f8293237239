"""Fuzzed: whole connections of HTTP/1.1 and HTTP/2, with workers that answer in every way.

No socket is opened; what is checked is what a client and a worker would see.
"""

from typing import Any

from hpack import Encoder
from hyperframe.frame import Frame

from interface_server.http1 import HttpConnection
from interface_server.http2.connection import Http2Connection
from shared.messages import HttpRequest
from tests.fuzz.target import Target, chooser, cuts, expect
from tests.fuzz.targets_http1 import WORDS
from tests.fuzz.wireless import Wireless
from tests.interface_server.answering import Site, answer, page
from tests.interface_server.conformance.answers import answers_in
from tests.interface_server.conformance.vectors import VECTORS
from tests.interface_server.h2_client import PREFACE, fields

SMALL: dict[str, Any] = {"inline_body": 16, "max_body": 2000, "max_output": 65536}
MAX_WRITTEN = 1 << 20


def _later(site: Site, request: HttpRequest) -> None:
    content = f"{request.method} {request.path}".encode()
    site.reply(request, answer(content[:3], more_content=True))
    site.reply(request, {"content": content[3:]})
    site.receipt(request, "done")


def _wrong(site: Site, request: HttpRequest) -> None:
    site.reply(request, {"status": "no status"})


def _dead(site: Site, request: HttpRequest) -> None:
    site.receipt(request, "dead")


def _never(site: Site, request: HttpRequest) -> None:
    """A worker that does not answer."""


WORKERS = (page, page, page, _later, _wrong, _dead, _never)


def check_http1(given: bytes) -> None:
    """However bytes are cut: the same requests reach workers and the same answers come."""
    worker = chooser(given).choice(WORKERS)
    first = None
    for pieces in cuts(given):
        verdict = _http1(worker, given, pieces)
        first = verdict if first is None else first
        expect(verdict == first, "depends on the pieces", pieces, verdict, first)


def _http1(worker: Any, given: bytes, pieces: list[bytes]) -> object:
    side = Wireless(worker, chooser(given), **SMALL)
    side.connect(HttpConnection(side.site.parts, "http"))
    side.feed(pieces)
    for _ in range(5):
        side.turn(0.01)
    site, written = side.site, side.wire.value()
    seen = [(r.method, r.path, site.content_of(r)) for r in site.requests]
    if not site.upgrades and worker is not _later:
        finals, _ = answers_in(written, _methods(given, seen))
        seen.append(tuple(each.status for each in finals if each.status < 400))
    side.hang_up()
    return seen, bool(site.upgrades)


def _methods(given: bytes, seen: list[Any]) -> tuple[str, ...]:
    return tuple(each[0] for each in seen)


def check_http2(given: bytes) -> None:
    """No bytes behind the preface raise; what is written are frames, and they are bounded."""
    choices = chooser(given)
    side = Wireless(choices.choice(WORKERS), choices, h2c=True, **SMALL)
    side.connect(Http2Connection(side.site.parts, "http"))
    pieces = choices.choice(list(cuts(given)))
    side.feed([PREFACE, *pieces])
    if choices.random() < 0.2:
        side.turn(400.0)
    written = side.wire.value()
    expect(len(written) < MAX_WRITTEN, len(written))
    while written:
        frame, length = Frame.parse_frame_header(memoryview(written[:9]))
        expect(len(written) >= 9 + length, "half a frame", written[:20])
        frame.parse_body(memoryview(written[9 : 9 + length]))
        written = written[9 + length :]
    for request in side.site.requests:
        expect(request.http_version == "2" and request.path[:1] in "/*", request)
    side.hang_up()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    head = len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big")
    return head + payload


def _head(stream: int, flags: int, path: bytes, method: bytes, *more: tuple[bytes, bytes]) -> bytes:
    return _frame(1, flags, stream, Encoder().encode(fields(path, method, *more)))


SETTINGS = _frame(4, 0, 0, b"")
_GET = _head(1, 5, b"/a", b"GET")
_POST = _head(1, 4, b"/b", b"POST", (b"content-length", b"5"))
HTTP2_WORDS = (
    *(SETTINGS, _GET, _POST, _head(3, 5, b"/c", b"HEAD"), _head(5, 4, b"/d", b"POST")),
    *(_frame(0, 1, 1, b"hello"), _frame(0, 0, 1, b"he"), _frame(0, 1, 5, b""), b"\x00\x00"),
    *(_frame(3, 0, 1, b"\0\0\0\x08"), _frame(6, 0, 0, b"pingping"), _frame(6, 1, 0, b"pingping")),
    *(_frame(8, 0, 0, b"\0\0\1\0"), _frame(8, 0, 1, b"\x7f\xff\xff\xff"), _frame(4, 1, 0, b"")),
    *(_frame(7, 0, 0, bytes(8)), _frame(2, 0, 1, b"\0\0\0\3\1"), _frame(9, 4, 1, b"\x82")),
    *(_frame(1, 1, 7, b"\x82"), _frame(4, 0, 0, b"\0\4\0\0\0\1"), _frame(4, 0, 0, b"\0\1\0\0\0\0")),
    *(_frame(5, 4, 1, b"\0\0\0\2\x82"), _frame(0x20, 0, 0, b"?"), _frame(0, 9, 1, b"\3abc\0\0\0")),
    _head(9, 4, b"/s", b"CONNECT", (b":protocol", b"websocket"), (b"sec-websocket-version", b"13")),
    _head(11, 5, b"/u", b"GET", (b"connection", b"close")),
    _head(13, 5, b"/u", b"GET", (b"UPPER", b"x"), (b"te", b"trailers")),
    _head(15, 4, b"/t", b"POST") + _frame(0, 0, 15, b"x" * 300) + _head(15, 5, b"/", b"GET"),
)

TARGETS = (
    Target(
        "http1",
        check_http1,
        [v.wire[:1500] for v in VECTORS if len(v.wire) < 4000],
        WORDS,
    ),
    Target(
        "http2",
        check_http2,
        [
            SETTINGS,
            SETTINGS + _GET,
            SETTINGS + _POST + _frame(0, 1, 1, b"hello"),
            b"".join(HTTP2_WORDS),
            SETTINGS + HTTP2_WORDS[-1],
            SETTINGS + HTTP2_WORDS[-4] + _frame(0, 0, 9, b"\x81\x80abcd"),
        ],
        HTTP2_WORDS,
    ),
)
