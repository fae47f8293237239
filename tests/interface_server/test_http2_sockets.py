"""WebSockets over HTTP/2 (RFC 8441): a real server, a real layer, a tiny worker."""

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest

from channel_layer.layer import Entry, Operation
from tests.interface_server.h2_socket import H2Sockets
from tests.interface_server.real_server import (
    SOCKET_CHANNELS,
    Handler,
    ServerProcess,
    ToyWorker,
    accept,
    echo,
    nothing,
    reply,
    start_server,
)

PREFIX = "h2ws"
Start = Callable[..., ToyWorker]


@pytest.fixture(scope="module")
def h2_server(redis_url: str) -> Iterator[ServerProcess]:
    """One server that speaks HTTP/2 without TLS."""
    running = ServerProcess(redis_url, PREFIX, "--h2c", "--max-socket-output", "256k")
    yield running
    assert running.part.stop() == 0


@pytest.fixture
def h2_worker(h2_server: ServerProcess, redis_url: str) -> Iterator[Start]:
    """Starts a worker with handlers for the socket channels."""
    with ExitStack() as stack:

        def start(on_connect: Handler = accept, on_receive: Handler = echo) -> ToyWorker:
            handlers = {
                "websocket.connect": on_connect,
                "websocket.receive": on_receive,
                "websocket.disconnect": nothing,
            }
            running = ToyWorker(redis_url, PREFIX, handlers)
            stack.callback(running.stop)
            return running

        yield start


@pytest.fixture
def wire(h2_server: ServerProcess) -> Iterator[H2Sockets]:
    """One connection."""
    connection = H2Sockets(h2_server.address)
    yield connection
    connection.leave()


def test_a_socket_is_opened_used_and_closed(h2_worker: Start, wire: H2Sockets) -> None:
    """200 stands for 101, without what means HTTP/1.1; frames go both ways; the stream ends."""

    def choose(message: dict[str, object], _: Entry) -> list[Operation]:
        return [reply(message, accept=True, subprotocol="b")]

    worker = h2_worker(choose)
    assert wire.settings[8] == 1
    stream = wire.open("/chat?x=1", sec_websocket_protocol="a, b", cookie="c=1")
    head = wire.heads[stream]
    assert (head[":status"], head["sec-websocket-protocol"]) == ("200", "b")
    assert not {"upgrade", "connection", "sec-websocket-accept"} & set(head)
    connect = worker.of("websocket.connect")[0]
    assert (connect["path"], connect["query_string"]) == ("/chat", b"x=1")
    headers = dict(connect["headers"])
    assert (headers[b"host"], headers[b"cookie"]) == (b"x", b"c=1")
    for text in ("one", "two", "x" * 60_000):
        wire.say(stream, text)
        wire.until(lambda text=text: wire.texts(stream)[-1:] == [text])
    wire.close(stream, 4001)
    wire.until(lambda: stream in wire.ended)
    assert wire.sockets[stream].close_rcvd.code == 4001  # type: ignore[union-attr]
    worker.wait_for(lambda seen: bool(seen.of("websocket.disconnect")))
    assert worker.of("websocket.disconnect")[0]["code"] == 4001


def test_sockets_and_pages_share_a_connection(h2_worker: Start, wire: H2Sockets) -> None:
    """Each stream has its own socket, and its own end."""
    worker = h2_worker()
    first, second = wire.open("/1"), wire.open("/2")
    wire.say(first, "a")
    wire.say(second, "b")
    wire.until(lambda: wire.texts(first) == ["a"] and wire.texts(second) == ["b"])
    assert wire.get("/healthz") == 200
    wire.reset(first)
    worker.wait_for(lambda seen: bool(seen.of("websocket.disconnect")))
    assert worker.of("websocket.disconnect")[0]["code"] == 1006
    wire.say(second, "c")
    wire.until(lambda: wire.texts(second) == ["b", "c"])
    wire.end(second)
    worker.wait_for(lambda seen: len(seen.of("websocket.disconnect")) == 2)
    wire.until(lambda: second in wire.ended)


def test_pings_are_answered_over_http2(
    h2_worker: Start, redis_url: str, started: ExitStack
) -> None:
    """A client that answers stays; one that does not is cut, and its connection with it not."""
    h2_worker()
    pings_often = ("--ping-interval", "0.5", "--ping-timeout", "3")
    wire = H2Sockets(start_server(started, redis_url, PREFIX, "--h2c", *pings_often).address)
    started.callback(wire.leave)
    alive, silent = wire.open("/1"), wire.open("/2")
    pings = wire.frames[alive]
    del wire.sockets[silent]
    wire.until(lambda: silent in wire.resets or silent in wire.ended)
    wire.until(lambda: len([frame for frame in pings if frame.opcode == 9]) > 4)
    wire.say(alive, "still here")
    wire.until(lambda: wire.texts(alive) == ["still here"])


