"""What a connection hands on or answers without a worker: upgrades, health, draining, proxies."""

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor

from shared.messages import HttpRequest
from tests.interface_server.answering import Site, page, serving

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"


def never(site: Site, request: HttpRequest) -> None:
    """A worker that does not answer."""


@ensureDeferred
async def test_a_handshake_is_handed_on_with_its_bytes() -> None:
    """The protocol behind the gateway gets head, rest and every byte from then on."""
    shake = b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\n"
    shake += b"Upgrade: WebSocket\r\nSec-WebSocket-Key: k\r\n\r\n"
    async with serving(page, idle_timeout_s=1.0) as (site, connect):
        client = await connect()
        client.send(GET + shake + b"early")
        assert (await client.response()).body == b"GET /a"
        await client.until(lambda: client.received == b"echo:early")
        assert site.upgrades == [(shake, b"early")]
        assert site.parts.connection_count == 0
        waited = site.until(lambda: False)
        reactor.callLater(1.5, waited.callback, None)
        await waited
        client.send(b"late")
        await client.until(lambda: client.received == b"echo:earlyecho:late")


@ensureDeferred
async def test_another_upgrade_is_ignored() -> None:
    """h2c is answered as plain HTTP/1.1 (RFC 9110 section 7.8)."""
    async with serving(page) as (_, connect):
        client = await connect()
        asked = b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
        assert (await client.ask(asked)).body == b"GET /a"
        assert (await client.ask(GET)).status == 200


@ensureDeferred
async def test_health_is_answered_without_a_worker() -> None:
    """/healthz is the server's own."""
    async with serving(never) as (site, connect):
        client = await connect()
        response = await client.ask(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (response.status, response.body) == (200, b'{"status": "ok"}')
        response = await client.ask(b"DELETE /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (response.status, response.headers[b"allow"]) == (405, b"GET, HEAD")
        assert site.requests == []


@ensureDeferred
async def test_a_draining_server_ends_idle_connections_and_finishes_the_others() -> None:
    """What was asked for is answered, with Connection: close; nothing new is taken."""
    async with serving(never) as (site, connect):
        idle, busy = await connect(), await connect()
        busy.send(GET)
        await site.until(lambda: len(site.requests) == 1 and site.parts.connection_count == 2)
        drained = site.parts.drain()
        await idle.closed()
        assert not drained.called
        page(site, site.requests[0])
        response = await busy.response()
        assert response.headers[b"connection"] == b"close"
        await drained


@ensureDeferred
async def test_the_root_path_is_taken_off() -> None:
    """Behind a proxy that mounts the site below a path, workers see the rest."""
    async with serving(page, root_path="/site") as (site, connect):
        client = await connect()
        for sent, seen in ((b"/site/a", "/a"), (b"/site", "/"), (b"/sitex", "/sitex")):
            await client.ask(b"GET " + sent + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (site.requests[-1].path, site.requests[-1].root_path) == (seen, "/site")
        assert (await client.ask(b"GET /site/healthz HTTP/1.1\r\nHost: x\r\n\r\n")).status == 200


@ensureDeferred
async def test_a_trusted_proxy_speaks_for_its_client() -> None:
    """Address, scheme, host and request id are believed from a named address only."""
    forwarded = (
        b"GET /a HTTP/1.1\r\nHost: inner\r\nX-Forwarded-For: 9.9.9.9, 203.0.113.7\r\n"
        b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: board.example\r\nX-Request-ID: r-1\r\n\r\n"
    )
    async with serving(page, trusted_proxies=("127.0.0.0/8",)) as (site, connect):
        await (await connect()).ask(forwarded)
        request = site.requests[0]
        assert request.client == ("203.0.113.7", 0)
        assert (request.scheme, request.request_id) == ("https", "r-1")
        assert dict(request.headers)[b"host"] == b"board.example"
    async with serving(page) as (site, connect):
        await (await connect()).ask(forwarded)
        request = site.requests[0]
        assert request.client is not None
        assert request.client[0] == "127.0.0.1"
        assert (request.scheme, dict(request.headers)[b"host"]) == ("http", b"inner")
        assert request.request_id != "r-1"


HTTPS = b"GET https://y/a HTTP/1.1\r\nHost: y\r\n"
SHAKE = HTTPS + b"Connection: upgrade\r\nUpgrade: websocket\r\n"


@pytest.mark.parametrize("head", [HTTPS, SHAKE])
@pytest.mark.parametrize("said", [b"", b"X-Forwarded-Proto: http\r\n"])
@pytest.mark.parametrize("trusted", [(), ("127.0.0.0/8",)])
@ensureDeferred
async def test_an_https_address_without_tls_is_misdirected(
    head: bytes, said: bytes, trusted: tuple[str, ...]
) -> None:
    """What was to be secured and came in the open gets 421 (RFC 9110 section 7.4)."""
    async with serving(page, trusted_proxies=trusted) as (site, connect):
        response = await (await connect()).ask(head + said + b"\r\n")
        assert response.status == 421
        assert response.headers[b"connection"] == b"close"
        assert (site.requests, site.upgrades) == ([], [])


@ensureDeferred
async def test_an_https_address_behind_a_proxy_with_tls_is_served() -> None:
    """The word of a trusted proxy counts, a stranger's does not."""
    said = b"X-Forwarded-Proto: https\r\n\r\n"
    async with serving(page, trusted_proxies=("127.0.0.0/8",)) as (site, connect):
        client = await connect()
        assert (await client.ask(HTTPS + said)).body == b"GET /a"
        assert (site.requests[0].scheme, dict(site.requests[0].headers)[b"host"]) == ("https", b"y")
        client.send(SHAKE + said + b"early")
        await client.until(lambda: client.received == b"echo:early")
    async with serving(page) as (site, connect):
        assert (await (await connect()).ask(HTTPS + said)).status == 421
