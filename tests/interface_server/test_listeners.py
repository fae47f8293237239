"""Places to listen, over real sockets."""

import os
import socket
import stat
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    connectProtocol,
)

from interface_server.listening.listeners import Listeners
from interface_server.listening.opening import open_all, passed_descriptors
from interface_server.listening.stack import Stack
from interface_server.settings import ServerSettings
from shared.addresses import TcpPlace
from shared.errors import ConfigurationError
from shared.opening import open_tcp, open_unix
from tests.interface_server.answering import Client, Site, page
from tests.interface_server.listening_house import ANY, GET, listening


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
        settings = ServerSettings(port=0, redirect_port=(TcpPlace("127.0.0.1", port),))
        with pytest.raises(ConfigurationError, match="choose another with --redirect-port"):
            open_all(settings, {})
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
