"""A server with TLS as its clients see it: by --tls-cert, and by a Twisted endpoint string."""

import contextlib
import hashlib
import itertools
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as connect_socket

from channel_layer.layer import Entry, Operation
from tests.interface_server.certificates import Authority
from tests.interface_server.real_server import (
    ServerProcess,
    ToyWorker,
    accept,
    echo,
    nothing,
    reply,
    start_server,
    start_worker,
)

FLOOD = 40
LARGE = 48 * 1024 * 1024
OWN_HSTS = "max-age=5"


class Site(NamedTuple):
    """A server, its worker, and what a client needs to believe it."""

    server: ServerProcess
    worker: ToyWorker
    authority: Authority
    redirects: str

    def connect(self, **options: Any) -> ssl.SSLSocket:
        """A client's socket after its handshake."""
        host, port = self.server.address.split(":")
        plain = socket.create_connection((host, int(port)), timeout=10)
        trust = options.pop("trust", None) or self.authority.trust()
        return trust.wrap_socket(plain, server_hostname="localhost", **options)

    def connect_plainly(self) -> socket.socket:
        """The same without TLS."""
        host, port = self.server.address.split(":")
        return socket.create_connection((host, int(port)), timeout=10)


def answer(message: dict[str, Any], _: Entry) -> list[Operation]:
    """Tell the path and the size of the body."""
    said = f"{message['path']} {len(message.get('body') or b'')}".encode()
    headers = [[b"strict-transport-security", OWN_HSTS.encode()]] if "own" in said.decode() else []
    return [reply(message, status=200, headers=headers, content=said)]


def flood_or_echo(message: dict[str, Any], entry: Entry) -> list[Operation]:
    """Far more than may wait for one socket, when asked for it."""
    if message.get("text") == "flood":
        return [reply(message, bytes=b"f" * 500_000) for _ in range(FLOOD)]
    return list(echo(message, entry))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """One authority for this file."""
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files to be mounted."""
    folder: Path = tmp_path_factory.mktemp("files")
    (folder / "large").write_bytes(os.urandom(1024) * (LARGE // 1024))
    (folder / "token").write_text("challenge")
    return folder


@pytest.fixture(scope="module", params=["tls-cert", "endpoint"])
def site(
    request: pytest.FixtureRequest, redis_url: str, authority: Authority, folder: Path
) -> Iterator[Site]:
    """A server of each kind."""
    files = authority.issue(request.param)
    is_ours = request.param == "tls-cert"
    if is_ours:
        options = *files.options, "--redirect-port", "127.0.0.1:0", "--redirect-to-port", "8443"
    else:
        pair = f"privateKey={files.key}:certKey={files.certificate}"
        options = "-e", f"ssl:0:interface=127.0.0.1:{pair}"
    mounts = f"/files={folder}", f"/.well-known/acme-challenge={folder}"
    prefix = f"tls-{request.param}"
    with ExitStack() as started:
        server = start_server(
            started,
            redis_url,
            prefix,
            *(*options, "--static", mounts[0], "--static", mounts[1], "--head-timeout", "0.5"),
            *("--hsts", "3600", "--hsts-subdomains"),
        )
        redirects = server.part.wait_for(r"listens on (http://\S+)/")[1] if is_ours else ""
        handlers = {
            "http.request": answer,
            "websocket.connect": accept,
            "websocket.receive": flood_or_echo,
            "websocket.disconnect": nothing,
        }
        worker = ToyWorker(redis_url, prefix, handlers)
        started.callback(worker.stop)
        yield Site(server, worker, authority, redirects)


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


def read_to_end(client: socket.socket) -> bytes:
    """All that comes; an end without TLS's own raises."""
    pieces = []
    while piece := client.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