def test_a_refusal_keeps_its_status(h2_worker: Start, wire: H2Sockets) -> None:
    """A worker's 403 and the server's own 400 are answers of the stream."""

    def refuse(message: dict[str, object], _: Entry) -> list[Operation]:
        return [reply(message, accept=False)]

    h2_worker(refuse)
    stream = wire.shake("/no")
    wire.until(lambda: stream in wire.ended)
    assert (wire.heads[stream][":status"], wire.bodies[stream]) == ("403", b"403 Forbidden\n")
    stream = wire.shake("/no", sec_websocket_protocol="a b")
    wire.until(lambda: stream in wire.ended)
    assert wire.heads[stream][":status"] == "400"
    stream = wire.shake("/no", sec_websocket_protocol="a")
    wire.until(lambda: stream in wire.ended)
    assert wire.heads[stream][":status"] == "403"


def test_a_socket_whose_window_is_shut_is_closed_alone(
    h2_server: ServerProcess, h2_worker: Start
) -> None:
    """Past --max-socket-output: 1013 for it, and the connection goes on."""

    def flood(message: dict[str, object], _: Entry) -> list[Operation]:
        return [reply(message, text="x" * 50_000) for _ in range(20)]

    worker = h2_worker(on_receive=flood)
    wire = H2Sockets(h2_server.address, window=1000)
    stream = wire.open("/slow")
    wire.gives_window = False
    wire.say(stream, "go")
    worker.wait_for(lambda seen: bool(seen.of("websocket.disconnect")), 30)
    assert worker.of("websocket.disconnect")[0]["code"] == 1013
    wire.gives_window = True
    assert wire.get("/healthz") == 200
    wire.leave()


@pytest.mark.parametrize("leave", [H2Sockets.end, H2Sockets.reset])
def test_a_handshake_that_is_left_counts_until_workers_have_it_no_more(
    redis_url: str, leave: Callable[[H2Sockets, int], None]
) -> None:
    """Leaving makes no room for more than --http2-streams; that workers are done with it does."""
    with ExitStack() as started:
        prefix = f"h2left{leave.__name__}"
        server = start_server(started, redis_url, prefix, "--h2c", "--http2-streams", "3")
        wire = H2Sockets(server.address)
        started.callback(wire.leave)
        left = [wire.shake(f"/{number}") for number in range(3)]
        server.wait_for_health(lambda said: said["sockets"] == 3)
        for stream in left:
            leave(wire, stream)
        if leave is H2Sockets.end:
            wire.until(lambda: all(wire.resets.get(stream) == 8 for stream in left))
        stream = wire.shake("/refused")
        wire.until(lambda: wire.resets.get(stream) == 7)
        assert server.health()["sockets"] == 3
        worker = ToyWorker(redis_url, prefix, dict.fromkeys(SOCKET_CHANNELS, accept))
        started.callback(worker.stop)
        server.wait_for_health(lambda said: said["sockets"] == 0)
        assert len(worker.of("websocket.connect")) == 3
        stream = wire.open("/more")
        assert wire.heads[stream][":status"] == "200"


def test_another_client_is_served(h2_server: ServerProcess, redis_url: str) -> None:
    """httpx asks for pages side by side on one connection, and sends a body."""

    def answer(message: dict[str, object], _: Entry) -> list[Operation]:
        said = f"{message['method']} {message['path']} {message['http_version']}"
        return [reply(message, status=200, content=said.encode())]

    worker = ToyWorker(redis_url, PREFIX, {"http.request": answer})
    with httpx.Client(http1=False, http2=True, base_url=h2_server.http) as client:
        for number in range(20):
            response = client.post(f"/{number}", content=b"x" * 100_000)
            assert (response.http_version, response.text) == ("HTTP/2", f"POST /{number} 2")
    worker.stop()


def test_http1_is_spoken_beside_it(h2_server: ServerProcess) -> None:
    """On the same port, told apart by the first bytes."""
    assert httpx.get(h2_server.http + "/healthz").http_version == "HTTP/1.1"


def test_a_stop_closes_sockets_over_http2(redis_url: str) -> None:
    """1012, then GOAWAY and the connection's end."""
    with ExitStack() as started:
        server = start_server(started, redis_url, "h2stop", "--h2c")
        worker = ToyWorker(redis_url, "h2stop", {"websocket.connect": accept})
        started.callback(worker.stop)
        wire = H2Sockets(server.address)
        stream = wire.open("/")
        server.part.signal(signal.SIGTERM)
        wire.until(lambda: stream in wire.ended or stream in wire.resets)
        assert wire.sockets[stream].close_rcvd.code == 1012  # type: ignore[union-attr]
        wire.until_closed()
        assert wire.goaways == 2
        wire.leave()
