"""What happens at the door, over real sockets."""

import errno
import os
import resource
import socket
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor

from interface_server.http1 import HttpConnection, HttpFactory
from interface_server.listening import doors
from tests.interface_server.listening_house import ANY, GET, listening, until


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


@ensureDeferred
async def test_a_connection_that_cannot_be_begun_closes_no_door(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nor does it stay counted, whether its protocol could not be made or failed at its start."""
    async with listening(bind=(ANY,), max_connections=2) as house:
        for broken in ("buildProtocol", "makeConnection"):
            owner = HttpFactory if broken == "buildProtocol" else HttpConnection
            with monkeypatch.context() as patched:
                patched.setattr(owner, broken, fail)
                for _ in range(3):
                    await (await house.connect()).closed()
        assert (await (await house.connect()).ask(GET)).body == b"GET /a"
    assert capfd.readouterr().err.count("connection_not_begun") == 6


def fail(*_: object) -> None:
    raise RuntimeError("no memory, say")


@ensureDeferred
async def test_an_end_that_is_told_twice_makes_room_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the reactor does when a protocol cuts its connection and then fails."""

    def cut_and_fail(connection: HttpConnection, _: bytes) -> None:
        connection.transport.abortConnection()
        raise RuntimeError("a fault of ours")

    async with listening(bind=(ANY,), max_connections=1) as house:
        with monkeypatch.context() as patched:
            patched.setattr(HttpConnection, "dataReceived", cut_and_fail)
            client = await house.connect()
            client.send(GET)
            await client.closed()
        first = await house.connect()
        await first.ask(GET)
        await (await house.connect()).closed()
        assert house.site.counters["connections.connections_full"] == 1