only_ours = pytest.mark.parametrize("site", ["tls-cert"], indirect=True)
"""What the endpoint's TLS, which is Twisted's, does in its own way."""


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
def test_a_slow_reader_costs_bounded_memory(site: Site, folder: Path) -> None:
    """A large file waits for who reads it, and comes whole in the end."""
    statm = Path(f"/proc/{site.server.part.pid}/statm")
    before = int(statm.read_text().split()[1]) * 4096
    digest = hashlib.sha256((folder / "large").read_bytes()).digest()
    with ExitStack() as open_:
        clients = [open_.enter_context(site.connect()) for _ in range(4)]
        for client in clients:
            client.sendall(get("/files/large", "Connection: close"))
            client.recv(1)
        time.sleep(0.3)  # nothing is awaited: what could grow has this time for it
        grown = int(statm.read_text().split()[1]) * 4096 - before
        assert grown < 12 * 1024 * 1024
        body = read_to_end(clients[0]).partition(b"\r\n\r\n")[2]
        assert hashlib.sha256(body).digest() == digest


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


@only_ours
def test_plain_http_is_told_so(site: Site) -> None:
    """400 in the clear, however it is sent; what is neither HTTP nor TLS is cut."""
    with site.connect_plainly() as client:
        client.sendall(b"G")
        said = read_to_end(client)
        assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"HTTPS" in said
        assert b"Strict-Transport" not in said
    for noise in (b"\x00\x01", b"\x16\x03\x01\x00\x02\xff\xff", b"\x80" * 70_000):
        with site.connect_plainly() as client, contextlib.suppress(ConnectionError):
            client.sendall(noise)
            assert b"HTTP" not in read_to_end(client)


@only_ours
@pytest.mark.alone
def test_a_handshake_must_end_in_time(site: Site) -> None:
    """Silent clients and those that drip are cut after the time of a head."""
    hello = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        site.authority.trust().wrap_bio(ssl.MemoryBIO(), hello, server_hostname="x").do_handshake()
    first = hello.read()
    for sent in (b"", first[:1], first[:-1]):
        began = time.monotonic()
        with site.connect_plainly() as client, contextlib.suppress(ConnectionError):
            client.sendall(sent)
            read_to_end(client)
        assert 0.4 < time.monotonic() - began < 3


