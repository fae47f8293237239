"""Requests and answers over HTTP/2: the same exchange as over HTTP/1.1, over real sockets."""

from functools import partial
from pathlib import Path

from hyperframe.frame import (
    DataFrame,
    HeadersFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from pytest_twisted import ensureDeferred

from channel_layer.answers import Verdict
from interface_server.http_upload import CHUNK
from interface_server.settings import Mount
from shared.messages import HttpRequest
from tests.interface_server.answering import Site, answer, page
from tests.interface_server.h2_client import H2Client, fields, serving_h2

LARGE = bytes(range(256)) * 4096
"""1 MiB, past every window that is open at the start."""


def never(site: Site, request: HttpRequest) -> None:
    """A worker that does not answer."""


def echo(site: Site, request: HttpRequest) -> None:
    """A worker that answers with the body."""
    body = request.body
    if request.body_channel is not None:
        body = b"".join(chunk.content for chunk in site.bodies[request.body_channel])
    site.reply(request, answer(body))
    site.receipt(request, "done")


@ensureDeferred
async def test_a_request_is_answered() -> None:
    """The worker sees version 2, the host and the path; the client gets its head and content."""
    async with serving_h2(page) as (site, connect):
        client = await connect()
        status, head, body = await client.get(b"/%C3%A4?q=1")
        assert (status, body) == (200, "GET /ä".encode())
        assert head[b"x-worker"] == b"1"
        assert head[b"content-length"] == b"7"
        assert {b"date", b"server"} <= set(head)
        request = site.requests[0]
        assert (request.http_version, request.query_string) == ("2", b"q=1")
        assert dict(request.headers)[b"host"] == b"x"
        assert "GET /%C3%A4 200" in site.lines.getvalue()


@ensureDeferred
async def test_streams_run_beside_each_other() -> None:
    """A slow answer holds no other one up."""
    async with serving_h2(never) as (site, connect):
        client = await connect()
        slow, fast = client.ask(fields(b"/slow", b"POST")), client.ask(fields(b"/fast", b"POST"))
        await site.until(lambda: len(site.requests) == 2)
        page(site, site.requests[1])
        assert (await client.answer(fast))[2] == b"POST /fast"
        page(site, site.requests[0])
        assert (await client.answer(slow))[2] == b"POST /slow"


@ensureDeferred
async def test_bodies_come_whole() -> None:
    """Small ones in the message, large ones in chunks as the windows are given back."""
    async with serving_h2(echo, inline_body=100_000, http2_window=65536) as (site, connect):
        client = await connect()
        stream = client.ask(fields(b"/a", b"POST", (b"content-length", b"5")), b"he", b"llo")
        assert (await client.answer(stream))[2] == b"hello"
        await client.until(lambda: bool(client.of(SettingsFrame)))
        stream = client.ask(fields(b"/a", b"POST"), is_end=False)
        for sent in range(0, len(LARGE), 16384):
            await client.until(partial(_has_room, client, stream, sent + 16384 - 65536))
            client.put(DataFrame(stream, data=LARGE[sent : sent + 16384]))
        client.put(DataFrame(stream, flags=["END_STREAM"]))
        assert (await client.answer(stream))[2] == LARGE
        assert site.parts.budget.held_bytes == 0


def _given(client: H2Client, stream: int) -> int:
    """What the server let the client send beyond its first window."""
    updates = client.of(WindowUpdateFrame)
    return sum(frame.window_increment for frame in updates if frame.stream_id == stream)


def _has_room(client: H2Client, stream: int, size: int) -> bool:
    return _given(client, stream) >= size


@ensureDeferred
async def test_a_window_stays_shut_while_the_layer_is_behind() -> None:
    """A client may send ahead of the workers what the window holds, and no more."""
    async with serving_h2(echo, inline_body=1000) as (site, connect):
        client = await connect()
        site.verdicts += [Verdict.FULL] * 1000
        stream = client.ask(fields(b"/a", b"POST"), is_end=False)
        first = site.settings.http2_window
        sent, room = 0, first
        while room:
            for _ in range(room // 16384 + 1):
                piece = bytes(min(16384, room))
                client.put(DataFrame(stream, data=piece))
                sent, room = sent + len(piece), room - len(piece)
            assert (await client.get(b"/healthz"))[0] == 200
            room = _given(client, stream) + first - sent
        assert 2 * CHUNK <= sent <= 2 * CHUNK + first
        assert site.parts.budget.held_bytes == sent
        site.verdicts.clear()
        await client.until(lambda: _given(client, stream) + first > sent)


@ensureDeferred
async def test_an_expectation_is_met_at_once() -> None:
    """100 comes before the body, then the answer."""
    async with serving_h2(echo) as (_, connect):
        client = await connect()
        head = fields(b"/a", b"POST", (b"expect", b"100-continue"), (b"content-length", b"2"))
        stream = client.ask(head, is_end=False)
        await client.until(lambda: stream in client.heads)
        assert client.heads[stream] == [{b":status": b"100"}]
        client.put(DataFrame(stream, data=b"ab", flags=["END_STREAM"]))
        assert (await client.answer(stream))[2] == b"ab"


@ensureDeferred
async def test_what_has_no_content_ends_with_its_head() -> None:
    """HEAD, 204 and 304 come in one frame, 205 with a length of zero."""

    def worker(site: Site, request: HttpRequest) -> None:
        status = int(request.path[1:])
        site.reply(request, answer(b"content", status))
        site.receipt(request, "done")

    async with serving_h2(worker) as (_, connect):
        client = await connect()
        cases = (
            (b"HEAD", 200, b"7"),
            (b"GET", 204, None),
            (b"GET", 304, None),
            (b"GET", 205, b"0"),
        )
        for method, status, length in (*cases, (b"GET", 205, b"0")):
            got, head, body = await client.answer(client.ask(fields(b"/%d" % status, method)))
            assert (got, head.get(b"content-length"), body) == (status, length, b"")
        assert client.of(DataFrame) == []


@ensureDeferred
async def test_a_streamed_response_ends_with_its_last_chunk() -> None:
    """Content goes out as it comes; a handler that breaks off is seen as a reset."""

    def worker(site: Site, request: HttpRequest) -> None:
        site.reply(request, answer(b"one ", more_content=True))
        site.reply(request, {"content": b"two", "more_content": request.path != "/whole"})
        site.receipt(request, "done")

    async with serving_h2(worker) as (_, connect):
        client = await connect()
        assert (await client.get(b"/whole"))[2] == b"one two"
        assert await client.reset_of(client.ask(fields(b"/broken"))) == 2
        assert (await client.get(b"/whole"))[0] == 200


@ensureDeferred
async def test_files_are_sent_as_the_windows_open(tmp_path: Path) -> None:
    """A large file comes whole, to several streams at a time, in turns; ranges and HEAD hold."""
    (tmp_path / "large.bin").write_bytes(LARGE)
    async with serving_h2(never, static=(Mount("/static", tmp_path),)) as (site, connect):
        client = await connect()
        streams = [client.ask(fields(b"/static/large.bin")) for _ in range(3)]
        for stream in streams:
            assert (await client.answer(stream))[2] == LARGE
        order = [frame.stream_id for frame in client.of(DataFrame) if frame.data]
        assert set(order[:3]) == set(streams)
        ranged = fields(b"/static/large.bin", b"GET", (b"range", b"bytes=256-259"))
        status, head, body = await client.answer(client.ask(ranged))
        assert (status, body) == (206, bytes(range(4)))
        status, head, body = await client.answer(client.ask(fields(b"/static/large.bin", b"HEAD")))
        assert (head[b"content-length"], body) == (b"%d" % len(LARGE), b"")
        assert site.requests == []


@ensureDeferred
async def test_nothing_is_sent_past_a_window() -> None:
    """A client that gives no room gets what it allowed, and the rest when it allows it."""

    def worker(site: Site, request: HttpRequest) -> None:
        site.reply(request, answer(bytes(1000)))
        site.receipt(request, "done")

    async with serving_h2(worker) as (_, connect):
        client = await connect(settings={4: 100})
        client.gives_window = False
        stream = client.ask(fields())
        await client.until(lambda: len(client.bodies.get(stream, b"")) == 100)
        client.put(WindowUpdateFrame(stream, window_increment=1000))
        assert len((await client.answer(stream))[2]) == 1000


@ensureDeferred
async def test_a_cancelled_request_is_given_up() -> None:
    """Its client's reset is in the access log as 499; the connection goes on."""
    async with serving_h2(never) as (site, connect):
        client = await connect()
        stream = client.ask(fields(b"/gone"))
        await site.until(lambda: len(site.requests) == 1)
        client.put(RstStreamFrame(stream, error_code=8))
        await site.until(lambda: site.counters["http.client_gone"] == 1)
        assert "GET /gone 499" in site.lines.getvalue()
        assert (await client.answer(client.ask(fields(b"/healthz"))))[0] == 200


@ensureDeferred
async def test_an_upload_that_is_refused_is_answered_before_its_end() -> None:
    """413 comes at once, then the stream is reset without an error (RFC 9113 section 8.1)."""
    async with serving_h2(echo, max_body=1000) as (_, connect):
        client = await connect()
        for more in (((b"content-length", b"2000"),), ()):
            stream = client.ask(fields(b"/a", b"POST", *more), is_end=False)
            client.put(DataFrame(stream, data=bytes(2000)))
            assert (await client.answer(stream))[0] == 413
            assert await client.reset_of(stream) == 0
        assert (await client.answer(client.ask(fields(b"/a", b"POST"), b"ok")))[2] == b"ok"


@ensureDeferred
async def test_cookies_are_joined_and_underscores_dropped() -> None:
    """What a browser split is one header for the worker (RFC 9113 section 8.2.3)."""
    async with serving_h2(page) as (site, connect):
        client = await connect()
        more = ((b"cookie", b"a=1"), (b"x_y", b"forged"), (b"cookie", b"b=2"), (b"te", b"trailers"))
        await client.answer(client.ask(fields(b"/a", b"GET", *more)))
        assert dict(site.requests[0].headers) == {
            b"host": b"x",
            b"cookie": b"a=1; b=2",
            b"te": b"trailers",
        }


@ensureDeferred
async def test_a_proxy_speaks_for_its_client() -> None:
    """Scheme and host of a trusted one are believed; https without one is misdirected."""
    secure = ((b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/a"), (b"host", b"y"))
    said = ((b"x-forwarded-proto", b"https"), (b"x-forwarded-for", b"203.0.113.7"))
    async with serving_h2(page, trusted_proxies=("127.0.0.0/8",)) as (site, connect):
        client = await connect()
        assert (await client.answer(client.ask((*secure, *said))))[0] == 200
        assert (site.requests[0].scheme, site.requests[0].client) == ("https", ("203.0.113.7", 0))
    async with serving_h2(page) as (site, connect):
        client = await connect()
        assert (await client.answer(client.ask((*secure, *said))))[0] == 421
        assert site.requests == []


@ensureDeferred
async def test_trailers_are_dropped() -> None:
    """They end the body and reach nobody."""
    async with serving_h2(echo) as (site, connect):
        client = await connect()
        stream = client.ask(fields(b"/a", b"POST"), b"body", is_end=False)
        client.put(client.head(stream, ((b"x-sum", b"1"),)))
        assert (await client.answer(stream))[2] == b"body"
        assert b"x-sum" not in dict(site.requests[0].headers)
        assert len(client.of(HeadersFrame)) == 1
