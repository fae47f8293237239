"""What the TLS of this server's own does, which Twisted's does in its own way."""

import contextlib
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect as connect_socket

from channel_layer.layer import Entry, Operation
from tests.interface_server.real_server import (
    accept,
    nothing,
    reply,
    start_server,
    start_worker,
)
from tests.interface_server.tls_site import Site, get, read_to_end, running_site


@pytest.fixture(scope="module")
def site(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One server for this file."""
    folder = tmp_path_factory.mktemp("site")
    with running_site("tls-cert", redis_url, "tls-own", folder, "--head-timeout", "2") as site:
        yield site


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
        assert 1.9 < time.monotonic() - began < 9


def test_a_stop_finishes_what_runs(site: Site, redis_url: str, started: ExitStack) -> None:
    """A request that waits is answered, a socket is told to come back, a handshake is cut."""
    came, may_answer = threading.Event(), threading.Event()
    started.callback(may_answer.set)

    def hold(message: dict[str, Any], _: Entry) -> list[Operation]:
        came.set()
        may_answer.wait(10)
        return [reply(message, status=200, headers=[], content=b"after all")]

    files = site.authority.issue("stopping")
    server = start_server(started, redis_url, "tls-stop", *files.options)
    handlers = {"http.request": hold, "websocket.connect": accept, "websocket.disconnect": nothing}
    worker = start_worker(started, redis_url, "tls-stop", handlers)
    ending = site._replace(server=server, worker=worker)
    trust = site.authority.trust()
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
