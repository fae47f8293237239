"""Each rule of HTTP/2 that a client may break, and what it gets: a table, over real sockets.

The outcome of a vector is `reset CODE`, `goaway CODE` or the status of an answer. After everything
but a GOAWAY the connection must answer another request.
"""

from collections.abc import Callable
from typing import NamedTuple

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    HeadersFrame,
    PingFrame,
    SettingsFrame,
)
from pytest_twisted import ensureDeferred

from shared.messages import HttpRequest
from tests.interface_server.answering import Site, page
from tests.interface_server.h2_client import PREFACE, Fields, H2Client, fields, raw, serving_h2

PROTOCOL, FLOW, CLOSED, SIZE, REFUSED, COMPRESSION = 1, 3, 5, 6, 7, 9
CALM = 11

BAD = f"goaway {PROTOCOL}"
ONE = b"\0\0\0\1"
GET, POST = b"GET", b"POST"
M, S, A, P = (b":method", GET), (b":scheme", b"http"), (b":authority", b"x"), (b":path", b"/a")


def never(site: Site, request: HttpRequest) -> None:
    """A worker that does not answer."""


class Vector(NamedTuple):
    """`sent` are a request's fields, or do what breaks the rule and give the stream it is about."""

    section: str
    name: str
    sent: Fields | Callable[[H2Client], int]
    outcome: str


def with_field(name: bytes, value: bytes) -> Fields:
    """A good request and one more field."""
    return (M, S, A, P, (name, value))


def body(length: bytes, *pieces: bytes) -> Callable[[H2Client], int]:
    """A body that is announced with `length`."""

    def send(client: H2Client) -> int:
        return client.ask(fields(b"/a", POST, (b"content-length", length)), *pieces)

    return send


def frames(*sent: bytes, about: int = 1) -> Callable[[H2Client], int]:
    """Those bytes, then."""

    def send(client: H2Client) -> int:
        client.send(b"".join(sent))
        return about

    return send


def open_then(*sent: bytes, is_end: bool = True) -> Callable[[H2Client], int]:
    """A request on stream 1, then those bytes."""

    def send(client: H2Client) -> int:
        stream = client.ask(fields(b"/wait", POST), is_end=is_end)
        client.send(b"".join(sent))
        return stream

    return send


def trailers(head: Fields, is_end: bool = True) -> Callable[[H2Client], int]:
    """A request whose content is followed by `head`."""

    def send(client: H2Client) -> int:
        stream = client.ask(fields(b"/a", POST), b"x", is_end=False)
        client.put(client.head(stream, head, is_end))
        return stream

    return send


def split_block(client: H2Client) -> int:
    """A block of headers in two frames."""
    whole = client.head(1, fields())
    first = HeadersFrame(1, data=whole.data[:5], flags=["END_STREAM"])
    client.put(first, ContinuationFrame(1, data=whole.data[5:], flags=["END_HEADERS"]))
    client._next = 3
    return 1


def broken_block(client: H2Client) -> int:
    """Another frame in the midst of a block."""
    whole = client.head(1, fields())
    client.put(HeadersFrame(1, data=whole.data[:5]), PingFrame(0, opaque_data=b"12345678"))
    return 1


def older_stream(client: H2Client) -> int:
    """A stream below one that was opened."""
    client._next = 5
    client.ask(fields())
    client._next = 3
    return client.ask(fields())


def padded(client: H2Client) -> int:
    """A request with padding and old priorities."""
    frame = client.head(1, fields())
    frame.flags.add("PADDED")
    frame.flags.add("PRIORITY")
    frame.pad_length, frame.stream_weight = 20, 15
    client.put(frame)
    client._next = 3
    return 1


