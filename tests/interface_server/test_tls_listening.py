"""A server with TLS as its clients see it: by --tls-cert, and by a Twisted endpoint string."""

import contextlib
import hashlib
import itertools
import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as connect_socket

from tests.interface_server.tls_site import FLOOD, OWN_HSTS, Site, get, read_to_end, running_site

LARGE = 48 * 1024 * 1024


@pytest.fixture(scope="module", params=["tls-cert", "endpoint"])
def site(
    request: pytest.FixtureRequest, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A server of each kind."""
    folder = tmp_path_factory.mktemp("site")
    with running_site(request.param, redis_url, f"tls-{request.param}", folder) as site:
        yield site


def test_workers_hear_https(site: Site) -> None:
    """The scheme is https, and responses carry HSTS unless the worker's own does."""
    with httpx.Client(verify=site.authority.trust(), base_url=site.server.http) as client:
        response = client.get("/a")
        assert (response.status_code, response.text) == (200, "/a 0")
        expected = "max-age=3600; includeSubDomains"
        assert response.headers["strict-transport-security"] == expected
        assert client.get("/own").headers.get_list("strict-transport-security") == [OWN_HSTS]
        assert client.get("/healthz").headers["strict-transport-security"] == expected
    assert site.worker.of("http.request")[-1]["scheme"] == "https"


def test_an_https_address_is_served(site: Site) -> None:
    """An absolute https target is at its place here (RFC 9110 section 7.4)."""
    with site.connect() as client:
        client.sendall(get("https://localhost/whole", "Connection: close"))
        assert b"200 OK" in read_to_end(client)


def test_sockets_are_wss(site: Site) -> None:
    """A WebSocket over TLS echoes, small and large, and its scheme is wss."""
    trust = site.authority.trust()
    with connect_socket(site.server.ws + "/s", ssl=trust, max_size=None) as client:
        for message in ("hello", b"x" * 300_000):
            client.send(message)
            assert client.recv() == message
    assert site.worker.of("websocket.connect")[-1]["scheme"] == "wss"


def test_a_slow_socket_is_closed(site: Site) -> None:
    """Who does not read gets what was on its way and 1013, as without TLS."""
    trust = site.authority.trust()
    with connect_socket(
        site.server.ws + "/s", ssl=trust, max_size=None, max_queue=1, close_timeout=1
    ) as client:
        client.send("flood")
        site.server.part.wait_for("websocket_slow_reader")
        got = []
        with contextlib.suppress(ConnectionClosed):
            while len(got) < FLOOD:
                got.append(client.recv(10))
        assert 0 < len(got) < FLOOD
        assert set(got) == {b"f" * 500_000}
        assert client.close_code in (1006, 1013)


def test_bodies_come_whole(site: Site) -> None:
    """Uploads of many records, as one body and in chunks."""
    with httpx.Client(verify=site.authority.trust(), base_url=site.server.http) as client:
        body = os.urandom(400_000)
        assert client.put("/up", content=body).text == "/up 400000"
        assert site.worker.of("http.request")[-1]["body"] == body
        chunks = itertools.repeat(b"y" * 1000, 300)
        assert client.put("/up", content=chunks).text == "/up 300000"


def test_requests_in_one_burst_are_answered_in_order(site: Site) -> None:
    """What was decrypted but not read while reading paused is not lost."""
    many = 400
    with site.connect() as client:
        burst = b"".join(get(f"/{number}", "X-Fill: " + "f" * 300) for number in range(many - 1))
        client.sendall(burst + get("/last", "Connection: close"))
        said = read_to_end(client)
    found = re.findall(rb"\r\n\r\n/(\S+) 0", said)
    assert found == [str(number).encode() for number in range(many - 1)] + [b"last"]


def test_a_request_may_come_in_many_records(site: Site) -> None:
    """Each byte in a record of its own."""
    with site.connect() as client:
        for byte in get("/bytes", "Connection: close"):
            client.sendall(bytes([byte]))
        assert read_to_end(client).endswith(b"/bytes 0")


@pytest.mark.alone
def test_a_slow_reader_costs_bounded_memory(site: Site) -> None:
    """A large file waits for who reads it, and comes whole in the end."""
    content = os.urandom(1024) * (LARGE // 1024)
    (site.folder / "large").write_bytes(content)
    statm = Path(f"/proc/{site.server.part.pid}/statm")
    before = int(statm.read_text().split()[1]) * 4096
    with ExitStack() as open_:
        clients = [open_.enter_context(site.connect()) for _ in range(4)]
        for client in clients:
            client.sendall(get("/files/large", "Connection: close"))
            client.recv(1)
        time.sleep(0.3)  # nothing is awaited: what could grow has this time for it
        grown = int(statm.read_text().split()[1]) * 4096 - before
        assert grown < 12 * 1024 * 1024
        body = read_to_end(clients[0]).partition(b"\r\n\r\n")[2]
        assert hashlib.sha256(body).digest() == hashlib.sha256(content).digest()


def test_a_bad_request_is_answered(site: Site) -> None:
    """With its 400, also when more lies behind it that nobody reads."""
    for rest in (b"", b"x" * 100_000):
        with site.connect() as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost : x\r\n\r\n" + rest)
            said = read_to_end(client)
            assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n")
            assert b"Request id" in said


def test_the_end_is_told(site: Site) -> None:
    """The server's close comes with TLS's own, so that nothing can be cut off unseen."""
    with site.connect(suppress_ragged_eofs=False) as client:
        client.sendall(get("/end", "Connection: close"))
        assert read_to_end(client).endswith(b"/end 0")


def test_a_client_may_end_first(site: Site) -> None:
    """Its close is answered with the server's own."""
    with site.connect() as client:
        client.sendall(get("/x"))
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        while client.pending():
            client.recv(65536)
        client.unwrap().close()
