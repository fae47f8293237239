"""What one HTTP/2 client may make this server spend: each bound, met by a client that passes it."""

import gc
import os
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hyperframe.frame import HeadersFrame, RstStreamFrame, WindowUpdateFrame
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.task import deferLater

from interface_server.http2.engine import Engine
from interface_server.http2.frames import PREFACE
from interface_server.settings import Mount
from shared.messages import HttpRequest
from tests.interface_server.answering import Site, answer, page
from tests.interface_server.h2_client import fields, raw, serving_h2

POST = b"POST"
CALM = 11


def never(site: Site, request: HttpRequest) -> None:
    """A worker that does not answer."""


def kilobyte(site: Site, request: HttpRequest) -> None:
    """A worker that answers with 1000 bytes."""
    site.reply(request, answer(bytes(1000)))
    site.receipt(request, "done")


FLOODS = {
    "settings": raw(4, 0, 0, b"") * 40,
    "pings": raw(6, 0, 0, bytes(8)) * 200,
    "small_data": raw(0, 0, 1, b"") * 6000,
    "window_updates": raw(8, 0, 0, b"\0\0\0\1") * 3000,
    "other_frames": raw(2, 0, 1, b"\0\0\0\0\1") * 1500,
}


@pytest.mark.parametrize("kind", [*FLOODS, "unknown frames", "small continuations"])
@ensureDeferred
async def test_a_flood_of_frames_ends_the_connection(kind: str) -> None:
    """Too many of a kind that costs more to handle than to send: ENHANCE_YOUR_CALM."""
    more = {
        "unknown frames": raw(0xBA, 0, 0, b"") * 1500,
        "small continuations": raw(1, 1, 3, b"\x82") + raw(9, 0, 3, b"") * 40,
    }
    async with serving_h2(never) as (site, connect):
        client = await connect()
        client.ask(fields(b"/a", POST), is_end=False)
        client.send(more.get(kind) or FLOODS[kind])
        assert await client.goaway() == CALM
        assert site.counters["http.h2_flood"] == 1
        other = await connect()
        assert (await other.get(b"/healthz"))[0] == 200


@ensureDeferred
async def test_a_block_that_is_too_large_ends_the_connection() -> None:
    """Neither many bytes of headers nor few that mean many are unpacked without a bound."""
    async with serving_h2(never) as (_, connect):
        client = await connect()
        client.send(raw(1, 1, 1, bytes(16384)) + raw(9, 0, 1, bytes(16384)) * 5)
        assert await client.goaway() == CALM
        client = await connect()
        entry = b"\x40\x01x" + b"\x7f\xa1\x1e" + b"y" * 4000  # one entry of the table
        client.send(raw(1, 5, 1, entry + b"\xbe" * 10_000))  # named ten thousand times
        assert await client.goaway() == CALM


@ensureDeferred
async def test_rapid_resets_end_the_connection() -> None:
    """Requests that are cancelled at once begin nothing, and only so many come (CVE-2023-44487)."""
    async with serving_h2(never) as (site, connect):
        client = await connect()
        for _ in range(300):
            stream, client._next = client._next, client._next + 2
            client.put(client.head(stream, fields()), RstStreamFrame(stream, error_code=8))
        assert await client.goaway() == CALM
        assert len(site.requests) <= site.settings.http2_streams


@ensureDeferred
async def test_resets_that_a_client_provokes_count_as_its_own() -> None:
    """Malformed requests and overflown windows end the connection too ("MadeYouReset")."""
    async with serving_h2(never) as (site, connect):
        client = await connect()
        for _ in range(300):
            client.ask(((b":method", b"GET"),))
        assert await client.goaway() == CALM
        client = await connect()
        for _ in range(300):
            stream = client.ask(fields())
            client.put(WindowUpdateFrame(stream, window_increment=2**31 - 1))
        assert await client.goaway() == CALM
        assert len(site.requests) <= site.settings.http2_streams


@ensureDeferred
async def test_a_cancelled_request_counts_until_workers_have_it_no_more() -> None:
    """Cancelling makes no room for more work than --http2-streams."""
    async with serving_h2(never, http2_streams=3) as (site, connect):
        client = await connect()
        for count in range(1, 4):
            stream = client.ask(fields(b"/a", POST))
            await site.until(lambda count=count: len(site.requests) == count)
            client.put(RstStreamFrame(stream, error_code=8))
        assert await client.reset_of(client.ask(fields())) == 7
        site.receipt(site.requests[0], "done")
        page(site, site.requests[1])
        client.ask(fields(b"/last"))
        await site.until(lambda: site.requests[-1].path == "/last")
        assert site.counters["http.h2_stream_refused"] == 1
        assert len(site.receivers) == 2


@ensureDeferred
async def test_a_request_past_the_bound_is_refused_alone() -> None:
    """REFUSED_STREAM says that it may be sent again; the others go on."""
    async with serving_h2(never, http2_streams=2) as (site, connect):
        client = await connect()
        first, _ = client.ask(fields()), client.ask(fields())
        assert await client.reset_of(client.ask(fields())) == 7
        await site.until(lambda: len(site.requests) == 2)
        page(site, site.requests[0])
        assert (await client.answer(first))[0] == 200


