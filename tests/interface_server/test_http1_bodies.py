"""Request bodies over a real socket: inline, in chunks through the layer, bounded, abandoned."""

import pytest
from pytest_twisted import ensureDeferred

from channel_layer.answers import Verdict
from channel_layer.layer import Drop, Send
from shared.errors import LayerUnavailable
from shared.messages import HttpRequest
from tests.interface_server.answering import Site, page, serving

KIB = 1024


def post(body: bytes, *headers: bytes) -> bytes:
    """A request with that body."""
    lines = b"".join(header + b"\r\n" for header in headers)
    length = b"Content-Length: %d\r\n" % len(body)
    return b"POST /up HTTP/1.1\r\nHost: x\r\n" + length + lines + b"\r\n" + body


def chunked(body: bytes) -> bytes:
    """A request with that body in one chunk."""
    head = b"POST /up HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"


def never(site: Site, request: HttpRequest) -> None:
    """A worker that does not answer."""


@pytest.mark.parametrize("made", [post, chunked])
@ensureDeferred
async def test_a_small_body_travels_inside_the_request(made: object) -> None:
    """Up to the inline limit, nothing else is sent."""
    async with serving(page, inline_body=1000) as (site, connect):
        client = await connect()
        assert (await client.ask(made(b"b" * 1000))).status == 200
        assert site.requests[0].body == b"b" * 1000
        assert site.requests[0].body_channel is None
        assert len(site.operations) == 1
        assert site.parts.budget.held_bytes == 0


@pytest.mark.parametrize("made", [post, chunked])
@ensureDeferred
async def test_a_large_body_is_complete_in_the_layer_before_its_request(made: object) -> None:
    """Chunks come first, in order, the last one says so; the request names their channel."""
    body = bytes(range(256)) * 4096
    async with serving(page) as (site, connect):
        client = await connect()
        assert (await client.ask(made(body))).status == 200
        request = site.requests[0]
        assert request.body == b""
        assert request.body_channel is not None
        chunks = site.bodies[request.body_channel]
        assert b"".join(chunk.content for chunk in chunks) == body
        assert [chunk.more_content for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
        assert isinstance(site.operations[-1], Send)
        assert site.operations[-1].channel == "http.request"
        assert site.parts.budget.held_bytes == 0


@ensureDeferred
async def test_a_full_list_makes_the_chunk_wait_and_not_the_order() -> None:
    """A refused chunk is tried again before the next one."""
    body = bytes(range(256)) * 6000
    async with serving(page) as (site, connect):
        site.verdicts = [Verdict.DONE, Verdict.FULL, Verdict.FULL, Verdict.DONE, Verdict.FULL]
        client = await connect()
        assert (await client.ask(post(body))).status == 200
        channel = site.requests[0].body_channel
        assert channel is not None
        assert b"".join(chunk.content for chunk in site.bodies[channel]) == body


@ensureDeferred
async def test_a_list_that_stays_full_refuses_the_upload() -> None:
    """The wait for room ends with the time for an answer."""
    async with serving(page, http_timeout_s=0.1) as (site, connect):
        site.verdicts = [Verdict.FULL] * 50
        client = await connect()
        assert (await client.ask(post(b"b" * 600 * KIB))).status == 503
        assert site.parts.budget.held_bytes == 0
        assert site.requests == []


@ensureDeferred
async def test_too_large_bodies_get_413_before_or_while_they_come() -> None:
    """By their Content-Length at once, in chunks when the limit is passed."""
    async with serving(page, max_body=100 * KIB) as (site, connect):
        client = await connect()
        assert (await client.ask(post(b"")[:-2] + b"\r\n")).status == 200
        client = await connect()
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 102401\r\n"
        assert (await client.ask(head + b"Expect: 100-continue\r\n\r\n")).status == 413
        client = await connect()
        assert (await client.ask(chunked(b"b" * 102401))).status == 413
        assert len(site.requests) == 1
        assert site.parts.budget.held_bytes == 0


@ensureDeferred
async def test_all_bodies_together_are_bounded() -> None:
    """Past the bound a body gets 503 with Retry-After; what ended gives its bytes back."""
    async with serving(never, bodies_total=150 * KIB) as (site, connect):
        first, second = await connect(), await connect()
        first.send(post(b"b" * 100 * KIB))
        await site.until(lambda: len(site.requests) == 1)
        response = await second.ask(post(b"b" * 100 * KIB))
        assert response.status == 503
        assert response.headers[b"retry-after"] == b"1"
        assert site.counters["http.bodies_full"] == 1
        page(site, site.requests[0])
        assert (await first.response()).status == 200
        assert site.parts.budget.held_bytes == 0


@ensureDeferred
async def test_an_upload_whose_client_leaves_is_dropped() -> None:
    """The layer forgets the chunks, no worker hears of it."""
    async with serving(page) as (site, connect):
        client = await connect()
        client.send(post(b"b" * 900 * KIB)[: -100 * KIB])
        await site.until(lambda: len(site.bodies) == 1)
        client.transport.abortConnection()
        await site.until(lambda: isinstance(site.operations[-1], Drop))
        assert site.requests == []
        assert site.bodies == {}
        assert site.parts.budget.held_bytes == 0


@ensureDeferred
async def test_a_layer_that_is_away_refuses_the_upload() -> None:
    """The client gets 503 with Retry-After while it still sends."""
    async with serving(page) as (site, connect):
        site.failure = LayerUnavailable("away")
        client = await connect()
        response = await client.ask(post(b"b" * 900 * KIB)[:-1])
        assert response.status == 503
        assert response.headers[b"retry-after"] == b"1"


@ensureDeferred
async def test_a_client_that_expects_it_is_told_to_continue() -> None:
    """100 goes out once, before the body, and the answer follows."""
    async with serving(page) as (site, connect):
        client = await connect()
        whole = post(b"body", b"Expect: 100-continue")
        client.send(whole[:-4])
        await client.until(lambda: client.received == b"HTTP/1.1 100 Continue\r\n\r\n")
        client.received = b""
        assert (await client.ask(b"body")).status == 200
        assert site.requests[0].body == b"body"


@ensureDeferred
async def test_a_slow_body_gets_408() -> None:
    """A body that brings too little in its time ends the connection."""
    async with serving(page, body_timeout_s=0.1) as (site, connect):
        client = await connect()
        assert (await client.ask(post(b"body")[:-1])).status == 408
        assert site.parts.budget.held_bytes == 0


@ensureDeferred
async def test_an_abandoned_answer_drops_its_body() -> None:
    """When the server answers for the workers, the chunks are forgotten too."""
    async with serving(never, http_timeout_s=0.2) as (site, connect):
        client = await connect()
        assert (await client.ask(post(b"b" * 600 * KIB))).status == 503
        assert site.operations[-1] == Drop(site.requests[0].body_channel or "")
