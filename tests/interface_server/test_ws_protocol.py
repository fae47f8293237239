"""The wire end to end: handshakes, frames, codes, limits and pings of real sockets."""

import socket
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.interface_server.real_server import ServerProcess, ToyWorker, reply

pytestmark = pytest.mark.system


HANDSHAKE = (
    b"GET /mute HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


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
    for event, why in (("HANDSHAKING", ""), ("CONNECT", ""), ("DISCONNECT", " 4001 peer")):
        server.part.wait_for(rf"\] WebSocket {event} /a%20b \[127\.0\.0\.1:\d+\] [0-9a-f]+{why}$")


@pytest.mark.parametrize("how", ["no code", "vanished"])
def test_a_peer_without_a_code(
    server: ServerProcess, worker: Callable[..., ToyWorker], how: str
) -> None:
    """1005 stands for a close without a code, 1006 for a connection that was cut."""
    toy = worker()
    client = connect(server.ws + "/", ping_interval=None)
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


def test_a_peer_that_answers_no_ping_is_cut(
    server: ServerProcess, worker: Callable[..., ToyWorker]
) -> None:
    """A dead peer is found out; the log names the path and no address."""
    toy = worker()
    with socket.create_connection(server.address.split(":")) as client:
        client.sendall(HANDSHAKE)
        toy.wait_for(lambda t: bool(t.of("websocket.disconnect")), 20)
    assert toy.of("websocket.disconnect")[0]["code"] == 1006
    server.part.wait_for("websocket_ping_timeout path=/mute ")
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
    assert head.count(b"\r\nDate: ") == head.count(b"\r\nServer: ") == 1


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
            piece = client.recv(4096)
            assert piece, answer
            answer += piece
    assert answer.startswith(b"HTTP/1.1 101 ")
