"""deploy/haproxy.cfg is run as it is, with other addresses: two servers behind one balancer."""

import shutil
import socket
from collections.abc import Iterator

import httpx
import pytest
from websockets.sync.client import connect

from tests.parts import ROOT, Part
from tests.ports import unused_port, wait_for_port
from tests.stack import Stack

pytestmark = pytest.mark.system

CLIENT = "127.0.0.2"
"""The address that the clients come from; the balancer's own is another."""


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, int]]:
    """The small application behind HAProxy with our configuration; gives its port."""
    haproxy = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if haproxy is None:
        pytest.skip("HAProxy is not installed")
    folder = tmp_path_factory.mktemp("haproxy")
    options = ("--proxy-protocol", "--trusted-proxy", "127.0.0.1")
    stack = Stack(folder, app="tests.system.proxied_app:build", servers=2, server_options=options)
    port, text = unused_port(), (ROOT / "deploy/haproxy.cfg").read_text()
    for written, ours in (
        ("bind :443", f"bind 127.0.0.1:{port}"),
        ("10.0.0.11:8000", f"127.0.0.1:{stack.ports[0]}"),
        ("10.0.0.12:8000", f"127.0.0.1:{stack.ports[1]}"),
    ):
        assert written in text
        text = text.replace(written, ours)
    (folder / "haproxy.cfg").write_text(text)
    try:
        stack.start_valkey()
        for number in range(2):
            stack.start_server(number)
        stack.start_worker()
        balancer = Part("haproxy", [haproxy, "-db", "-f", str(folder / "haproxy.cfg")])
        try:
            wait_for_port(port)
            yield stack, port
        finally:
            balancer.stop()
    finally:
        stack.stop()


def client() -> httpx.Client:
    """One that comes from CLIENT over a connection of its own."""
    return httpx.Client(transport=httpx.HTTPTransport(local_address=CLIENT), timeout=30)


def test_the_client_is_the_one_behind_the_balancer(behind: tuple[Stack, int]) -> None:
    """Also for whoever claims to be another one."""
    _, port = behind
    with client() as asking:
        forged = {"X-Forwarded-For": "6.6.6.6", "Forwarded": "for=6.6.6.6"}
        said = asking.get(f"http://127.0.0.1:{port}/who", headers=forged).json()
    assert (said["client"], said["host"]) == (CLIENT, f"127.0.0.1:{port}")


def test_a_socket_knows_its_client_and_survives_the_other_server(behind: tuple[Stack, int]) -> None:
    """When one server ends the balancer sends new clients to the other one."""
    stack, port = behind
    came = socket.create_connection(("127.0.0.1", port), 10, source_address=(CLIENT, 0))
    with connect(f"ws://127.0.0.1:{port}/chat", sock=came) as chatting:
        chatting.send("hello")
        assert chatting.recv(10) == f"{CLIENT} says hello"
    first = stack.servers[0]
    assert first is not None
    first.stop()
    for _ in range(4):
        with client() as asking:
            assert asking.get(f"http://127.0.0.1:{port}/who").json()["client"] == CLIENT
