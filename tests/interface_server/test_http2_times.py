"""How long a client of HTTP/2 may take, over real sockets."""

from collections.abc import Callable

import pytest
from hyperframe.frame import DataFrame
from pytest_twisted import ensureDeferred

from interface_server.http2.frames import PREFACE
from shared.messages import HttpRequest
from tests.interface_server.answering import Site, page
from tests.interface_server.h2_client import H2Client, fields, raw, serving_h2

POST = b"POST"
CALM = 11


def never(site: Site, request: HttpRequest) -> None:
    """A worker that does not answer."""


def silent(client: H2Client) -> bytes:
    """Nothing after the greeting's first byte."""
    return PREFACE[:1]


def without_settings(client: H2Client) -> bytes:
    """The preface alone."""
    return PREFACE


def half_a_frame(client: H2Client) -> bytes:
    """The head of a frame that does not come."""
    return PREFACE + raw(4, 0, 0, b"") + raw(6, 0, 0, bytes(8))[:12]


def half_a_block(client: H2Client) -> bytes:
    """Headers whose end does not come."""
    return PREFACE + raw(4, 0, 0, b"") + raw(1, 1, 1, b"\x82")


@pytest.mark.parametrize("start", [silent, without_settings, half_a_frame, half_a_block])
@ensureDeferred
async def test_slow_frames_have_the_time_of_a_head(start: Callable[[H2Client], bytes]) -> None:
    """Whatever a client begins and does not end: --head-timeout."""
    async with serving_h2(never, head_timeout_s=0.2) as (site, connect):
        client = await connect(greeting=start(H2Client()))
        assert await client.goaway() == CALM
        assert site.counters["http.h2_frame_late"] == 1


@ensureDeferred
async def test_an_idle_connection_is_ended() -> None:
    """After --idle-timeout, without an error; a request in hand keeps it open."""
    async with serving_h2(never, idle_timeout_s=1.0) as (site, connect):
        client, busy = await connect(), await connect()
        stream = busy.ask(fields())
        assert await client.goaway() == 0
        await site.until(lambda: len(site.requests) == 1)
        page(site, site.requests[0])
        assert (await busy.answer(stream))[0] == 200


@ensureDeferred
async def test_a_slow_body_is_answered_with_408() -> None:
    """After --body-timeout for each 16 KiB; the connection goes on."""
    async with serving_h2(page, body_timeout_s=0.2) as (_, connect):
        client = await connect()
        stream = client.ask(fields(b"/a", POST), is_end=False)
        client.put(DataFrame(stream, data=bytes(100)))
        assert (await client.answer(stream))[0] == 408
        assert await client.reset_of(stream) == 0
        assert (await client.get())[0] == 200