@only_ours
def test_a_stop_finishes_what_runs(
    site: Site, redis_url: str, authority: Authority, started: ExitStack
) -> None:
    """A request that waits is answered, a socket is told to come back, a handshake is cut."""
    came, may_answer = threading.Event(), threading.Event()
    started.callback(may_answer.set)

    def hold(message: dict[str, Any], _: Entry) -> list[Operation]:
        came.set()
        may_answer.wait(10)
        return [reply(message, status=200, headers=[], content=b"after all")]

    files = authority.issue("stopping")
    server = start_server(started, redis_url, "tls-stop", *files.options)
    handlers = {"http.request": hold, "websocket.connect": accept, "websocket.disconnect": nothing}
    worker = start_worker(started, redis_url, "tls-stop", handlers)
    ending = Site(server, worker, authority, "")
    trust = authority.trust()
    with (
        ending.connect() as client,
        ending.connect_plainly() as silent,
        connect_socket(server.ws + "/s", ssl=trust) as reader,
    ):
        client.sendall(get("/waits"))
        assert came.wait(10)
        server.part.signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            reader.recv(10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
        with contextlib.suppress(ConnectionError):
            assert read_to_end(silent) == b""
        may_answer.set()
        said = read_to_end(client)
        assert b"Connection: close" in said
        assert said.endswith(b"after all")
    assert server.part.wait() == 0


@only_ours
def test_a_broken_record_ends_its_connection_only(site: Site) -> None:
    """Bytes that cannot be decrypted are answered with an alert."""
    with site.connect() as other, site.connect_plainly() as plain:
        to_server, from_server = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = site.authority.trust().wrap_bio(
            from_server, to_server, server_hostname="localhost"
        )
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                plain.sendall(to_server.read())
                from_server.write(plain.recv(65536))
        client.write(get("/never"))
        sealed = bytearray(to_server.read())
        sealed[-1] ^= 1
        plain.sendall(sealed)
        with contextlib.suppress(ConnectionError):
            assert b"HTTP" not in read_to_end(plain)
        other.sendall(get("/still", "Connection: close"))
        assert read_to_end(other).endswith(b"/still 0")


@only_ours
def test_http_1_is_agreed_on(site: Site) -> None:
    """By ALPN with who offers it; who offers only what is unknown is served too."""
    for offered, agreed in ((["http/1.1"], "http/1.1"), (["spdy/3"], None), ([], None)):
        trust = site.authority.trust()
        if offered:
            trust.set_alpn_protocols(offered)
        with site.connect(trust=trust) as client:
            assert client.selected_alpn_protocol() == agreed
            client.sendall(get("/alpn", "Connection: close"))
            assert read_to_end(client).endswith(b"/alpn 0")


@only_ours
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_resume(site: Site, version: ssl.TLSVersion) -> None:
    """A second connection has a shorter handshake."""
    trust = site.authority.trust()
    trust.maximum_version = version
    session = None
    for is_resumed in (False, True):
        with site.connect(trust=trust, session=session) as client:
            assert client.session_reused is is_resumed
            client.sendall(get("/again", "Connection: close"))
            assert read_to_end(client).endswith(b"/again 0")
            session = client.session


@only_ours
def test_nothing_old_is_spoken(site: Site) -> None:
    """No TLS before 1.2, no weak ciphers, no renegotiation."""
    address = ("-connect", site.server.address, "-CAfile", str(site.authority.file))

    def ask(*options: str, said: bytes = b"") -> str:
        command = ["openssl", "s_client", *address, *options]
        ran = subprocess.run(command, input=said, capture_output=True, timeout=20, check=False)
        return (ran.stdout + ran.stderr).decode(errors="replace")

    assert "Cipher is (NONE)" in ask("-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
    assert "Cipher is (NONE)" in ask("-tls1_2", "-cipher", "AES128-SHA")
    assert "Cipher is ECDHE-ECDSA-AES" in ask("-tls1_2")
    assert "no renegotiation" in ask("-tls1_2", said=b"R\n")


@only_ours
def test_a_hangup_changes_the_certificate_and_no_connection(site: Site) -> None:
    """New handshakes see the new pair, open connections go on; a broken pair is refused."""

    def serial() -> int:
        with site.connect() as client:
            certificate = client.getpeercert()
            assert certificate is not None
            return int(str(certificate["serialNumber"]), 16)

    before = serial()
    with site.connect() as client:
        files = site.authority.issue("tls-cert")
        site.server.part.signal(signal.SIGHUP)
        site.server.part.wait_for("tls_reloaded")
        after = serial()
        assert after != before
        good = files.key.read_bytes()
        files.key.write_text("broken")
        site.server.part.signal(signal.SIGHUP)
        site.server.part.wait_for("tls_reload_refused")
        assert serial() == after
        files.key.write_bytes(good)
        client.sendall(get("/open", "Connection: close"))
        assert read_to_end(client).endswith(b"/open 0")


@only_ours
def test_who_comes_without_tls_is_sent_there(site: Site) -> None:
    """Path and query stay; only pages move, and no other host is named than was asked for."""
    with httpx.Client(base_url=site.redirects) as client:
        for method in ("GET", "HEAD"):
            response = client.request(method, "/a%20b/%C3%A4?x=1%202&y", headers={"Host": "h.x:80"})
            assert response.status_code == 308
            assert response.headers["location"] == "https://h.x:8443/a%20b/%C3%A4?x=1%202&y"
            assert "strict-transport-security" not in response.headers
        response = client.get(
            site.redirects + "//evil.example/%0d%0aX:1", headers={"Host": "[::1]"}
        )
        assert response.headers["location"] == "https://[::1]:8443//evil.example/%0D%0AX:1"
        assert client.post("/a", content=b"x").status_code == 413
        assert client.post("/a").status_code == 403
        for host in ("a/b", ":80", "%0d%0a:80:80"):
            assert client.get("/a", headers={"Host": host}).status_code == 400
        assert client.get("/healthz").status_code == 200
        assert client.get("/.well-known/acme-challenge/token").text == "challenge"
        assert client.get("/files/token").status_code == 308
        shake = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        assert client.get("/s", headers=shake).status_code == 308
