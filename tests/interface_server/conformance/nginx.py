"""nginx in front of a server that only notes what it is sent: how nginx frames a vector's bytes.

For comparison by hand; no test needs it. Nothing of this project runs behind it.
"""

import contextlib
import re
import shutil
import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from tests.interface_server.conformance.house import conversation
from tests.interface_server.conformance.vector import Vector, seen
from tests.parts import Part
from tests.ports import unused_port

PATIENCE_S = 4.0
"""How long nginx's end of a connection is awaited; a little longer than its own time-outs."""

_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 16m;
    client_header_timeout 3s;
    client_body_timeout 3s;
    lingering_close off;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{behind};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
        }}
    }}
}}
"""

_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_SOCKET = re.compile(rb"\r\nupgrade:(?:[^\r]*,)? *websocket *[,\r]", re.IGNORECASE)
_SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Noted(NamedTuple):
    """One request that nginx passed on: its bytes, and `text` as in `Vector.saw`."""

    raw: bytes
    text: str


class Passed(NamedTuple):
    """What nginx made of a vector: the requests that it passed on, the statuses that it answered
    with, and whether it ended the connection in time."""

    requests: tuple[Noted, ...]
    statuses: tuple[int, ...]
    has_ended: bool


class _Backend(socketserver.ThreadingTCPServer):
    """Answers everything with an empty 200 and keeps it in `noted`."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        self.noted: list[Noted] = []
        super().__init__(("127.0.0.1", 0), _Conversation)


class _Conversation(socketserver.StreamRequestHandler):
    server: _Backend

    def handle(self) -> None:
        """Note one request; nginx sends each with a Content-Length, never in chunks."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline()
            if not line:
                return
            head += line
        length = re.search(rb"\r\ncontent-length: *(\d+)\r\n", head, re.IGNORECASE)
        body = self.rfile.read(int(length[1])) if length else b""
        method, target, _ = head.split(b"\r\n", 1)[0].split(b" ", 2)
        is_socket = method == b"GET" and _SOCKET.search(head) is not None
        word = "WS" if is_socket else method.decode("latin-1")
        path = unquote_to_bytes(target.partition(b"?")[0]).decode("latin-1")
        self.server.noted.append(Noted(head + body, seen(word, path, body)))
        self.wfile.write(_SWITCHED if is_socket else _ANSWER)


class Nginx:
    """A running nginx."""

    def __init__(self, backend: _Backend, port: int) -> None:
        self._backend = backend
        self._port = port

    def passed(self, vector: Vector) -> Passed:
        """What nginx makes of a vector's bytes."""
        self._backend.noted.clear()
        with socket.create_connection(("127.0.0.1", self._port), PATIENCE_S) as client:
            received, has_ended = conversation(client, vector, in_pieces=False)
        statuses = tuple(int(status) for status in _STATUS.findall(received))
        return Passed(tuple(self._backend.noted), statuses, has_ended)


@contextlib.contextmanager
def nginx(folder: Path) -> Iterator[Nginx]:
    """An nginx with a backend for the time of a block; its files lie in `folder`.

    Raises: FileNotFoundError when none is installed.
    """
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    port = unused_port()
    with _Backend() as backend:
        thread = threading.Thread(target=backend.serve_forever, daemon=True)
        thread.start()
        behind = backend.server_address[1]
        file = folder / "nginx.conf"
        file.write_text(_CONFIGURATION.format(folder=folder, port=port, behind=behind))
        part = Part("nginx", [program, "-c", str(file), "-e", str(folder / "error.log")])
        try:
            _wait_until_it_listens(part, port)
            yield Nginx(backend, port)
        finally:
            part.stop()
            backend.shutdown()
            thread.join()


def version() -> str:
    """What nginx calls itself, as `nginx/1.22.1`."""
    part = Part("nginx", [shutil.which("nginx") or "/usr/sbin/nginx", "-v"])
    part.wait()
    return part.text.strip().rpartition(" ")[2]


def _wait_until_it_listens(part: Part, port: int) -> None:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionError:
            if not part.is_running:
                part.wait()
                raise AssertionError(f"nginx ended:\n{part.text}") from None
        else:
            return
