"""Sockets end to end: a real server process, real Valkey, a tiny worker, the websockets client."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

import channel_layer
from channel_layer.layer import Entry, Join, Operation, Send, SendGroup
from shared import codec
from tests.interface_server.real_server import Handler, ServerProcess, ToyWorker, reply

pytestmark = pytest.mark.system


HANDSHAKE = (
    b"GET /mute HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def accept(message: dict[str, Any], _: Entry) -> list[Operation]:
    return [reply(message, accept=True)]


def echo(message: dict[str, Any], _: Entry) -> list[Operation]:
    if message.get("text") is not None:
        return [reply(message, text=message["text"])]
    return [reply(message, bytes=message["bytes"])]


def nothing(message: dict[str, Any], _: Entry) -> list[Operation]:
    return []


@pytest.fixture(scope="module")
def server(redis_url: str) -> Iterator[ServerProcess]:
    """One server for all tests of this file that do not end it."""
    running = ServerProcess(
        redis_url,
        "ws",
        *("--websocket-connect-timeout", "2", "--max-message", "64k"),
        *("--ping-interval", "1", "--ping-timeout", "1"),
    )
    yield running
    assert running.part.stop() == 0


@pytest.fixture
def worker(redis_url: str) -> Iterator[Callable[..., ToyWorker]]:
    """Starts a worker with handlers for the socket channels; what is not given accepts."""
    with ExitStack() as stack:

        def start(
            on_connect: Handler = accept,
            on_receive: Handler = echo,
            on_disconnect: Handler = nothing,
            prefix: str = "ws",
        ) -> ToyWorker:
            handlers = {
                "websocket.connect": on_connect,
                "websocket.receive": on_receive,
                "websocket.disconnect": on_disconnect,
            }
            running = ToyWorker(redis_url, prefix, handlers)
            stack.callback(running.stop)
            return running

        yield start


def test_frames_come_back_in_order_and_the_end_is_told_once(
    server: ServerProcess, worker: Callable[..., ToyWorker]
) -> None:
    """Text, bytes, empty and large frames echo in order; the disconnect has the last order."""
    toy = worker()
    sent: list[str | bytes] = ["ö中😀", b"\0\xff", "", b"", "x" * 60_000, *map(str, range(300))]
    with connect(server.ws + "/a%20b?q=%20") as client:
        for frame in sent:
            client.send(frame)
        assert [client.recv(10) for _ in sent] == sent
        client.close(4001)
    toy.wait_for(lambda t: len(t.of("websocket.disconnect")) == 1)
    (asked,) = toy.of("websocket.connect")
    assert (asked["path"], asked["query_string"]) == ("/a b", b"q=%20")
    orders = [m["order"] for m in toy.of("websocket.receive")]
    assert orders == list(range(1, len(sent) + 1))
    (gone,) = toy.of("websocket.disconnect")
    assert (gone["order"], gone["code"]) == (len(sent) + 1, 4001)
    for event in ("HANDSHAKING", "CONNECT", "DISCONNECT"):
        server.part.wait_for(rf"\] WebSocket {event} /a%20b \[127\.0\.0\.1:\d+\]$")


@pytest.mark.parametrize("how", ["no code", "vanished"])
def test_a_peer_without_a_code(
    server: ServerProcess, worker: Callable[..., ToyWorker], how: str
) -> None:
    """1005 stands for a close without a code, 1006 for a connection that was cut."""
    toy = worker()
    client = connect(server.ws + "/")
    if how == "no code":
        client.protocol.send_close()
        client.socket.sendall(b"".join(client.protocol.data_to_send()))
    else:
        client.socket.shutdown(2)
    toy.wait_for(lambda t: bool(t.of("websocket.disconnect")))
    assert toy.of("websocket.disconnect")[0]["code"] == (1005 if how == "no code" else 1006)
    client.close_socket() if hasattr(client, "close_socket") else client.socket.close()


@pytest.mark.parametrize(
    ("answer", "status"),
    [({"accept": False}, 403), ({"close": True}, 403), ({}, 500), ({"text": b"bytes"}, 500)],
)
def test_a_refused_handshake(
    server: ServerProcess, worker: Callable[..., ToyWorker], answer: dict[str, Any], status: int
) -> None:
    """403 for a refusal, 500 at once for a worker that gives no valid answer; no disconnect."""
    toy = worker(on_connect=lambda m, _: [reply(m, **answer)] if answer else [])
    with pytest.raises(InvalidStatus) as refused:
        connect(server.ws + "/refused")
    assert refused.value.response.status_code == status
    server.part.wait_for("WebSocket REJECT /refused")
    assert toy.of("websocket.disconnect") == []


def test_no_worker_means_503(server: ServerProcess) -> None:
    """A handshake that nobody answers is refused at its deadline."""
    with pytest.raises(InvalidStatus) as refused:
        connect(server.ws + "/nobody")
    assert refused.value.response.status_code == 503
    assert refused.value.response.headers["retry-after"] == "1"
    server.part.wait_for("websocket_connect_timeout path=/nobody")


def test_the_worker_chooses_the_subprotocol(
    server: ServerProcess, worker: Callable[..., ToyWorker]
) -> None:
    """The offer travels with the connect, the choice with the acceptance."""
    toy = worker(on_connect=lambda m, _: [reply(m, accept=True, subprotocol="b")])
    with connect(server.ws + "/", subprotocols=["a", "b"]) as client:  # type: ignore[list-item]
        assert client.subprotocol == "b"
    assert toy.of("websocket.connect")[0]["subprotocols"] == ["a", "b"]


def test_data_answers_the_handshake_and_a_close_follows_it(
    server: ServerProcess, worker: Callable[..., ToyWorker]
) -> None:
    """A reply with data and close accepts, sends, closes."""
    worker(on_connect=lambda m, _: [reply(m, text="bye", close=3001)])
    with connect(server.ws + "/") as client:
        assert client.recv(10) == "bye"
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 3001


MALFORMED = [
    {"text": b"bytes"},
    {"text": 5},
    {"close": 99999},
    {"text": "a", "bytes": b"b"},
    {"colour": "blue"},
]


def test_malformed_replies_stop_nothing(
    server: ServerProcess, worker: Callable[..., ToyWorker]
) -> None:
    """Each is logged with the path and the key; this socket and others go on."""

    def misbehave(message: dict[str, Any], entry: Entry) -> list[Operation]:
        if message["path"] == "/bad":
            bad = MALFORMED[int(message["text"])]
            return [Send(message["reply_channel"], codec.pack(bad)), *echo(message, entry)]
        return echo(message, entry)

    worker(on_receive=misbehave)
    with connect(server.ws + "/bad") as bad, connect(server.ws + "/good") as good:
        for number in range(len(MALFORMED)):
            bad.send(str(number))
            assert bad.recv(10) == str(number)
            good.send("ö 中 😀")
            assert good.recv(10) == "ö 中 😀"
    server.part.wait_for("invalid_reply path=/bad key=colour")
    lines = [line for line in server.log.splitlines() if "invalid_reply path=/bad" in line]
    assert len(lines) == len(MALFORMED)
    for line, key in zip(lines, ("text", "text", "close", "bytes", "colour"), strict=True):
        assert f"key={key} expected=" in line
        assert "came=" in line


def test_a_broken_entry_does_not_stop_the_pump(
    server: ServerProcess, worker: Callable[..., ToyWorker]
) -> None:
    """Bytes that are no message at all are refused like any malformed reply."""
    worker(
        on_receive=lambda m, e: [Send(m["reply_channel"], b"\xc1"), *echo(m, e)],
    )
    with connect(server.ws + "/garbage") as client:
        client.send("x")
        assert client.recv(10) == "x"


def test_connection_state_travels_with_the_events(
    server: ServerProcess, worker: Callable[..., ToyWorker]
) -> None:
    """What comes back with a receipt is in every later event, the disconnect included."""
    toy = worker()
    toy.state = b"packed"
    with connect(server.ws + "/") as client:
        client.send("1")
        client.recv(10)
    toy.wait_for(lambda t: bool(t.of("websocket.disconnect")))
    assert toy.of("websocket.receive")[0]["state"] == b"packed"
    assert toy.of("websocket.disconnect")[0]["state"] == b"packed"


def test_a_group_message_reaches_each_member_and_a_malformed_one_none(
    server: ServerProcess, worker: Callable[..., ToyWorker]
) -> None:
    """Members get the frame in order with everything else; leaving happens by ending."""
    toy = worker(
        on_connect=lambda m, _: [Join("room", m["reply_channel"]), reply(m, accept=True)],
        on_receive=lambda m, _: [SendGroup("room", codec.pack({"text": m["text"]}))],
    )
    with connect(server.ws + "/1") as one, connect(server.ws + "/2") as two:
        toy.wait_for(lambda t: len(t.of("websocket.connect")) == 2)
        one.send("to all")
        assert (one.recv(10), two.recv(10)) == ("to all", "to all")
        toy.layer.perform((SendGroup("room", codec.pack({"text": 5})),))
        two.send("again")
        assert (one.recv(10), two.recv(10)) == ("again", "again")
        server.part.wait_for("invalid_group_message group=room key=text expected=text came=5")
        assert server.health()["groups"] == 1
    toy.wait_for(lambda t: len(t.of("websocket.disconnect")) == 2)
    server.wait_for_health(lambda said: said["groups"] == 0)
    assert toy.layer.group_channels("room") == []


def test_a_group_can_close_its_members(
    server: ServerProcess, worker: Callable[..., ToyWorker]
) -> None:
    """A group message with a close closes each member with that code."""
    toy = worker(
        on_connect=lambda m, _: [Join("out", m["reply_channel"]), reply(m, accept=True)],
    )
    with connect(server.ws + "/1") as client:
        toy.layer.send_group("out", {"text": "last", "close": 4000})
        assert client.recv(10) == "last"
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4000


def test_a_message_over_the_limit_is_closed_with_1009(
    server: ServerProcess, worker: Callable[..., ToyWorker]
) -> None:
    """The worker hears of the end, and nothing of the message."""
    toy = worker()
    with connect(server.ws + "/") as client:
        client.send("x" * 70_000)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009
    toy.wait_for(lambda t: bool(t.of("websocket.disconnect")))
    assert toy.of("websocket.receive") == []


def test_a_plain_reader_can_stand_in_for_a_worker(server: ServerProcess, redis_url: str) -> None:
    """A program that knows only `receive` and `send` accepts, hears frames and answers them."""
    layer = channel_layer.connect(redis_url, prefix="ws")
    channels = ("websocket.connect", "websocket.receive", "websocket.disconnect")

    def step() -> tuple[str | None, dict[str, Any]]:
        channel, message = layer.receive(channels, block=True)
        assert message is not None
        if channel == "websocket.connect":
            layer.send(message["reply_channel"], {"accept": True})
        elif channel == "websocket.receive":
            layer.send(message["reply_channel"], {"text": "heard " + message["text"]})
        return channel, message

    def serve() -> None:
        while step()[0] != "websocket.disconnect":
            pass

    plain = threading.Thread(target=serve, daemon=True)
    plain.start()
    with connect(server.ws + "/") as client:
        for text in ("1", "2", "3"):
            client.send(text)
        assert [client.recv(10) for _ in range(3)] == ["heard 1", "heard 2", "heard 3"]
    plain.join(10)
    assert not plain.is_alive()
    layer.close()


def test_a_peer_that_answers_no_ping_is_cut(
    server: ServerProcess, worker: Callable[..., ToyWorker]
) -> None:
    """A dead peer is found out; the log names the path and no address."""
    toy = worker()
    with socket.create_connection(server.address.split(":")) as client:
        client.sendall(HANDSHAKE)
        toy.wait_for(lambda t: bool(t.of("websocket.disconnect")), 20)
    assert toy.of("websocket.disconnect")[0]["code"] == 1006
    server.part.wait_for("websocket_ping_timeout path=/mute$")
    assert "tcp4:" not in server.log


BAD_HANDSHAKES = [
    (b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 99", b"400 Bad Request"),
    (b"dGhlIHNhbXBsZSBub25jZQ==", b"short", b"400 Bad Request"),
    (b"Sec-WebSocket-Key: ", b"Sec-WebSocket-Ley: ", b"400 Bad Request"),
]


@pytest.mark.parametrize(("part", "instead", "told"), BAD_HANDSHAKES)
def test_a_handshake_that_is_none_asks_no_worker(
    server: ServerProcess, part: bytes, instead: bytes, told: bytes
) -> None:
    """Autobahn's refusal is a whole HTTP answer that quotes nothing of the peer's."""
    with socket.create_connection(server.address.split(":")) as client:
        client.sendall(HANDSHAKE.replace(part, instead))
        client.settimeout(10)
        answer = b""
        while piece := client.recv(4096):
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + told + b"\r\n")
    assert f"content-length: {len(body)}".encode() in head
    assert b"connection: close" in head


def test_frames_that_come_with_the_handshake_are_not_lost(
    server: ServerProcess, worker: Callable[..., ToyWorker]
) -> None:
    """A client that does not wait for the answer is served once it is accepted."""
    worker()
    frame = b"\x81\x85\0\0\0\0hello"
    with socket.create_connection(server.address.split(":")) as client:
        client.sendall(HANDSHAKE + frame[:3])
        client.sendall(frame[3:] + frame)
        client.settimeout(10)
        answer = b""
        while answer.count(b"\x81\x05hello") < 2:
            answer += client.recv(4096)
    assert answer.startswith(b"HTTP/1.1 101 ")
