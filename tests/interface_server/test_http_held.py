"""Event streams and polls as exchanges, over real sockets."""

import json
from typing import Any

import pytest
import structlog
from pytest_twisted import ensureDeferred

from channel_layer.layer import Position
from interface_server.broadcasts import JOINED, Broadcast
from shared import codec
from shared.errors import InvalidMessage
from shared.messages import Hold, HttpRequest
from tests.event_reader import EventParser, Seen
from tests.interface_server.answering import Client, Site, answer, serving

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
HEADERS = ((b"content-type", b"text/event-stream"),)
SINCE = (("g", "e", 0),)


def events(site: Site, request: HttpRequest) -> None:
    """A worker that begins an event stream and is done."""
    site.raw_reply(request, codec.encode(Hold("events", HEADERS, b"retry: 5\n\n", SINCE)))
    site.receipt(request, "done", later=True)


def poll(site: Site, request: HttpRequest) -> None:
    """A worker that lets its client poll."""
    site.raw_reply(request, codec.encode(Hold("poll", (), b"", SINCE, 300)))
    site.receipt(request, "done", later=True)


def said(offset: int, **message: Any) -> Broadcast:
    """A message to the group."""
    return Broadcast("g", codec.pack(message or {"text": f"no {offset}"}), Position("e", offset))


async def listen(site: Site, client: Client, sent: bytes = GET) -> Any:
    """The receiver of a stream whose head is here."""
    known = set(site.receivers)
    client.send(sent)
    await client.until(lambda: b"retry: 5\n\n" in client.received)
    (channel,) = set(site.receivers) - known
    return site.receivers[channel]


@ensureDeferred
async def test_a_stream_of_events() -> None:
    """Its head, what its groups and workers say, no deadline, an end that is whole."""
    async with serving(events, http_timeout_s=0.05) as (site, connect):
        client = await connect()
        receiver = await listen(site, client)
        receiver.broadcast(said(1))
        receiver.broadcast(said(1))
        receiver.positioned("g", Position("e", 2), JOINED)
        site.reply(site.requests[0], {"text": "own", "event": "alone"})
        receiver.missed()
        assert not receiver.lost(0)
        site.reply(site.requests[0], {"content": b"data: raw\n\n", "more_content": True})
        site.reply(site.requests[0], {"content": b"", "more_content": False})
        response = await client.response()
        assert (response.status, response.headers[b"content-type"]) == (200, HEADERS[0][1])
        assert response.headers[b"connection"] == b"close"
        parser = EventParser()
        parser.feed(response.body)
        assert list(parser.events) == [
            Seen("no 1", id="g:e:1"),
            Seen("g", "joined", "g:e:2"),
            Seen("own", "alone", "g:e:2"),
            Seen("raw", id="g:e:2"),
        ]
        assert not site.held
        assert not site.receivers


@pytest.mark.parametrize("worker", [events, poll])
@ensureDeferred
async def test_head_asks_for_the_head_only(worker: Any) -> None:
    """It is answered at once and holds nothing."""
    async with serving(worker) as (site, connect):
        client = await connect()
        response = await client.ask(GET.replace(b"GET", b"HEAD"), b"HEAD")
        assert (response.status, response.body) == (200, b"")
        assert not site.held
        assert not site.receivers


@ensureDeferred
async def test_a_stream_over_http_1_0_ends_with_its_connection() -> None:
    """Nothing frames its events."""
    async with serving(events) as (site, connect):
        client = await connect()
        receiver = await listen(site, client, GET.replace(b"1.1", b"1.0"))
        receiver.broadcast(said(1, text="bye", close=True))
        await client.closed()
        head, _, body = client.received.partition(b"\r\n\r\n")
        assert b"chunked" not in head
        assert body == b"retry: 5\n\nid: g:e:1\ndata: bye\n\n"


@ensureDeferred
async def test_silence_is_broken() -> None:
    """A comment for each time that was agreed, whatever else is written."""
    async with serving(events, event_stream_heartbeat_s=0.05) as (site, connect):
        client = await connect()
        await listen(site, client)
        await client.until(lambda: client.received.count(b"\r\n:\n\n\r\n") >= 3)
        client.transport.abortConnection()
        await site.until(lambda: not site.held and not site.receivers)
        assert site.counters["http.client_gone"] == 1


