"""How HTTP/2 connections end: announced, with what was asked for answered."""

from hyperframe.frame import GoAwayFrame
from pytest_twisted import ensureDeferred

from shared.messages import HttpRequest
from tests.interface_server.answering import Site, page
from tests.interface_server.h2_client import H2Client, fields, serving_h2


def never(site: Site, request: HttpRequest) -> None:
    """A worker that does not answer."""


def lasts(client: H2Client) -> list[int]:
    """The streams that the server's GOAWAYs named as the last."""
    return [frame.last_stream_id for frame in client.of(GoAwayFrame)]


@ensureDeferred
async def test_a_draining_server_ends_idle_connections_and_finishes_the_others() -> None:
    """GOAWAY comes twice, then the answers that are due, then the end (RFC 9113 section 6.8)."""
    async with serving_h2(never) as (site, connect):
        idle, busy = await connect(), await connect()
        stream = busy.ask(fields())
        await site.until(lambda: len(site.requests) == 1 and site.parts.connection_count == 2)
        drained = site.parts.drain()
        assert await idle.goaway() == 0
        assert lasts(idle) == [2**31 - 1, 0]
        await busy.until(lambda: len(lasts(busy)) == 2)
        assert lasts(busy) == [2**31 - 1, stream]
        assert not drained.called
        page(site, site.requests[0])
        assert (await busy.answer(stream))[0] == 200
        await busy.closed()
        await drained


@ensureDeferred
async def test_a_request_on_its_way_is_served_and_a_later_one_refused() -> None:
    """What comes before the client can have heard of the end is answered."""
    async with serving_h2(never) as (site, connect):
        client = await connect()
        client.acks_pings = False
        assert (await client.get(b"/healthz"))[0] == 200
        drained = site.parts.drain()
        await client.until(lambda: len(lasts(client)) == 1)
        stream = client.ask(fields(b"/on-its-way"))
        await site.until(lambda: len(site.requests) == 1)
        await client.until(lambda: len(lasts(client)) == 2)
        assert lasts(client)[1] == stream
        assert await client.reset_of(client.ask(fields(b"/too-late"))) == 7
        page(site, site.requests[0])
        assert (await client.answer(stream))[2] == b"GET /on-its-way"
        await drained


@ensureDeferred
async def test_at_the_end_of_the_grace_waiting_requests_get_503() -> None:
    """Then the connection ends."""
    async with serving_h2(never) as (site, connect):
        client = await connect()
        stream = client.ask(fields())
        await site.until(lambda: len(site.requests) == 1)
        site.parts.drain()
        ended = site.parts.refuse_waiting()
        status, head, _ = await client.answer(stream)
        assert (status, head[b"retry-after"]) == (503, b"1")
        await ended


@ensureDeferred
async def test_a_lost_connection_gives_its_requests_up() -> None:
    """Nothing of them stays."""
    async with serving_h2(never) as (site, connect):
        client = await connect()
        client.ask(fields(b"/a"))
        client.ask(fields(b"/b", b"POST"), b"half", is_end=False)
        await site.until(lambda: len(site.requests) == 1)
        client.transport.abortConnection()
        await site.until(lambda: site.counters["http.client_gone"] == 1)
        assert site.receivers == {}
        assert site.parts.budget.held_bytes == 0
        assert site.parts.connection_count == 0
        assert site.lines.getvalue().count(" 499 ") == 2
