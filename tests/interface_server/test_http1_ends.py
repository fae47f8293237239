"""How exchanges and connections end when something is wrong, over real sockets."""

import pytest
import structlog
from pytest_twisted import ensureDeferred

from channel_layer.answers import Verdict
from channel_layer.layer import Send
from interface_server.broadcasts import Broadcast
from shared import codec
from shared.errors import LayerUnavailable
from shared.messages import HttpRequest
from tests.interface_server.answering import Site, answer, page, serving

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


def never(site: Site, request: HttpRequest) -> None:
    """A worker that does not answer."""


BAD_REPLIES = [
    ({"status": "200"}, "status"),
    ({"status": 42}, "status"),
    ({"status": 200, "content": "text"}, "content"),
    ({"status": 200, "headers": [["a", "b"]]}, "headers"),
    ({"status": 200, "headers": [[b"a", b"b\r\nc: d"]]}, "headers"),
    ({"status": 200, "headers": [[b"a b", b"c"]]}, "headers"),
    ({"status": 200, "unknown": 1}, "unknown"),
    ({"content": b"no head"}, "status"),
    ({"text": "for a socket"}, "text"),
]


@pytest.mark.parametrize(("message", "key"), BAD_REPLIES)
@ensureDeferred
async def test_a_malformed_reply_is_a_500_and_one_log_line(
    message: dict[str, object], key: str
) -> None:
    """The line names path, key, what came, what was expected and the request; serving goes on."""

    def worker(site: Site, request: HttpRequest) -> None:
        if request.path == "/a":
            site.reply(request, message)
        else:
            page(site, request)

    async with serving(worker) as (site, connect):
        client = await connect()
        with structlog.testing.capture_logs() as lines:
            assert (await client.ask(GET)).status == 500
        (line,) = lines
        assert line["event"] == "bad_reply"
        assert line["key"] == key
        assert line["path"] == "/a"
        assert line["request_id"] == site.requests[0].request_id
        assert {"came", "expected"} <= set(line)
        assert (await client.ask(GET.replace(b"/a", b"/b"))).status == 200


@ensureDeferred
async def test_a_reply_of_garbage_is_a_500() -> None:
    """Bytes that are no message at all change nothing for others."""
    async with serving(lambda site, request: site.raw_reply(request, b"\xc1")) as (_, connect):
        client = await connect()
        assert (await client.ask(GET)).status == 500
        assert (await client.ask(GET)).status == 500


@pytest.mark.parametrize(
    "second",
    [{"content": 5}, {"status": 200}, {"content": b"x", "more_content": 1}],
)
@ensureDeferred
async def test_a_malformed_chunk_cuts_the_connection(second: dict[str, object]) -> None:
    """The client must not take half a response for a whole one."""

    def worker(site: Site, request: HttpRequest) -> None:
        site.reply(request, answer(b"one", more_content=True))
        site.reply(request, second)

    async with serving(worker) as (site, connect):
        client = await connect()
        client.send(GET)
        await client.closed()
        assert not client.received.endswith(b"0\r\n\r\n")
        assert site.counters["http.response_cut"] == 1
        assert not site.receivers


@ensureDeferred
async def test_content_beside_its_length_cuts_the_connection() -> None:
    """A Content-Length that the chunks do not keep is no framing."""

    def worker(site: Site, request: HttpRequest) -> None:
        message = answer(b"one", more_content=True)
        message["headers"] = [[b"content-length", b"4"]]
        site.reply(request, message)
        site.reply(request, {"content": b"too much"})

    async with serving(worker) as (site, connect):
        client = await connect()
        with structlog.testing.capture_logs() as lines:
            client.send(GET)
            await client.closed()
        assert [(line["event"], line["key"]) for line in lines] == [("bad_reply", "content")]
        assert site.counters["http.response_cut"] == 1


@ensureDeferred
async def test_a_done_handler_without_an_answer_is_a_500_at_once() -> None:
    """No time-out is waited for."""
    async with serving(lambda site, request: site.receipt(request, "done")) as (_, connect):
        client = await connect()
        assert (await client.ask(GET)).status == 500


@ensureDeferred
async def test_a_request_given_up_is_a_503() -> None:
    """A dead letter's client may try again."""
    async with serving(lambda site, request: site.receipt(request, "dead")) as (_, connect):
        client = await connect()
        response = await client.ask(GET)
        assert (response.status, response.headers[b"retry-after"]) == (503, b"1")


@ensureDeferred
async def test_a_later_answer_may_come_from_a_group() -> None:
    """A handler says later; the group's message is the response."""

    def worker(site: Site, request: HttpRequest) -> None:
        site.receipt(request, "done", later=True)

    async with serving(worker) as (site, connect):
        client = await connect()
        client.send(GET)
        await site.until(lambda: len(site.requests) == 1)
        await site.until(lambda: True)
        (receiver,) = site.receivers.values()
        receiver.broadcast(Broadcast("g", codec.pack(answer(b"at last"))))
        assert (await client.response()).body == b"at last"