@ensureDeferred
async def test_what_is_no_event_is_refused_and_the_stream_goes_on() -> None:
    """From its group the pump hears of it, from a worker the log and a counter."""
    async with serving(events) as (site, connect):
        client = await connect()
        receiver = await listen(site, client)
        with pytest.raises(InvalidMessage):
            receiver.broadcast(said(1, bytes=b"x"))
        with structlog.testing.capture_logs() as lines:
            site.reply(site.requests[0], {"text": "x", "event": "a\nid: 7"})
        assert [line["event"] for line in lines] == ["bad_reply"]
        assert site.counters["invalid_replies"] == 1
        receiver.broadcast(said(1, text="end", close=True))
        assert (await client.response()).body.endswith(b"id: g:e:1\ndata: end\n\n")


@ensureDeferred
async def test_a_second_head_cuts_the_stream() -> None:
    """A page cannot follow events, nor can another stream."""
    for message in (answer(b"page"), {"hold": "poll"}):
        async with serving(events) as (site, connect):
            client = await connect()
            await listen(site, client)
            with structlog.testing.capture_logs() as lines:
                site.reply(site.requests[0], message)
                await client.closed()
            assert [line["event"] for line in lines] == ["bad_reply"]
            assert not client.received.endswith(b"0\r\n\r\n")
            assert not site.held


@ensureDeferred
async def test_a_stop_sends_the_reader_on() -> None:
    """With a time to come again, and an end that is whole."""
    async with serving(events) as (site, connect):
        client = await connect()
        await listen(site, client)
        gone = site.parts.drain()
        (held,) = site.held
        held.stop()
        parser = EventParser()
        parser.feed((await client.response()).body)
        assert 250 <= (parser.retry_ms or 0) < 4000
        await gone


@ensureDeferred
async def test_a_reader_who_does_not_keep_up_is_cut_alone() -> None:
    """At the bound, with a line and a count; the others have everything."""
    async with serving(events, max_socket_output=600_000) as (site, connect):
        slow, quick = await connect(), await connect()
        receivers = [await listen(site, client) for client in (slow, quick)]
        slow.transport.pauseProducing()
        offset = 0
        with structlog.testing.capture_logs() as lines:
            while site.counters["http.output_overflow"] == 0:
                offset += 1
                broadcast = said(offset, text="x" * 500_000)
                for receiver in receivers:
                    receiver.broadcast(broadcast)
                await quick.until(lambda: len(quick.received) > offset * 500_000)  # noqa: B023
        assert [(line["event"], line["cause"]) for line in lines] == [
            ("connection_cut", "output_overflow")
        ]
        await site.until(lambda: len(site.held) == 1)
        receivers[1].broadcast(said(offset + 1, text="end", close=True))
        parser = EventParser()
        parser.feed((await quick.response()).body)
        assert [event.id for event in parser.events] == [f"g:e:{n}" for n in range(1, offset + 2)]


@ensureDeferred
async def test_an_event_is_no_answer() -> None:
    """Where no stream was begun it is a 500, and in the middle of a response a cut."""
    for begun in (False, True):
        async with serving(lambda *_: None) as (site, connect):
            client = await connect()
            client.send(GET)
            await site.until(lambda: bool(site.requests))
            if begun:
                site.reply(site.requests[0], answer(b"one", more_content=True))
            (receiver,) = site.receivers.values()
            with structlog.testing.capture_logs() as lines:
                receiver.broadcast(said(1))
                assert begun or (await client.response()).status == 500
            assert [line["event"] for line in lines] == ["bad_reply"]
            assert not site.receivers


@ensureDeferred
async def test_a_poll_is_answered_with_the_next_event() -> None:
    """On a connection that stays open for the next one."""
    async with serving(poll) as (site, connect):
        client = await connect()
        for offset in (1, 2):
            client.send(GET)
            await site.until(lambda: len(site.held) == 1)
            (receiver,) = site.receivers.values()
            receiver.positioned("g", Position("e", offset - 1), JOINED)
            receiver.broadcast(said(offset))
            response = await client.response()
            assert json.loads(response.body)["id"] == f"g:e:{offset}"
            assert not site.held


@pytest.mark.parametrize("end", ["deadline", "stopped", "missed"])
@ensureDeferred
async def test_a_poll_that_hears_nothing_is_answered_all_the_same(end: str) -> None:
    """At its deadline, at a stop, and when the layer may have lost what comes next."""
    async with serving(poll) as (site, connect):
        client = await connect()
        client.send(GET)
        await site.until(lambda: len(site.held) == 1)
        (receiver,) = site.receivers.values()
        if end != "deadline":
            getattr(receiver, end)()
        said_ = json.loads((await client.response()).body)
        assert said_ == {"id": "g:e:0", "gap": False, "events": []}
        assert not site.held
