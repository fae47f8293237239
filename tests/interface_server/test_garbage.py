"""What ended connections leave to the search for garbage: nothing, whatever they spoke."""

import re
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

from channel_layer.layer import Entry, Operation, Send
from shared import codec
from shared.messages import Hold
from tests.interface_server.certificates import Authority
from tests.interface_server.h2_socket import H2Sockets
from tests.interface_server.raw_socket import TEXT, RawSocket, close, frame
from tests.interface_server.real_server import (
    SOCKET_CHANNELS,
    ServerProcess,
    ToyWorker,
    echo,
    nothing,
    reply,
)

PREFIX = "garbage"
HEADERS = ((b"content-type", b"text/event-stream"),)
ENDED = 5
"""Connections of each kind; less than that in the search is what the process made once."""


class Observed(ServerProcess):
    """A server that can be asked what only a search for garbage would free."""

    module = "tests.interface_server.garbage_server"
    searches = 0

    def garbage(self) -> dict[str, int]:
        """Kinds of objects and how many there are, of those that came with each connection."""
        self.wait_for_health(lambda said: not (said["connections"] or said["sockets"]))
        self.searches += 1
        self.part.signal(signal.SIGUSR1)
        said = self.part.wait_for(rf"search {self.searches} found {{(.*)}}")[1]
        found = {name: int(count) for name, count in re.findall(r"'([^']+)': (\d+)", said)}
        return {name: count for name, count in found.items() if count >= ENDED}


class Ground(NamedTuple):
    """Both servers, and what their clients need."""

    plain: Observed
    secure: Observed
    authority: Authority

    def connect(self) -> socket.socket:
        """A connection."""
        host, port = self.plain.address.split(":")
        return socket.create_connection((host, int(port)), 10)

    def connect_secure(self) -> ssl.SSLSocket:
        """The same with TLS."""
        host, port = self.secure.address.split(":")
        wire = socket.create_connection((host, int(port)), 10)
        return self.authority.trust().wrap_socket(wire, server_hostname="localhost")


def answer(message: dict[str, Any], _: Entry) -> list[Operation]:
    """A page, the beginning of one that is never whole, or an event stream."""
    path = message["path"]
    if path == "/part":
        return [reply(message, status=200, headers=[], content=b"some", more_content=True)]
    if path == "/events":
        return [Send(message["reply_channel"], codec.encode(Hold("events", HEADERS)))]
    if path == "/never":
        return []
    return [reply(message, status=200, headers=[], content=b"page")]


def let_in(message: dict[str, Any], _: Entry) -> list[Operation]:
    """Every socket but one."""
    return [reply(message, accept=message["path"] != "/refused")]


