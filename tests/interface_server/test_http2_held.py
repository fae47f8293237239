"""Event streams over HTTP/2, over real sockets."""

from hyperframe.frame import RstStreamFrame
from pytest_twisted import ensureDeferred

from shared.messages import HttpRequest
from tests.interface_server.answering import Site
from tests.interface_server.h2_client import fields, serving_h2


@ensureDeferred
async def test_an_event_stream_that_is_cut_as_it_begins_is_not_held() -> None:
    """Its first content alone is more than may wait for its reader."""

    def worker(site: Site, request: HttpRequest) -> None:
        site.reply(request, {"hold": "events", "headers": [], "content": b"x" * 2000})
        site.receipt(request, "done", later=True)

    async with serving_h2(worker, max_socket_output=1000) as (site, connect):
        client = await connect()
        client.ask(fields(b"/events"))
        await client.until(lambda: bool(client.of(RstStreamFrame)))
        assert not site.held
        assert not site.receivers


@ensureDeferred
async def test_an_event_stream_is_held_and_let_go() -> None:
    """Heartbeats come while nothing happens; the client's reset ends it."""

    def worker(site: Site, request: HttpRequest) -> None:
        site.reply(request, {"hold": "events", "headers": []})
        site.receipt(request, "done", later=True)

    async with serving_h2(worker, event_stream_heartbeat_s=0.1) as (site, connect):
        client = await connect()
        stream = client.ask(fields(b"/events"))
        await client.until(lambda: client.bodies.get(stream, b"").count(b":") >= 2)
        assert client.heads[stream][0][b":status"] == b"200"
        client.put(RstStreamFrame(stream, error_code=8))
        await site.until(lambda: not site.receivers)
        assert not site.held
