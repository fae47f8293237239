"""What a connection refuses by itself: malformed, oversized and unknown requests."""

import pytest
from pytest_twisted import ensureDeferred

from tests.interface_server.answering import page, serving

HOST = b"Host: x\r\n"

REFUSED = [
    (b"GET / HTTP/1.1\nHost: x\n\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n folded\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x\r\nA: \x00\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x\r\nA: \x0b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    (b"GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n", 400),
    (b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET /%ff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET /\xc3\xb6 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET a HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n", 501),
    (b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501),
    (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    (b"GET / HTTP/0.9\r\nHost: x\r\n\r\n", 505),
    (b"GET /\r\n\r\n", 505),
    (b"OPTIONS * RTSP/1.0\r\nHost: x\r\n\r\n", 505),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1, 1\r\n\r\na", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: +1\r\n\r\na", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 0x1\r\n\r\na", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\na", 400),
    (
        b"POST / HTTP/1.1\r\n"
        + HOST
        + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    (b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Expect: a-miracle\r\nContent-Length: 1\r\n\r\na", 417),
    (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 40_000 + b"\r\n\r\n", 431),
    (b"GET /" + b"a" * 40_000, 414),
    (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 100 + b"\r\n", 431),
    (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 99999999\r\n\r\n", 413),
    (b"POST /healthz HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\n", 413),
    (
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
        b"X-A: \x85\r\n\r\n",
        400,
    ),
    (
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
        b"Content-Length: 1\r\n\r\na",
        400,
    ),
]


@pytest.mark.parametrize(("sent", "status"), REFUSED)
@ensureDeferred
async def test_a_malformed_request_is_refused_and_the_connection_ends(
    sent: bytes, status: int
) -> None:
    """The client gets a readable page with the right status, no worker is asked."""
    async with serving(page) as (site, connect):
        client = await connect()
        response = await client.ask(sent)
        assert response.status == status
        assert response.headers[b"connection"] == b"close"
        assert response.body.startswith(b"%d " % status)
        client.transport.loseConnection()
        await client.closed()
        assert site.requests == []
        assert f" {status} [" in site.lines.getvalue()


CHUNKS_REFUSED = [
    b"z\r\n",
    b"-1\r\n",
    b"0x1\r\n",
    b" 1\r\na\r\n",
    b"1\na\n",
    b"1\r\nab\r\n",
    b"1\r\nabc",
    b"1;\x01\r\na\r\n",
    b"f" * 17 + b"\r\n",
    b"1;" + b"a" * 2000,
    b"0\r\nno trailer\r\n\r\n",
    b"0\r\n" + b"A: b\r\n" * 40 + b"\r\n",
]


@pytest.mark.parametrize("chunks", CHUNKS_REFUSED)
@ensureDeferred
async def test_malformed_chunks_are_refused(chunks: bytes) -> None:
    """A chunk that could be read in two ways ends the connection with 400."""
    async with serving(page) as (site, connect):
        client = await connect()
        head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert (await client.ask(head + chunks)).status == 400
        assert site.requests == []


@ensureDeferred
async def test_a_refusal_waits_for_the_answers_before_it() -> None:
    """What was asked for properly is answered first."""
    async with serving(page) as (_, connect):
        client = await connect()
        client.send(b"GET /good HTTP/1.1\r\nHost: x\r\n\r\n" + b"GET nonsense\r\n\r\n")
        assert (await client.response()).body == b"GET /good"
        assert (await client.response()).status in (400, 505)


@ensureDeferred
async def test_a_refused_upload_can_read_its_answer() -> None:
    """A client that goes on sending sees the 413 and no broken connection."""
    async with serving(page) as (_, connect):
        client = await connect()
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n")
        for _ in range(40):
            client.send(b"x" * 100_000)
        assert (await client.response()).status == 413


@ensureDeferred
async def test_names_with_underscores_are_dropped_and_the_rest_is_kept_in_order() -> None:
    """Names come in lower case, values without blanks around, duplicates stay."""
    async with serving(page) as (site, connect):
        client = await connect()
        client.send(
            b"GET /x%20%C3%B6?a=%20 HTTP/1.1\r\nHOST: x:1\r\nX_Real: 1\r\nA: \t 1 \t\r\na: 2\r\n"
            b"Latin: \xe9\r\n\r\n"
        )
        await client.response()
        request = site.requests[0]
        assert request.path == "/x ö"
        assert request.query_string == b"a=%20"
        assert request.headers == (
            (b"host", b"x:1"),
            (b"a", b"1"),
            (b"a", b"2"),
            (b"latin", b"\xe9"),
        )
        assert request.client is not None
        assert request.client[0] == "127.0.0.1"
        assert request.server is not None
        assert request.request_id.startswith("id")


@ensureDeferred
async def test_absolute_targets_and_the_asterisk_are_understood() -> None:
    """An absolute target's host counts for more than the Host header."""
    async with serving(page) as (site, connect):
        client = await connect()
        assert (await client.ask(b"GET http://y/a?b HTTP/1.1\r\nHost: x\r\n\r\n")).status == 200
        assert (await client.ask(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")).status == 200
        assert (await client.ask(b"GET http://y?b HTTP/1.1\r\nHost: x\r\n\r\n")).status == 200
        assert [request.path for request in site.requests] == ["/a", "*", "/"]
        assert dict(site.requests[0].headers)[b"host"] == b"y"
        assert site.requests[2].query_string == b"b"
