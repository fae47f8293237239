"""A server with TLS, its worker and its clients; asserts nothing."""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

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
)

FLOOD = 40
OWN_HSTS = "max-age=5"


class Site(NamedTuple):
    """A server, its worker, what a client needs to believe it; `folder` is mounted at /files."""

    server: ServerProcess
    worker: ToyWorker
    authority: Authority
    folder: Path
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


@contextlib.contextmanager
def running_site(
    kind: str, redis_url: str, prefix: str, folder: Path, *given: str
) -> Iterator[Site]:
    """A server with TLS of that kind, `tls-cert` or `endpoint`, other options, and its worker."""
    authority = Authority(folder)
    (folder / "token").write_text("challenge")
    files = authority.issue(kind)
    is_ours = kind == "tls-cert"
    if is_ours:
        options = *files.options, "--redirect-port", "127.0.0.1:0", "--redirect-to-port", "8443"
    else:
        pair = f"privateKey={files.key}:certKey={files.certificate}"
        options = "-e", f"ssl:0:interface=127.0.0.1:{pair}"
    mounts = f"/files={folder}", f"/.well-known/acme-challenge={folder}"
    with ExitStack() as started:
        server = start_server(
            started,
            redis_url,
            prefix,
            *(*options, "--static", mounts[0], "--static", mounts[1], *given),
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
        yield Site(server, worker, authority, folder, redirects)


def get(path: str, *headers: str) -> bytes:
    """A request."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


def read_to_end(client: socket.socket) -> bytes:
    """All that comes; an end without TLS's own raises."""
    pieces = []
    while piece := client.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)
