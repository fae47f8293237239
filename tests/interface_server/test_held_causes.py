"""What ends held answers and streams of HTTP/2 against their will: one count, one line."""

import pytest
import structlog
from pytest_twisted import ensureDeferred

from interface_server.seeing.causes import HTTP_CAUSES
from tests.interface_server.answering import serving
from tests.interface_server.h2_client import fields, serving_h2
from tests.interface_server.test_http_held import events, listen, said


@ensureDeferred
async def test_an_event_stream_that_nobody_reads() -> None:
    """Past what may wait for one reader it is cut: one count, one line with its path and id."""
    async with serving(events, max_socket_output=100_000) as (site, connect):
        client = await connect()
        receiver = await listen(site, client)
        client.transport.pauseProducing()
        with structlog.testing.capture_logs() as lines:
            for number in range(1, 60):
                receiver.broadcast(said(number, text="x" * 100_000))
            await site.until(lambda: not site.held)
        assert dict(site.figures.failures) == {("output_overflow", 0): 1}
        (line,) = lines
        assert "output_overflow" in (line["event"], line.get("cause"))
        assert {"path", "request_id"} <= set(line)
        client.transport.resumeProducing()
        await client.closed()


@ensureDeferred
async def test_an_event_stream_over_http2_that_nobody_reads() -> None:
    """The same on a stream: it is reset, and its connection goes on."""
    async with serving_h2(events, max_socket_output=100_000) as (site, connect):
        client = await connect(settings={4: 1000})
        stream = client.ask(fields())
        await site.until(lambda: bool(site.held))
        (receiver,) = site.receivers.values()
        with structlog.testing.capture_logs() as lines:
            for number in range(1, 10):
                receiver.broadcast(said(number, text="x" * 100_000))
            await client.reset_of(stream)
        assert dict(site.figures.failures) == {("output_overflow", 0): 1}
        (line,) = lines
        assert "output_overflow" in (line["event"], line.get("cause"))
        assert {"path", "request_id"} <= set(line)


PROVOKED = {
    "h2_malformed": 1,
    "h2_stream_refused": 0,
    "h2_protocol_error": 1,
    "h2_flood": 1,
    "h2_frame_late": 1,
}
"""The causes of HTTP/2 and how many lines they have: anybody can have streams refused."""


@pytest.mark.parametrize("cause", PROVOKED)
@ensureDeferred
async def test_what_http2_refuses(cause: str) -> None:
    """One count; one line but for refused streams."""
    settings = {"head_timeout_s": 0.1} if cause == "h2_frame_late" else {"http2_streams": 1}
    async with serving_h2(lambda _site, _request: None, **settings) as (site, connect):
        client = await connect()
        assert (await client.get(b"/healthz"))[0] == 200
        with structlog.testing.capture_logs() as lines:
            if cause == "h2_malformed":
                stream = client.ask([*fields(), (b"connection", b"close")])
                await client.reset_of(stream)
            elif cause == "h2_stream_refused":
                client.ask(fields())
                assert await client.reset_of(client.ask(fields())) == 7
            elif cause == "h2_protocol_error":
                client.send(b"\0\0\x04\0\0\0\0\0\0data")
                await client.goaway()
            elif cause == "h2_flood":
                client.send(b"\0\0\x08\x06\0\0\0\0\0" + bytes(8))
                client.send((b"\0\0\x08\x06\0\0\0\0\0" + bytes(8)) * 400)
                await client.goaway()
            else:
                client.send(b"\0\0\x04")
                await client.goaway()
        assert dict(site.figures.failures) == {(cause, 0): 1}
        told = [line for line in lines if cause in (line["event"], line.get("cause"))]
        assert len(told) == len(lines) == PROVOKED[cause], lines


def test_every_cause_of_http2_is_provoked() -> None:
    """None of the list is left out."""
    of_http2 = {cause.name for cause in HTTP_CAUSES if cause.name.startswith("h2_")}
    assert set(PROVOKED) == of_http2
