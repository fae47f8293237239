"""Places to listen and what happens at the door, over real sockets."""

import errno
import os
import resource
import socket
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    UNIXClientEndpoint,
    connectProtocol,
)

from interface_server.listening import doors
from interface_server.listening.listeners import Listeners
from interface_server.listening.opening import open_all, open_tcp, open_unix, passed_descriptors
from interface_server.listening.stack import Stack
from interface_server.settings import ServerSettings
from interface_server.settings.addresses import TcpPlace
from interface_server.wires import wait
from shared.errors import ConfigurationError
from tests.interface_server.answering import Client, Site, page

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
ANY = TcpPlace("127.0.0.1", 0)


class House:
    """A site behind real listeners, and clients that end with it."""

    def __init__(self, **settings: Any) -> None:
        self.site = Site(page, **settings)
        self.listeners = Listeners(reactor, self.site.settings, Stack(self.site.parts))
        self.listeners.start()
        self.clients: list[Client] = []

    async def connect(self, number: int = 0) -> Client:
        """A client at the place of that number."""
        url = self.listeners.urls[number]
        if url.startswith("unix:"):
            endpoint: Any = UNIXClientEndpoint(reactor, url.removeprefix("unix:"))
        else:
            host, _, port = url.removeprefix("http://").rstrip("/").rpartition(":")
            kind = TCP6ClientEndpoint if "[" in host else TCP4ClientEndpoint
            endpoint = kind(reactor, host.strip("[]"), int(port))
        self.clients.append(await connectProtocol(endpoint, Client()))
        return self.clients[-1]

    async def end(self) -> None:
        await self.listeners.stop()
        for client in self.clients:
            if not client.is_closed:
                client.transport.abortConnection()
                await client.closed()
        await until(lambda: self.site.parts.connection_count == 0)


async def until(fact: Callable[[], bool]) -> None:
    """Wait for what nobody tells the site's gateway."""
    while not fact():
        await wait(reactor, 0.005)


@asynccontextmanager
async def listening(**settings: Any) -> AsyncIterator[House]:
    house = House(**settings)
    try:
        yield house
    finally:
        await house.end()


@ensureDeferred
async def test_several_places_are_served_at_once(tmp_path: Path) -> None:
    """IPv4, IPv6, a UNIX socket with its mode, a given descriptor, an endpoint."""
    path = str(tmp_path / "a.sock")
    given = socket.create_server(("127.0.0.1", 0))
    with given:
        settings = {
            "bind": (ANY, TcpPlace("::1", 0)),
            "unix_socket": (path,),
            "unix_mode": 0o600,
            "fd": (given.fileno(),),
            "endpoint": ("tcp:0:interface=127.0.0.1",),
        }
        async with listening(**settings) as house:
            assert len(house.listeners.urls) == 5
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
            seen = []
            for number in range(5):
                response = await (await house.connect(number)).ask(GET)
                assert response.body == b"GET /a"
                seen.append(house.site.requests[-1])
            clients = [request.client and request.client[0] for request in seen]
            assert sorted(map(str, clients)) == ["127.0.0.1"] * 3 + ["::1", "None"]
    assert not os.path.exists(path)


@ensureDeferred
async def test_an_ipv4_client_of_an_ipv6_socket_has_its_ipv4_address() -> None:
    """`::` takes both; workers and bounds see one form of each address."""
    async with listening(bind=(TcpPlace("::", 0),)) as house:
        port = int(house.listeners.urls[0].rstrip("/").rpartition(":")[2])
        client = await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port), Client())
        house.clients.append(client)
        await client.ask(GET)
        assert house.site.requests[0].client[0] == "127.0.0.1"  # type: ignore[index]


@ensureDeferred
async def test_past_the_cap_connections_are_closed_at_once_until_one_leaves() -> None:
    """Those that are in are not disturbed; each refusal counts."""
    async with listening(bind=(ANY,), max_connections=2) as house:
        first, second = await house.connect(), await house.connect()
        await first.ask(GET)
        await second.ask(GET)
        third = await house.connect()
        await third.closed()
        assert house.site.counters["connections.connections_full"] == 1
        first.transport.loseConnection()
        await first.closed()
        await until(lambda: house.site.parts.connection_count == 1)
        assert (await (await house.connect()).ask(GET)).body == b"GET /a"
        assert (await second.ask(GET)).body == b"GET /a"


@ensureDeferred
async def test_an_address_has_a_cap_of_its_own(tmp_path: Path) -> None:
    """UNIX sockets and trusted proxies are exempt."""
    path = str(tmp_path / "a.sock")
    settings = {"max_connections_per_address": 1, "unix_socket": (path,), "bind": (ANY,)}
    async with listening(**settings) as house:
        await (await house.connect(1)).ask(GET)
        await (await house.connect(1)).closed()
        assert house.site.counters["connections.address_full"] == 1
        for _ in range(3):
            await (await house.connect(0)).ask(GET)
    async with listening(**settings, trusted_proxies=("127.0.0.1",)) as house:
        for _ in range(3):
            await (await house.connect(1)).ask(GET)


