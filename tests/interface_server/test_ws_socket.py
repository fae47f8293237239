"""Replies, groups and state end to end: what workers say to real sockets, right and wrong."""

import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

import channel_layer
from channel_layer.layer import Entry, History, Join, Operation, Position, Send, SendGroup
from shared import codec
from tests.interface_server.real_server import ServerProcess, ToyWorker, echo, reply

pytestmark = pytest.mark.system


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


def kept(message: dict[str, Any], *exclude: str, group: str = "kept") -> SendGroup:
    """A message of a group with history."""
    return SendGroup(group, codec.pack(message), exclude, History(10, 60_000))


def lines(client: ClientConnection, count: int) -> list[str]:
    """The next frames without the epoch, which is another each time."""
    return [re.sub(r"^(kept|each) \S+ ", r"\1 ", str(client.recv(10))) for _ in range(count)]


def test_positions_wait_for_the_handshake(
    server: ServerProcess, worker: Callable[..., ToyWorker]
) -> None:
    """A group joined before the accept accepts nothing; what came of it follows the accept."""

    def join_first(message: dict[str, Any], _: Entry) -> list[Operation]:
        channel, path = message["reply_channel"], message["path"]
        joins = [Join("kept", channel, since=Position("", 0)), kept({"text": "a"})]
        skipped = [kept({"text": "b"}, channel), kept({"text": 5})]
        answer = {"accept": True, "text": "hello"} if path == "/yes" else {"accept": False}
        return [kept({"text": "before"}), *joins, *skipped, reply(message, **answer)]

    worker(on_connect=join_first)
    with pytest.raises(InvalidStatus) as refused:
        connect(server.ws + "/no")
    assert refused.value.response.status_code == 403
    with connect(server.ws + "/yes") as client:
        held = ["kept 5 joined\n", "kept 6\na", "kept 7 skipped\n", "kept 8 skipped\n"]
        assert lines(client, 5) == ["hello", *held]


def test_each_position_reaches_each_member(
    server: ServerProcess, worker: Callable[..., ToyWorker]
) -> None:
    """Who is left out, or has nothing to read in a message, is told so before anything else."""
    toy = worker(
        on_connect=lambda m, _: [reply(m, accept=True), Join("each", m["reply_channel"])],
    )
    with connect(server.ws + "/1") as one, connect(server.ws + "/2") as two:
        toy.wait_for(lambda t: len(t.layer.group_channels("each")) == 2)
        first, second = (m["reply_channel"] for m in toy.of("websocket.connect"))
        sends = [
            *(
                kept({"text": "a"}, first, group="each"),
                kept({"text": "b"}, first, second, group="each"),
            ),
            kept({"content": b"no frame"}, group="each"),
            kept({"close": 4000}, group="each"),
        ]
        toy.layer.perform(sends)
        rest = [f"each {offset} skipped\n" for offset in (2, 3, 4)]
        assert lines(one, 4) == ["each 1 skipped\n", *rest]
        assert lines(two, 4) == ["each 1\na", *rest]
        for client in (one, two):
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(10)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4000


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