@pytest.mark.parametrize("drip", [0, 1])
@ensureDeferred
async def test_a_window_that_stays_shut_is_not_waited_for(drip: int) -> None:
    """Nor one that opens a byte at a time: the stream is reset after --stall-timeout."""
    async with serving_h2(kilobyte, stall_timeout_s=0.4) as (site, connect):
        client = await connect(settings={4: 10})
        client.gives_window = False
        stream = client.ask(fields())
        while drip and not site.counters["http.stalled"]:
            client.put(WindowUpdateFrame(stream, window_increment=1))
            await deferLater(reactor, 0.1)
        assert await client.reset_of(stream) == 8
        assert (await client.answer(client.ask(fields(b"/healthz", b"HEAD"))))[0] == 200


@ensureDeferred
async def test_a_client_that_does_not_read_is_cut(tmp_path: Path) -> None:
    """However wide its windows: nothing is read ahead for it, and its time ends."""
    (tmp_path / "large.bin").write_bytes(bytes(30_000_000))
    options = {"static": (Mount("/static", tmp_path),), "stall_timeout_s": 0.4}
    async with serving_h2(never, **options) as (site, connect):
        client = await connect(settings={4: 2**31 - 1})
        client.put(WindowUpdateFrame(0, window_increment=2**31 - 1 - 65535))
        await client.until(lambda: bool(client.frames))
        client.transport.pauseProducing()
        client.ask(fields(b"/static/large.bin"))
        await site.until(lambda: site.counters["http.stalled"] == 1)
        client.transport.resumeProducing()
        await client.closed()


@pytest.mark.parametrize("name", ["large.bin", "small.bin"])
@ensureDeferred
async def test_many_files_of_which_nothing_is_read_cost_little(tmp_path: Path, name: str) -> None:
    """Neither open files nor pieces of them are held for streams whose windows are shut."""
    (tmp_path / "large.bin").write_bytes(bytes(1_000_000))
    (tmp_path / "small.bin").write_bytes(bytes(60_000))
    path = f"/static/{name}".encode()
    async with serving_h2(never, static=(Mount("/static", tmp_path),)) as (_, connect):
        client = await connect(settings={4: 1})
        client.gives_window = False
        await client.until(lambda: bool(client.frames))
        first = client.ask(fields(path))
        await client.until(lambda: first in client.bodies)
        files = len(os.listdir("/proc/self/fd"))
        with traced() as grown:
            streams = [client.ask(fields(path)) for _ in range(60)]
            await client.until(lambda: all(stream in client.bodies for stream in streams))
            assert grown() < 60 * 24 * 1024
        assert len(os.listdir("/proc/self/fd")) == files


def test_settings_of_unknown_names_are_not_kept() -> None:
    """40,000 of them were ten megabytes for as long as their connection lived."""
    engine = Engine(100, 65535, 65536)
    engine.receive(PREFACE + raw(4, 0, 0, b""))
    with traced() as grown:
        for at in range(0x100, 0xA000, 2600):
            names = range(at, at + 2600)
            named = b"".join(name.to_bytes(2, "big") + b"\0\0\0\1" for name in names)
            _, fault = engine.receive(raw(4, 0, 0, named))
            assert fault is None
            engine.take_output()
        assert grown() < 1_000_000  # the events of the last frame


@contextmanager
def traced() -> Iterator[Callable[[], int]]:
    """Gives a function that says by how many bytes Python's memory grew since."""
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()

    def grown() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before

    try:
        yield grown
    finally:
        tracemalloc.stop()


@ensureDeferred
async def test_what_waits_for_a_client_is_bounded() -> None:
    """Past --max-output the stream that grows is reset."""

    def flood(site: Site, request: HttpRequest) -> None:
        site.reply(request, answer(bytes(90_000), more_content=True))
        if site.receivers:
            site.reply(request, {"content": bytes(90_000), "more_content": True})

    async with serving_h2(flood, max_output=100_000) as (site, connect):
        client = await connect(settings={4: 0})
        assert await client.reset_of(client.ask(fields())) == 2
        assert site.counters["http.output_overflow"] == 1


@ensureDeferred
async def test_a_busy_socket_is_no_flood() -> None:
    """Its messages are small and many; sockets have bounds of their own."""
    head = ((b":protocol", b"websocket"), *fields(b"/", b"CONNECT"))
    async with serving_h2(never) as (site, connect):
        client = await connect()
        stream = client.ask((*head, (b"sec-websocket-version", b"13")), is_end=False)
        for _ in range(8):
            client.send(raw(0, 0, stream, bytes(10)) * 1000)
            assert (await client.get(b"/healthz"))[0] == 200
        assert len(site.upgrades) == 1


@ensureDeferred
async def test_honest_use_meets_no_bound() -> None:
    """Hundreds of requests in a row, window updates for each and a cancelled one now and then."""
    async with serving_h2(kilobyte) as (_, connect):
        client = await connect()
        for _ in range(12):
            streams = [client.ask(fields()) for _ in range(60)]
            cancelled = client.ask(fields())
            client.put(RstStreamFrame(cancelled, error_code=8))
            for stream in streams:
                assert (await client.answer(stream))[0] == 200
        assert len(client.of(HeadersFrame)) == 720
        assert not client.is_closed
