"""One connection over a real socket: what is answered, in which order, and when it ends."""

import pytest
from pytest_twisted import ensureDeferred

from shared.messages import HttpRequest
from tests.interface_server.answering import Site, answer, page, serving

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


def never(site: Site, request: HttpRequest) -> None:
    """A worker that does not answer."""


@ensureDeferred
async def test_requests_of_one_connection_are_answered_one_after_the_other() -> None:
    """A connection is kept and serves request after request, with Date and Server."""
    async with serving(page) as (site, connect):
        client = await connect()
        for path in (b"/one", b"/two"):
            response = await client.ask(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (response.status, response.body) == (200, b"GET " + path)
            assert response.headers[b"content-length"] == b"8"
            assert response.headers[b"server"] == b"channels-board"
            assert response.headers[b"date"].endswith(b"GMT")
            assert response.headers[b"x-worker"] == b"1"
        assert [request.path for request in site.requests] == ["/one", "/two"]
        assert not site.receivers
        assert site.lines.getvalue().count("HTTP GET /one 200 [") == 1


@ensureDeferred
async def test_pipelined_requests_are_answered_in_their_order() -> None:
    """Safe requests run side by side, their answers keep the order of the requests."""
    held: list[HttpRequest] = []

    def backwards(site: Site, request: HttpRequest) -> None:
        held.append(request)
        if len(held) == 3:
            for late in reversed(held):
                page(site, late)

    async with serving(backwards) as (_, connect):
        client = await connect()
        client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % at for at in range(3)))
        assert [(await client.response()).body for _ in range(3)] == [
            b"GET /0",
            b"GET /1",
            b"GET /2",
        ]


@ensureDeferred
async def test_an_unsafe_request_waits_for_those_before_it_and_holds_those_behind() -> None:
    """POST runs alone (RFC 9112 section 9.3.2)."""
    order: list[str] = []

    def worker(site: Site, request: HttpRequest) -> None:
        order.append(f"{request.method} beside {len(site.receivers)}")
        page(site, request)

    async with serving(worker) as (_, connect):
        client = await connect()
        post = b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
        client.send(GET + post + GET)
        bodies = [(await client.response()).body for _ in range(3)]
        assert bodies == [b"GET /a", b"POST /p", b"GET /a"]
        assert order == ["GET beside 1", "POST beside 1", "GET beside 1"]


@ensureDeferred
async def test_pipelining_is_bounded_in_depth() -> None:
    """No more requests of one connection run at a time than the setting says."""
    async with serving(never, pipeline_depth=4) as (site, connect):
        client = await connect()
        client.send(GET * 50)
        await site.until(lambda: len(site.requests) == 4)
        for request in list(site.requests):
            page(site, request)
        await site.until(lambda: len(site.requests) == 8)
        assert len(site.receivers) == 4


@ensureDeferred
async def test_a_flood_behind_an_unanswered_request_is_left_in_the_socket() -> None:
    """Reading pauses when too much waits, and goes on afterwards."""
    async with serving(never) as (site, connect):
        client = await connect()
        post = b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
        client.send(post + GET * 40_000)
        await site.until(lambda: len(site.requests) == 1)
        connection = next(iter(site.parts._connections))
        await site.until(lambda: True)
        while connection._is_reading:
            await site.until(lambda: True)
        assert connection._intake.must_wait
        page(site, site.requests[0])
        assert (await client.response()).body == b"POST /p"
        await site.until(lambda: len(site.requests) > 1)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@ensureDeferred
async def test_a_request_may_come_in_pieces_of_any_size(size: int) -> None:
    """Where the network cuts the bytes makes no difference."""
    async with serving(page) as (site, connect):
        client = await connect()
        whole = b"\r\nPOST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        whole += b"3;x=y\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nTrailer: t\r\n\r\n" + GET
        for at in range(0, len(whole), size):
            client.send(whole[at : at + size])
            await site.until(lambda: True)
        assert (await client.response()).body == b"POST /p"
        assert (await client.response()).body == b"GET /a"
        assert site.requests[0].body == b"abc0123456789abcdef"
        assert b"trailer" not in dict(site.requests[0].headers)


@ensureDeferred
async def test_head_and_statuses_without_content_send_none() -> None:
    """HEAD, 204 and 304 have no body, and the connection goes on."""

    def worker(site: Site, request: HttpRequest) -> None:
        status = int(request.path[1:])
        site.reply(request, answer(b"content", status))

    async with serving(worker) as (_, connect):
        client = await connect()
        response = await client.ask(b"HEAD /200 HTTP/1.1\r\nHost: x\r\n\r\n", b"HEAD")
        assert response.headers[b"content-length"] == b"7"
        assert response.body == b""
        for status in (204, 304):
            response = await client.ask(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % status)
            assert (response.status, response.body) == (status, b"")
            assert b"content-length" not in response.headers
        assert (await client.ask(b"GET /205 HTTP/1.1\r\nHost: x\r\n\r\n")).body == b""
        assert (await client.ask(b"GET /200 HTTP/1.1\r\nHost: x\r\n\r\n")).body == b"content"


def streaming(site: Site, request: HttpRequest) -> None:
    """A worker that answers in three messages."""
    site.reply(request, answer(b"one ", more_content=True))
    site.reply(request, {"content": b"two ", "more_content": True})
    site.reply(request, {"content": b"three"})
    site.receipt(request, "done")


@ensureDeferred
async def test_a_streamed_response_goes_out_in_chunks() -> None:
    """HTTP/1.1 gets chunks and keeps the connection."""
    async with serving(streaming) as (_, connect):
        client = await connect()
        for _ in range(2):
            response = await client.ask(GET)
            assert response.headers[b"transfer-encoding"] == b"chunked"
            assert response.body == b"one two three"


@ensureDeferred
async def test_a_streamed_response_to_http_1_0_ends_with_the_connection() -> None:
    """HTTP/1.0 knows no chunks."""
    async with serving(streaming) as (_, connect):
        client = await connect()
        client.send(b"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        await client.closed()
        assert client.received.endswith(b"\r\n\r\none two three")
        assert b"Connection: close" in client.received
        assert b"chunked" not in client.received


@pytest.mark.parametrize(
    ("request_bytes", "stays"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: x, CLOSE\r\n\r\n", False),
    ],
)
@ensureDeferred
async def test_the_connection_ends_when_the_request_says_so(
    request_bytes: bytes, stays: bool
) -> None:
    """Connection: close, and 1.0 without keep-alive."""
    async with serving(page) as (_, connect):
        client = await connect()
        response = await client.ask(request_bytes)
        assert response.body == b"GET /"
        if stays:
            assert response.headers[b"connection"] == b"keep-alive"
            assert (await client.ask(GET)).status == 200
        else:
            assert response.headers[b"connection"] == b"close"
            await client.closed()


@ensureDeferred
async def test_what_comes_behind_connection_close_is_not_served() -> None:
    """Bytes behind the last request are dropped."""
    async with serving(page) as (site, connect):
        client = await connect()
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + GET)
        assert (await client.response()).status == 200
        await client.closed()
        assert len(site.requests) == 1