ALTERED = [
    Vector("8.2.1", "upper case", with_field(b"X-A", b"1"), f"reset {PROTOCOL}"),
    Vector("8.2.1", "a blank in a name", with_field(b"x a", b"1"), f"reset {PROTOCOL}"),
    Vector("8.2.1", "an empty name", with_field(b"", b"1"), f"reset {PROTOCOL}"),
    Vector("8.2.1", "a colon in a name", with_field(b"x:a", b"1"), f"reset {PROTOCOL}"),
    Vector("8.2.1", "zero in a name", with_field(b"\0content-length", b"0"), f"reset {PROTOCOL}"),
    Vector("8.2.1", "CR LF in a value", with_field(b"x", b"1\r\ny: 2"), f"reset {PROTOCOL}"),
    Vector("8.2.1", "LF in a value", with_field(b"x", b"1\ny: 2"), f"reset {PROTOCOL}"),
    Vector("8.2.1", "zero in a value", with_field(b"x", b"1\x00"), f"reset {PROTOCOL}"),
    Vector("8.2.1", "a blank before a value", with_field(b"x", b" 1"), f"reset {PROTOCOL}"),
    Vector("8.2.1", "a tab behind a value", with_field(b"x", b"1\t"), f"reset {PROTOCOL}"),
    Vector("8.2.1", "DEL in a value", with_field(b"x", b"\x7f"), f"reset {PROTOCOL}"),
    Vector("8.2.2", "connection", with_field(b"connection", b"close"), f"reset {PROTOCOL}"),
    Vector("8.2.2", "keep-alive", with_field(b"keep-alive", b"1"), f"reset {PROTOCOL}"),
    Vector("8.2.2", "proxy-connection", with_field(b"proxy-connection", b"x"), f"reset {PROTOCOL}"),
    Vector("8.2.2", "upgrade", with_field(b"upgrade", b"h2c"), f"reset {PROTOCOL}"),
    Vector(
        "8.2.2", "transfer-encoding", with_field(b"transfer-encoding", b"chunked"), "reset 1"
    ),
    Vector("8.2.2", "te other than trailers", with_field(b"te", b"gzip"), f"reset {PROTOCOL}"),
    Vector("8.2.2", "te trailers", with_field(b"te", b"trailers"), "200"),
    Vector("8.3", "unknown pseudo field", (M, S, A, P, (b":x", b"1")), f"reset {PROTOCOL}"),
    Vector("8.3", "a response's", (M, S, A, P, (b":status", b"200")), f"reset {PROTOCOL}"),
    Vector("8.3", "late pseudo field", (M, S, A, (b"x", b"1"), P), f"reset {PROTOCOL}"),
    Vector("8.3.1", "no method", (S, A, P), f"reset {PROTOCOL}"),
    Vector("8.3.1", "no scheme", (M, A, P), f"reset {PROTOCOL}"),
    Vector("8.3.1", "no path", (M, S, A), f"reset {PROTOCOL}"),
    Vector("8.3.1", "two methods", (M, M, S, A, P), f"reset {PROTOCOL}"),
    Vector("8.3.1", "two schemes", (M, S, S, A, P), f"reset {PROTOCOL}"),
    Vector("8.3.1", "two paths", (M, S, A, P, P), f"reset {PROTOCOL}"),
    Vector("8.3.1", "two authorities", (M, S, A, A, P), f"reset {PROTOCOL}"),
    Vector("8.3.1", "empty path", (M, S, A, (b":path", b"")), f"reset {PROTOCOL}"),
    Vector("8.3.1", "relative path", (M, S, A, (b":path", b"a")), f"reset {PROTOCOL}"),
    Vector("8.3.1", "'*' for GET", (M, S, A, (b":path", b"*")), f"reset {PROTOCOL}"),
    Vector(
        "8.3.1", "'*' for OPTIONS", ((b":method", b"OPTIONS"), S, A, (b":path", b"*")), "200"
    ),
    Vector("8.3.1", "a blank in the path", (M, S, A, (b":path", b"/a b")), f"reset {PROTOCOL}"),
    Vector("8.3.1", "CR LF in the path", (M, S, A, (b":path", b"/a\r\nx: y")), "reset 1"),
    Vector("8.3.1", "CR LF in the method", ((b":method", b"G\r\nT"), S, A, P), "reset 1"),
    Vector("8.3.1", "CR LF in the authority", (M, S, (b":authority", b"x\r\na: b"), P), "reset 1"),
    Vector("8.3.1", "empty authority", (M, S, (b":authority", b""), P), f"reset {PROTOCOL}"),
    Vector("8.3.1", "user in the authority", (M, S, (b":authority", b"u@x"), P), "400"),
    Vector("8.3.1", "another host", (M, S, A, P, (b"host", b"y")), f"reset {PROTOCOL}"),
    Vector("8.3.1", "the same host", (M, S, A, P, (b"host", b"X")), "200"),
    Vector("8.3.1", "a host alone", (M, S, P, (b"host", b"x")), "200"),
    Vector("8.3.1", "two hosts", (M, S, A, P, (b"host", b"x"), (b"host", b"x")), "400"),
    Vector("8.3.1", "no host at all", (M, S, P), "400"),
    Vector("8.3.1", "another scheme", (M, (b":scheme", b"ftp"), A, P), "400"),
    Vector("8.3.1", "a fragment", (M, S, A, (b":path", b"/a#b")), "400"),
    Vector("8.3.1", "a broken escape", (M, S, A, (b":path", b"/%zz")), "400"),
    Vector("8.3.1", "not ASCII", (M, S, A, (b":path", b"/\xff")), "400"),
    Vector("8.3.1", "unknown method", ((b":method", b"XGET"), S, A, P), "501"),
    Vector("8.5", "CONNECT", ((b":method", b"CONNECT"), A), "501"),
    Vector("8.5", "CONNECT with a path", ((b":method", b"CONNECT"), A, P, S), "reset 1"),
    Vector("8441 4", "a protocol without CONNECT", (M, S, A, P, (b":protocol", b"x")), "reset 1"),
    Vector("8.1.1", "a length that is no number", body(b"x", b"12"), "400"),
    Vector("8.1.1", "more content than said", body(b"1", b"12"), f"reset {PROTOCOL}"),
    Vector("8.1.1", "less content than said", body(b"3", b"12"), f"reset {PROTOCOL}"),
    Vector("8.1.1", "no content where said", body(b"3"), f"reset {PROTOCOL}"),
    Vector("8.1.1", "two lengths", (M, S, A, P, *([(b"content-length", b"0")] * 2)), "400"),
    Vector("8.1", "trailers", trailers(((b"x", b"1"),)), "200"),
    Vector("8.1", "pseudo fields in trailers", trailers((M,)), f"reset {PROTOCOL}"),
    Vector("8.1", "upper case in trailers", trailers(((b"X", b"1"),)), f"reset {PROTOCOL}"),
    Vector("8.1", "trailers that do not end", trailers(((b"x", b"1"),), False), "goaway 1"),
    Vector("10.5.1", "a head past --max-head", with_field(b"x", b"y" * 33_000), "431"),
    Vector("10.5.1", "headers past --max-headers", (M, S, A, P, *([(b"x", b"1")] * 150)), "431"),
]  # fmt: skip

