"""Connections that proxies pass on with a PROXY protocol header, over real sockets."""

from pathlib import Path

from pytest_twisted import ensureDeferred

from tests.interface_server.listening_house import ANY, GET, listening

HEADER = b"PROXY TCP4 203.0.113.7 198.51.100.1 4000 443\r\n"
PROXY = {"proxy_protocol": True, "trusted_proxies": ("127.0.0.1/32", "unix"), "bind": (ANY,)}


@ensureDeferred
async def test_a_proxy_says_whose_connection_it_passes_on(tmp_path: Path) -> None:
    """By TCP and by a UNIX socket; whatever that client says of others is not believed."""
    forged = b"GET /a HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"
    async with listening(**PROXY, unix_socket=(str(tmp_path / "a.sock"),)) as house:
        for number in range(2):
            client = await house.connect(number)
            for piece in (HEADER[:5], HEADER[5:] + forged[:9], forged[9:]):
                client.send(piece)
            assert (await client.response()).body == b"GET /a"
            assert (await client.ask(forged)).body == b"GET /a"
        for request in house.site.requests:
            assert request.client == ("203.0.113.7", 4000)
            assert request.server == ("198.51.100.1", 443)


@ensureDeferred
async def test_an_unknown_client_is_nobody(tmp_path: Path) -> None:
    """UNKNOWN has no address and is not believed; LOCAL is the proxy itself, which is."""
    forged = b"GET /a HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.9\r\n\r\n"
    local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"
    async with listening(**PROXY, unix_socket=(str(tmp_path / "a.sock"),)) as house:
        for number in range(2):
            await (await house.connect(number)).ask(b"PROXY UNKNOWN\r\n" + forged)
        assert [request.client for request in house.site.requests] == [None, None]
        await (await house.connect(1)).ask(local + forged)
        assert house.site.requests[-1].client == ("192.0.2.9", 0)


@ensureDeferred
async def test_who_does_not_begin_with_a_header_is_cut() -> None:
    """So is who takes too long for it, and whoever is no trusted proxy is not let in."""
    async with listening(**PROXY) as house:
        client = await house.connect()
        client.send(GET)
        await client.closed()
        assert house.site.counters["connections.bad_proxy_header"] == 1
    async with listening(**PROXY, head_timeout_s=0.1) as house:
        silent = await house.connect()
        silent.send(HEADER[:10])
        await silent.closed()
        assert house.site.counters["connections.header_late"] == 1
    stranger = {**PROXY, "trusted_proxies": ("192.0.2.1",)}
    async with listening(**stranger) as house:
        await (await house.connect()).closed()
        assert house.site.counters["connections.not_a_proxy"] == 1


@ensureDeferred
async def test_the_cap_of_an_address_holds_for_those_behind_a_proxy() -> None:
    """The proxy itself is exempt, the clients that it names are not."""
    async with listening(**PROXY, max_connections_per_address=1) as house:
        await (await house.connect()).ask(HEADER + GET)
        second = await house.connect()
        second.send(HEADER + GET)
        await second.closed()
        other = HEADER.replace(b"203.0.113.7", b"203.0.113.8")
        assert (await (await house.connect()).ask(other + GET)).body == b"GET /a"