@ensureDeferred
async def test_no_answer_in_time_is_a_503() -> None:
    """The deadline's answer says when to try again; what comes later is ignored."""
    async with serving(never, http_timeout_s=0.1) as (site, connect):
        client = await connect()
        response = await client.ask(GET)
        assert (response.status, response.headers[b"retry-after"]) == (503, b"1")
        page(site, site.requests[0])
        assert not site.receivers


@ensureDeferred
async def test_a_full_list_or_a_layer_away_is_a_503() -> None:
    """The client is told to try again, and the connection is kept."""
    async with serving(page) as (site, connect):
        client = await connect()
        site.verdicts = [Verdict.FULL]
        assert (await client.ask(GET)).status == 503
        site.failure = LayerUnavailable("away")
        assert (await client.ask(GET)).status == 503
        site.failure = None
        assert (await client.ask(GET)).status == 200


@pytest.mark.parametrize("is_sent", [False, True])
@ensureDeferred
async def test_a_client_that_leaves_is_told_to_workers_where_asked_for(is_sent: bool) -> None:
    """http.disconnect goes out only with its setting; the channel is given back."""
    async with serving(never, send_http_disconnect=is_sent) as (site, connect):
        client = await connect()
        client.send(GET)
        await site.until(lambda: len(site.requests) == 1)
        client.transport.abortConnection()
        await site.until(lambda: site.counters["http.client_gone"] == 1)
        assert not site.receivers
        disconnects = [
            codec.decode_http_disconnect(sent.payload)
            for sent in site.operations
            if isinstance(sent, Send) and sent.channel == "http.disconnect" and sent.urgent
        ]
        assert [gone.path for gone in disconnects] == (["/a"] if is_sent else [])
        assert " 499 [" in site.lines.getvalue()


@ensureDeferred
async def test_a_slow_head_gets_408_and_an_idle_connection_ends_silently() -> None:
    """Each wait has its end; a late head is counted and has its line in the log."""
    async with serving(page, head_timeout_s=0.1, idle_timeout_s=1.0) as (site, connect):
        client = await connect()
        with structlog.testing.capture_logs() as lines:
            assert (await client.ask(GET[:-1])).status == 408
        assert [(line["event"], line["status"]) for line in lines] == [("request_refused", 408)]
        assert site.counters["http.refused_408"] == 1
        idle = await connect()
        assert (await idle.ask(GET)).status == 200
        await idle.closed()
        assert idle.received == b""


@ensureDeferred
async def test_a_stalled_reader_is_bounded() -> None:
    """A response that grows past the bound while no one reads cuts the connection."""
    piece = b"x" * 100_000

    def flood(site: Site, request: HttpRequest) -> None:
        site.reply(request, answer(piece, more_content=True))
        for _ in range(400):
            site.reply(request, {"content": piece, "more_content": True})

    async with serving(flood, max_output=1_000_000) as (site, connect):
        client = await connect()
        client.transport.pauseProducing()
        client.send(GET)
        await site.until(lambda: site.counters["http.output_overflow"] == 1)
        client.transport.resumeProducing()
        await client.closed()
        assert not site.receivers


@ensureDeferred
async def test_a_reader_that_takes_nothing_for_long_is_cut() -> None:
    """Bytes that no one takes are not kept for ever."""

    def large(site: Site, request: HttpRequest) -> None:
        site.reply(request, answer(b"x" * 1_000_000, more_content=True))
        for _ in range(14):
            site.reply(request, {"content": b"x" * 1_000_000, "more_content": True})
        site.reply(request, {"content": b"end"})

    async with serving(large, stall_timeout_s=0.2) as (site, connect):
        client = await connect()
        client.transport.pauseProducing()
        client.send(GET)
        with structlog.testing.capture_logs() as lines:
            await site.until(lambda: site.counters["http.stalled"] == 1)
        cuts = [line for line in lines if line["event"] == "connection_cut"]
        assert [(line["cause"], line["path"]) for line in cuts] == [("stalled", "/a")]


@ensureDeferred
async def test_a_large_response_arrives_whole() -> None:
    """What the transport does not take at once is kept and follows in order."""
    pieces = [bytes([at]) * 500_000 for at in range(20)]

    def large(site: Site, request: HttpRequest) -> None:
        site.reply(request, answer(pieces[0], more_content=True))
        for piece in pieces[1:]:
            site.reply(request, {"content": piece, "more_content": True})
        site.reply(request, {"content": b"end"})

    async with serving(large) as (_, connect):
        client = await connect()
        client.send(GET)
        await client.until(lambda: client.received.endswith(b"end\r\n0\r\n\r\n"))
        assert (await client.response()).body == b"".join(pieces) + b"end"