FRAMES = [
    Vector("4.2", "a frame past 16 KiB", frames(raw(0, 0, 1, bytes(16385))), f"goaway {SIZE}"),
    Vector("4.3", "a block that is no HPACK", frames(raw(1, 5, 1, b"\xff" * 9)), "goaway 1"),
    Vector("5.1", "DATA on an idle stream", frames(raw(0, 1, 1, b"x")), "goaway 1"),
    Vector("5.1", "RST_STREAM on an idle stream", frames(raw(3, 0, 1, bytes(4))), "goaway 1"),
    Vector("5.1", "WINDOW_UPDATE on an idle stream", frames(raw(8, 0, 1, b"\0\0\0\1")), "goaway 1"),
    Vector("5.1", "CONTINUATION alone", frames(raw(9, 4, 1, b"x")), "goaway 1"),
    Vector("5.1", "DATA behind the end", open_then(raw(0, 1, 1, b"x")), f"reset {CLOSED}"),
    Vector("5.1", "an unknown kind", frames(raw(0xBA, 0, 0, b"grease"), about=0), "open"),
    Vector("5.1.1", "an even stream", frames(raw(1, 5, 2, b"\x82\x86\x84\x41\x01x")), "goaway 1"),
    Vector("5.1.1", "a stream below the last", older_stream, "goaway 1"),
    Vector("5.3", "a stream that depends on itself", frames(raw(2, 0, 1, ONE + b"\1")), "goaway 1"),
    Vector("6.1", "DATA on stream 0", frames(raw(0, 1, 0, b"x")), "goaway 1"),
    Vector("6.1", "padding past the frame", open_then(raw(0, 8, 1, b"\x09x"), is_end=False), BAD),
    Vector("6.2", "HEADERS on stream 0", frames(raw(1, 5, 0, b"\x82")), "goaway 1"),
    Vector("6.2", "another frame in a block", broken_block, "goaway 1"),
    Vector("6.2", "a block in two frames", split_block, "200"),
    Vector("6.2", "padding and priority", padded, "200"),
    Vector("6.3", "PRIORITY of a wrong size", frames(raw(2, 0, 1, bytes(4))), "goaway 6"),
    Vector("6.4", "RST_STREAM of a wrong size", open_then(raw(3, 0, 1, bytes(3))), "goaway 6"),
    Vector("6.4", "RST_STREAM on stream 0", frames(raw(3, 0, 0, bytes(4))), "goaway 1"),
    Vector("6.5", "SETTINGS of a wrong size", frames(raw(4, 0, 0, bytes(5))), "goaway 6"),
    Vector("6.5", "SETTINGS on a stream", frames(raw(4, 0, 1, b"")), "goaway 1"),
    Vector("6.5", "an ACK with content", frames(raw(4, 1, 0, bytes(6))), "goaway 6"),
    Vector("6.5.2", "ENABLE_PUSH of 2", frames(raw(4, 0, 0, b"\0\2\0\0\0\2")), "goaway 1"),
    Vector("6.5.2", "a window past 2^31-1", frames(raw(4, 0, 0, b"\0\4\x80\0\0\0")), "goaway 3"),
    Vector("6.5.2", "a frame size of 1", frames(raw(4, 0, 0, b"\0\5\0\0\0\1")), "goaway 1"),
    Vector("6.5.2", "an unknown setting", frames(raw(4, 0, 0, b"\x0a\x0a" + ONE), about=0), "open"),
    Vector("6.6", "PUSH_PROMISE of a client", open_then(raw(5, 4, 1, bytes(4))), "goaway 1"),
    Vector("6.7", "PING of a wrong size", frames(raw(6, 0, 0, bytes(6))), "goaway 6"),
    Vector("6.7", "PING on a stream", frames(raw(6, 0, 1, bytes(8))), "goaway 1"),
    Vector("6.8", "GOAWAY", frames(raw(7, 0, 0, bytes(8)), about=0), "open"),
    Vector("6.9", "an increment of 0", frames(raw(8, 0, 0, bytes(4))), "goaway 1"),
    Vector("6.9.1", "a window past 2^31-1", frames(raw(8, 0, 0, b"\x7f\xff\xff\xff")), "goaway 3"),
    Vector(
        "6.9.1",
        "a stream's window past 2^31-1",
        open_then(raw(8, 0, 1, b"\x7f\xff\xff\xff"), is_end=False),
        f"reset {FLOW}",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    "vector", [*ALTERED, *FRAMES], ids=lambda vector: f"{vector.section} {vector.name}"
)
@ensureDeferred
async def test_a_vector_has_its_outcome(vector: Vector) -> None:
    """Malformed requests end their stream, broken frames the connection, the rest is answered."""
    sent = vector.sent
    async with serving_h2(_unless_waiting) as (site, connect):
        client = await connect()
        stream = sent(client) if callable(sent) else client.ask(sent)
        kind, _, code = vector.outcome.partition(" ")
        if kind == "goaway":
            assert await client.goaway() == int(code)
            return
        if kind == "reset":
            assert await client.reset_of(stream) == int(code)
            assert all(request.path == "/wait" for request in site.requests)
        elif kind != "open":
            assert (await client.answer(stream))[0] == int(kind)
        client._next = 101
        assert (await client.get(b"/b"))[2] == b"GET /b"


def _unless_waiting(site: Site, request: HttpRequest) -> None:
    if request.path != "/wait":
        page(site, request)


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", PREFACE + bytes(9)])
@ensureDeferred
async def test_a_connection_begins_with_preface_and_settings(first: bytes) -> None:
    """Anything else ends it (RFC 9113 section 3.4)."""
    async with serving_h2(never) as (_, connect):
        client = await connect(greeting=first)
        assert await client.goaway() == PROTOCOL


@ensureDeferred
async def test_the_frames_of_the_server_are_its_settings_first() -> None:
    """It names its bounds and that sockets may be opened (RFC 8441 section 3)."""
    async with serving_h2(never, http2_streams=7, http2_window=70_000) as (_, connect):
        client = await connect()
        await client.until(lambda: len(client.frames) > 0)
        settings = client.frames[0]
        assert isinstance(settings, SettingsFrame)
        assert settings.settings[SettingsFrame.MAX_CONCURRENT_STREAMS] == 7
        assert settings.settings[SettingsFrame.INITIAL_WINDOW_SIZE] == 70_000
        assert settings.settings[SettingsFrame.ENABLE_CONNECT_PROTOCOL] == 1
