"""What a connection speaks by its first bytes; what TLS agrees on is in test_tls_own.py."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.protocol import Protocol

from interface_server.http_parts import HttpParts
from interface_server.listening.protocol_choice import PREFACE, ChoiceFactory, HttpProtocols
from tests.interface_server.answering import Client, Site, clients_of, page

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


class Telling(Protocol):
    """Stands for HTTP/2: says what came."""

    def __init__(self, parts: HttpParts, scheme: str) -> None:
        self.scheme = scheme

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self.transport.write(b"told:" + data)


@asynccontextmanager
async def choosing(**settings: Any) -> AsyncIterator[tuple[Site, Any]]:
    """A site that speaks HTTP/1.1 and, to those who begin so, something else."""
    site = Site(page, **settings)
    factory = ChoiceFactory(HttpProtocols(site.parts, "http", Telling), by_first_bytes=True)
    async with clients_of(site, factory, Client) as connect:
        yield site, connect


@pytest.mark.parametrize("cut", [1, 3, 18, 23, 24])
@ensureDeferred
async def test_the_preface_chooses_http2(cut: int) -> None:
    """Wherever it is cut, and with what comes behind it (RFC 9113 section 3.4)."""
    async with choosing() as (_, connect):
        client = await connect()
        client.transport.setTcpNoDelay(True)
        client.send(PREFACE[:cut])
        reactor.callLater(0.01, client.send, PREFACE[cut:] + b"more")
        await client.until(lambda: client.received.endswith(b"more"))
        assert client.received.replace(b"told:", b"") == PREFACE + b"more"


@pytest.mark.parametrize("cut", [1, 2, len(GET)])
@ensureDeferred
async def test_other_bytes_are_http_1(cut: int) -> None:
    """A request is a request, also one whose method begins as the preface does."""
    async with choosing() as (_, connect):
        client = await connect()
        for sent, status in ((GET, 200), (GET.replace(b"GET", b"PUT"), 200)):
            client.send(sent[:cut])
            if cut < len(sent):
                reactor.callLater(0.01, client.send, sent[cut:])
            assert (await client.response()).status == status
        stranger = await connect()
        assert (await stranger.ask(b"PRI /a HTTP/1.1\r\nHost: x\r\n\r\n")).status == 400


@ensureDeferred
async def test_who_says_nothing_is_cut() -> None:
    """Silence has the time between requests, a preface that stops the time of a head."""
    async with choosing(idle_timeout_s=0.2, head_timeout_s=60.0) as (site, connect):
        await (await connect()).closed()
        assert site.counters["http.no_choice_in_time"] == 1
    async with choosing(idle_timeout_s=60.0, head_timeout_s=0.2) as (site, connect):
        client = await connect()
        client.send(PREFACE[:5])
        await client.closed()
        assert site.counters["http.no_choice_in_time"] == 1


@ensureDeferred
async def test_a_stop_cuts_who_said_nothing() -> None:
    """A drain does not wait for a choice."""
    async with choosing() as (site, connect):
        client = await connect()
        client.send(PREFACE[:5])
        while not site.parts.connection_count:
            waited = site.until(lambda: False)
            reactor.callLater(0.01, waited.callback, None)
            await waited
        await site.parts.drain()
        await client.closed()
