"""Exchanges when the layer lost their requests, or when a stream stops, over real sockets."""

import pytest
import structlog
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.task import deferLater

from channel_layer.layer import Awaited, Send
from shared import codec
from shared.messages import HttpRequest
from tests.interface_server.answering import Client, Site, answer, page, serving

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b"


def never(site: Site, request: HttpRequest) -> None:
    """A worker that does not answer."""


def begin(site: Site, request: HttpRequest) -> None:
    """A worker that gives a part and says nothing more."""
    site.reply(request, answer(b"one", more_content=True))


async def asked(site: Site, client: Client, sent: bytes) -> None:
    """Returns when the request of `sent` is with the workers."""
    client.send(sent)
    await site.until(lambda: len(site.requests) == 1)
    await site.until(lambda: True)


@pytest.mark.parametrize("body", [b"", b"x" * 65536], ids=["empty", "64 KiB"])
@ensureDeferred
async def test_a_lost_request_is_sent_again_and_answered(body: bytes) -> None:
    """The same request with the same body and name, as its second attempt."""
    async with serving(never) as (site, connect):
        client = await connect()
        await asked(site, client, POST % (len(body), body))
        (channel, receiver), *_ = site.receivers.items()
        assert receiver.awaited() == Awaited("http.request", channel, 0)
        assert receiver.lost(0)
        first, second = site.requests
        assert first == second
        sends = [o for o in site.operations if isinstance(o, Send) and o.channel == "http.request"]
        assert [send.attempt for send in sends] == [1, 2]
        page(site, second)
        assert (await client.response(b"POST")).status == 200
        assert site.counters["http.sent_again"] == 1


@pytest.mark.parametrize(
    ("body", "settings"),
    [(b"x" * 65537, {}), (b"x" * 2000, {"inline_body": 1000})],
    ids=["more than is kept", "in chunks"],
)
@ensureDeferred
async def test_a_lost_request_that_is_not_at_hand_is_a_503_at_once(
    body: bytes, settings: dict[str, int]
) -> None:
    """The client is told to try again, and one line says why."""
    async with serving(never, **settings) as (site, connect):
        client = await connect()
        await asked(site, client, POST % (len(body), body))
        (receiver,) = site.receivers.values()
        with structlog.testing.capture_logs() as lines:
            assert not receiver.lost(0)
            response = await client.response(b"POST")
        assert (response.status, response.headers[b"retry-after"]) == (503, b"1")
        assert [line["event"] for line in lines] == ["request_lost"]
        assert site.counters["http.lost"] == 1
        assert not site.receivers


@ensureDeferred
async def test_a_receipt_ends_the_wait_for_the_request() -> None:
    """Whoever has taken it, or will answer later, is not asked about."""
    for kind, later in (("taken", False), ("done", True)):
        async with serving(never) as (site, connect):
            client = await connect()
            await asked(site, client, GET)
            site.receipt(site.requests[0], kind, later)
            (receiver,) = site.receivers.values()
            assert receiver.awaited() is None
            page(site, site.requests[0])
            assert (await client.response()).status == 200


@ensureDeferred
async def test_a_receipt_that_came_while_the_layer_was_asked_counts() -> None:
    """Somebody has the request after all: it is neither sent again nor is its answer cut."""
    for worker, rest in ((never, answer(b"oneend")), (begin, {"content": b"end"})):
        async with serving(worker) as (site, connect):
            client = await connect()
            await asked(site, client, GET)
            (receiver,) = site.receivers.values()
            assert receiver.awaited() is not None
            site.receipt(site.requests[0], "taken")
            assert not receiver.lost(0)
            assert len(site.requests) == 1
            site.reply(site.requests[0], rest)
            assert (await client.response()).body == b"oneend"