@pytest.fixture(scope="module")
def ground(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A server without TLS that speaks HTTP/2 too, one with TLS, a worker for both."""
    folder = tmp_path_factory.mktemp("ground")
    (folder / "a.txt").write_text("here")
    (folder / "large").write_bytes(bytes(4_000_000))
    authority = Authority(folder)
    options = ("--static", f"/static={folder}", "--stall-timeout", "30")
    with ExitStack() as ending:
        plain = Observed(redis_url, PREFIX, "--h2c", "--websocket-deflate", *options)
        ending.callback(plain.part.stop)
        secure = Observed(redis_url, PREFIX, *authority.issue("here").options, *options)
        ending.callback(secure.part.stop)
        sockets = dict(zip(SOCKET_CHANNELS, (let_in, echo, nothing), strict=True))
        worker = ToyWorker(redis_url, PREFIX, {"http.request": answer, **sockets})
        ending.callback(worker.stop)
        yield Ground(plain, secure, authority)


def ask(wire: socket.socket, path: str, until: bytes, method: str = "GET", more: str = "") -> None:
    """One request, and what comes up to the bytes `until`."""
    wire.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode())
    said = b""
    while until not in said:
        said += wire.recv(65536) or pytest.fail(f"cut behind {said!r}")


def idle(wire: socket.socket) -> None:
    ask(wire, "/static/a.txt", b"here")


def silent(wire: socket.socket) -> None:
    """It says nothing."""


def half_a_head(wire: socket.socket) -> None:
    wire.sendall(b"GET / HTT")


def asked_a_worker(wire: socket.socket) -> None:
    ask(wire, "/page", b"page")


def closed_by_the_server(wire: socket.socket) -> None:
    ask(wire, "/page", b"page", more="Connection: close\r\n")
    while wire.recv(4096):
        pass


def refused(wire: socket.socket) -> None:
    ask(wire, "/a b", b" 400 ")


def uploaded(wire: socket.socket) -> None:
    ask(wire, "/page", b"page", "POST", f"Content-Length: 300000\r\n\r\n{300000 * 'x'}"[:-2])


def half_a_body(wire: socket.socket) -> None:
    ask(wire, "/page", b" 100 ", "POST", "Content-Length: 70000\r\nExpect: 100-continue\r\n")
    wire.sendall(bytes(1000))


def left_unanswered(wire: socket.socket) -> None:
    wire.sendall(b"GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n")
    wire.sendall(b"GET /static/a.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")


def cut_in_an_answer(wire: socket.socket) -> None:
    ask(wire, "/part", b"some")


def left_an_event_stream(wire: socket.socket) -> None:
    ask(wire, "/events", b"text/event-stream")


def left_a_file(wire: socket.socket) -> None:
    ask(wire, "/static/large", b" 200 ")


SPOKEN = (
    *(idle, silent, half_a_head, asked_a_worker, closed_by_the_server, refused, uploaded),
    *(half_a_body, left_unanswered, cut_in_an_answer, left_an_event_stream, left_a_file),
)


@pytest.mark.parametrize("speak", SPOKEN)
def test_http_connections_are_freed_by_their_end(
    ground: Ground, speak: Callable[[socket.socket], None]
) -> None:
    """However an HTTP/1.1 connection ends, no cycle of references keeps what it held."""
    for _ in range(ENDED):
        with ground.connect() as wire:
            speak(wire)
    assert ground.plain.garbage() == {}


@pytest.mark.parametrize("speak", SPOKEN)
def test_connections_with_tls_are_freed_by_their_end(
    ground: Ground, speak: Callable[[socket.socket], None]
) -> None:
    """The same behind TLS."""
    for _ in range(ENDED):
        with ground.connect_secure() as wire:
            speak(wire)
    assert ground.secure.garbage() == {}


def h2_begun(wire: H2Sockets, path: str) -> None:
    """The answer's head is here."""
    stream = wire.ask(path)
    wire.until(lambda: stream in wire.heads)


def h2_idle(wire: H2Sockets) -> None:
    """It asked for nothing."""


def h2_asked(wire: H2Sockets) -> None:
    assert wire.get("/static/a.txt") == wire.get("/page") == 200
    assert wire.get("/static/none") == 404


def h2_left_unanswered(wire: H2Sockets) -> None:
    wire.ask("/never")
    assert wire.get("/static/a.txt") == 200


def h2_left_in_answers(wire: H2Sockets) -> None:
    h2_begun(wire, "/events")
    wire.gives_window = False
    h2_begun(wire, "/static/large")


def h2_socket(wire: H2Sockets) -> None:
    stream = wire.open("/socket")
    wire.say(stream, "a")
    wire.until(lambda: wire.texts(stream) == ["a"])
    wire.close(stream)
    wire.until(lambda: stream in wire.ended)


def h2_left_a_socket(wire: H2Sockets) -> None:
    wire.open("/socket")


@pytest.mark.parametrize(
    "speak",
    [h2_idle, h2_asked, h2_left_unanswered, h2_left_in_answers, h2_socket, h2_left_a_socket],
)
def test_http2_connections_are_freed_by_their_end(
    ground: Ground, speak: Callable[[H2Sockets], None]
) -> None:
    """The same with HTTP/2, whatever its streams carried."""
    for _ in range(ENDED):
        with ExitStack() as ending:
            wire = H2Sockets(ground.plain.address)
            ending.callback(wire.leave)
            speak(wire)
    assert ground.plain.garbage() == {}


def socket_left(wire: RawSocket) -> None:
    assert wire.head.startswith("HTTP/1.1 101")


def socket_closed(wire: RawSocket) -> None:
    wire.send(frame(TEXT, b"a"))
    assert wire.frame() == (TEXT, b"a", 0, True)
    wire.send(close(1000))
    assert wire.end() == 1000


def socket_failed(wire: RawSocket) -> None:
    wire.send(frame(TEXT, b"\xff"))
    assert wire.end() == 1007


def socket_refused(wire: RawSocket) -> None:
    assert wire.head.startswith("HTTP/1.1 403")


SOCKETS = (("/socket", socket_left), ("/socket", socket_closed), ("/socket", socket_failed))


@pytest.mark.parametrize(("path", "speak"), [*SOCKETS, ("/refused", socket_refused)])
@pytest.mark.parametrize("more", ["", "Sec-WebSocket-Extensions: permessage-deflate\r\n"])
def test_sockets_are_freed_by_their_end(
    ground: Ground, path: str, speak: Callable[[RawSocket], None], more: str
) -> None:
    """The same with WebSocket, compressed or not."""
    for _ in range(ENDED):
        with RawSocket(ground.plain.address, path, more) as wire:
            speak(wire)
    assert ground.plain.garbage() == {}