@ensureDeferred
async def test_faster_than_the_rate_connections_wait_and_are_served() -> None:
    """Nobody is dropped: at 20 a second, 24 take a fifth of a second longer than 20."""
    async with listening(bind=(ANY,), accept_rate=20.0) as house:
        started = reactor.seconds()
        clients = [await house.connect() for _ in range(24)]
        for client in clients:
            assert (await client.ask(GET)).body == b"GET /a"
        assert 0.15 < reactor.seconds() - started < 10


@ensureDeferred
async def test_without_files_nothing_spins_and_all_are_served_later(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A connection for which there is no file waits in the row; the log has one line."""
    monkeypatch.setattr(doors, "NO_FILES_PAUSE_S", 0.05)
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with listening(bind=(ANY,), max_connections=1000) as house:
        await (await house.connect()).ask(GET)
        waiting = await house.connect()
        await waiting.ask(GET)
        port = int(house.listeners.urls[0].rstrip("/").rpartition(":")[2])
        late = socket.socket()
        with late:
            highest = max(map(int, os.listdir("/proc/self/fd")))
            resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, usual[1]))
            held: list[int] = []
            with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
                fill(held)
            try:
                late.connect(("127.0.0.1", port))
                late.sendall(GET)
                counters = house.site.counters
                await until(lambda: counters["connections.no_file_left"] >= 2)
            finally:
                for each in held:
                    os.close(each)
                resource.setrlimit(resource.RLIMIT_NOFILE, usual)
            await until(lambda: len(house.site.requests) == 3)
    assert capfd.readouterr().err.count("connections_refused") == 1


def fill(held: list[int]) -> None:
    """Take every file that is left."""
    while True:
        held.append(os.dup(0))


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
    async with listening(**PROXY, head_timeout_s=0.1) as house:
        client = await house.connect()
        client.send(GET)
        await client.closed()
        silent = await house.connect()
        silent.send(HEADER[:10])
        await silent.closed()
        counters = house.site.counters
        assert counters["connections.bad_proxy_header"] == 1
        assert counters["connections.header_late"] == 1
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


def test_a_stale_socket_file_is_replaced_and_a_living_one_is_not(tmp_path: Path) -> None:
    """Nor is a file that is no socket."""
    path = tmp_path / "a.sock"
    listens = pytest.raises(ConfigurationError, match="another process listens there")
    with open_unix(str(path), 0o660, 5), listens:
        open_unix(str(path), 0o660, 5)
    assert path.exists()
    with open_unix(str(path), 0o600, 5):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.unlink()
    path.write_text("precious")
    with pytest.raises(ConfigurationError, match="the file there is no socket"):
        open_unix(str(path), 0o660, 5)
    assert path.read_text() == "precious"


def test_what_cannot_be_listened_on_is_told_with_its_reason(tmp_path: Path) -> None:
    """And nothing of what was opened before stays open."""
    with open_tcp("127.0.0.1", 0, 5) as taken:
        port = taken.getsockname()[1]
        path = str(tmp_path / "a.sock")
        settings = ServerSettings(bind=(TcpPlace("127.0.0.1", port),), unix_socket=(path,))
        with pytest.raises(ConfigurationError, match=rf"127\.0\.0\.1:{port}: another process"):
            open_all(settings, {})
        assert not os.path.exists(path)
    with pytest.raises(ConfigurationError, match="no such address"):
        open_tcp("192.0.2.1", 0, 5)
    with pytest.raises(ConfigurationError, match="has no address"):
        open_tcp("no-such-host.invalid", 0, 5)
    with pytest.raises(ConfigurationError, match="No such file or directory"):
        open_unix(str(tmp_path / "none" / "a.sock"), 0o660, 5)
    with pytest.raises(ConfigurationError, match="fd 999: no such descriptor"):
        open_all(ServerSettings(fd=(999,)), {})
    no_socket = pytest.raises(ConfigurationError, match="no socket")
    with open(tmp_path / "file", "w") as file, no_socket:
        open_all(ServerSettings(fd=(file.fileno(),)), {})
    not_listening = pytest.raises(ConfigurationError, match="expected a stream socket that listens")
    with socket.socket() as deaf, not_listening:
        open_all(ServerSettings(fd=(deaf.fileno(),)), {})


@pytest.mark.parametrize("text", ["tcp:0:nonsense=1", "nonsense:1", "tcp"])
def test_an_endpoint_that_cannot_be_is_told(text: str) -> None:
    """The message names it."""
    site = Site(page, endpoint=(text,))
    with pytest.raises(ConfigurationError, match=text):
        Listeners(reactor, site.settings, Stack(site.parts)).start()


def test_sockets_of_systemd_are_those_for_this_process() -> None:
    """Another process's are not ours."""
    assert list(passed_descriptors({"LISTEN_PID": "7", "LISTEN_FDS": "2"}, 7)) == [3, 4]
    assert list(passed_descriptors({"LISTEN_PID": "8", "LISTEN_FDS": "2"}, 7)) == []
    assert list(passed_descriptors({}, 7)) == []
    with pytest.raises(ConfigurationError, match="LISTEN_FDS"):
        passed_descriptors({"LISTEN_PID": "7", "LISTEN_FDS": "many"}, 7)