@ensureDeferred
async def test_what_waits_at_a_stop_is_answered_and_a_stream_is_not() -> None:
    """A 503 that says when to come again, on a connection that ends; a stream is only cut."""
    for is_later in (False, True):
        async with serving(never) as (site, connect):
            client = await connect()
            await asked(site, client, GET)
            if is_later:
                site.receipt(site.requests[0], "done", later=True)
            site.parts.drain()
            with structlog.testing.capture_logs() as lines:
                gone = site.parts.refuse_waiting()
                response = await client.response()
            assert (response.status, response.headers[b"retry-after"]) == (503, b"1")
            assert response.headers[b"connection"] == b"close"
            assert [line["event"] for line in lines] == ["request_unanswered_at_stop"]
            assert not site.receivers
            await gone
    async with serving(begin) as (site, connect):
        client = await connect()
        client.send(GET)
        await client.until(lambda: b"one" in client.received)
        site.parts.drain()
        site.parts.refuse_waiting()
        assert site.receivers
        site.parts.abort_all()
        await client.closed()
        assert not client.received.endswith(b"0\r\n\r\n")


@ensureDeferred
async def test_half_an_answer_whose_next_part_may_be_lost_is_cut() -> None:
    """Also where nobody awaits anything: its end would hide the hole."""
    async with serving(begin) as (site, connect):
        client = await connect()
        client.send(GET)
        await client.until(lambda: b"one" in client.received)
        site.receipt(site.requests[0], "done", later=True)
        (receiver,) = site.receivers.values()
        with structlog.testing.capture_logs() as lines:
            receiver.missed()
            await client.closed()
        assert not client.received.endswith(b"0\r\n\r\n")
        assert [line["event"] for line in lines] == ["replies_lost"]
        assert not site.receivers


@ensureDeferred
async def test_half_an_answer_whose_request_is_lost_is_cut() -> None:
    """The client must not wait for the rest, nor take it for a whole one."""
    async with serving(begin) as (site, connect):
        client = await connect()
        client.send(GET)
        await client.until(lambda: b"one" in client.received)
        (receiver,) = site.receivers.values()
        assert receiver.awaited() is not None
        with structlog.testing.capture_logs() as lines:
            assert not receiver.lost(0)
            await client.closed()
        assert not client.received.endswith(b"0\r\n\r\n")
        assert [line["event"] for line in lines] == ["request_lost"]
        assert not site.receivers


@ensureDeferred
async def test_a_stream_that_stops_is_cut_after_the_time_for_an_answer() -> None:
    """Each chunk starts that time anew; the log says that no word came."""
    async with serving(begin, http_timeout_s=0.3) as (site, connect):
        client = await connect()
        client.send(GET)
        await site.until(lambda: len(site.requests) == 1)
        for chunk in (b"two", b"three", b"four"):
            await deferLater(reactor, 0.2)  # type: ignore[arg-type]
            site.reply(site.requests[0], {"content": chunk, "more_content": True})
        await client.until(lambda: b"four" in client.received)
        with structlog.testing.capture_logs() as lines:
            await client.closed()
        assert [line["event"] for line in lines] == ["response_stopped"]
        assert site.counters["http.response_stopped"] == 1
        assert not site.receivers


@ensureDeferred
async def test_a_stream_behind_later_has_no_deadline() -> None:
    """Server-sent events may be silent for as long as they like."""

    def begin_for_long(site: Site, request: HttpRequest) -> None:
        begin(site, request)
        site.receipt(request, "done", later=True)

    async with serving(begin_for_long, http_timeout_s=0.1) as (site, connect):
        client = await connect()
        client.send(GET)
        await client.until(lambda: b"one" in client.received)
        await deferLater(reactor, 0.3)  # type: ignore[arg-type]
        site.reply(site.requests[0], {"content": b"end"})
        assert (await client.response()).body == b"oneend"


@ensureDeferred
async def test_a_large_body_says_the_place_of_each_chunk() -> None:
    """A reader that finds a hole, after a loss of data, does not take the rest for the whole."""
    body = b"x" * 700_000
    async with serving(never, inline_body=1000) as (site, connect):
        client = await connect()
        await asked(site, client, POST % (len(body), body))
        chunks = [o for o in site.operations if isinstance(o, Send) and "?" in o.channel]
        assert [chunk.order for chunk in chunks] == list(range(len(chunks)))
        content = b"".join(codec.decode_body_chunk(chunk.payload).content for chunk in chunks)
        assert content == body
