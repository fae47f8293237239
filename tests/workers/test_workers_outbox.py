"""The outbox: steps as data, in the order of the calls."""

import pytest
from markupsafe import Markup

from channel_layer.layer import (
    MAX_MESSAGE_BYTES,
    History,
    Join,
    Leave,
    Position,
    Send,
    SendGroup,
)
from shared import codec
from shared.errors import InvalidMessage, InvalidName, MessageTooLarge
from shared.messages import WsReply
from workers.outbox import JOB_TTL_MS, NoSocket, Outbox

SOCKET = "server.response.P!c"


def test_order():
    """All steps stand in the order of the calls."""
    outbox = Outbox(SOCKET)
    outbox.accept("chat")
    outbox.join("room")
    outbox.send_text("ö")
    outbox.send_bytes(b"\xff")
    outbox.send("jobs", {"a": 1}, delay_ms=5)
    outbox.send_group("room", {"text": "hi"})
    outbox.leave("room", "other.channel")
    outbox.reply("x!y", {"text": "y"})
    outbox.close(4000)
    assert outbox.operations == (
        Send(SOCKET, codec.encode(WsReply(accept=True, subprotocol="chat"))),
        Join("room", SOCKET),
        Send(SOCKET, codec.encode(WsReply(text="ö"))),
        Send(SOCKET, codec.encode(WsReply(binary=b"\xff"))),
        Send("jobs", codec.pack({"a": 1}), ttl_ms=JOB_TTL_MS, delay_ms=5),
        SendGroup("room", codec.pack({"text": "hi"})),
        Leave("room", "other.channel"),
        Send("x!y", codec.pack({"text": "y"})),
        Send(SOCKET, codec.encode(WsReply(close=4000))),
    )


def test_refusal():
    """Refusing a handshake is a reply that says so."""
    outbox = Outbox(SOCKET)
    outbox.refuse()
    assert codec.decode_ws_reply(outbox.operations[0].payload) == WsReply(accept=False)


def test_empty_frames():
    """Empty text and empty bytes are frames too."""
    outbox = Outbox(SOCKET)
    outbox.send_text("")
    outbox.send_bytes(b"")
    replies = [codec.decode_ws_reply(step.payload) for step in outbox.operations]
    assert replies == [WsReply(text=""), WsReply(binary=b"")]


def test_state():
    """A new state replaces the former; an empty one is kept as nothing; none is no change."""
    outbox = Outbox(SOCKET)
    assert outbox.new_state is None
    state = {"count": 1}
    outbox.state(state)
    state["count"] = 2
    assert codec.unpack(outbox.new_state) == {"count": 1}
    outbox.state({})
    assert outbox.new_state == b""


def test_copies():
    """What is changed after the call changes nothing that is sent; safe strings become plain."""
    outbox = Outbox()
    message = {"text": Markup("<b>"), "list": [1]}
    outbox.send_group("g", message)
    message["list"].append(2)
    sent = codec.unpack(outbox.operations[0].payload)
    assert sent == {"text": "<b>", "list": [1]}
    assert type(sent["text"]) is str


def test_history_and_exclude():
    """A group's message says who is left out and how much of the group is kept."""
    outbox = Outbox(SOCKET)
    outbox.send_group("room", {"text": "hi"}, exclude=[SOCKET, "jobs"], history=(50, 60))
    outbox.send_group("room", {"text": "hi"}, history=(1, 0.25))
    packed = codec.pack({"text": "hi"})
    assert outbox.operations == (
        SendGroup("room", packed, (SOCKET, "jobs"), History(50, 60_000)),
        SendGroup("room", packed, (), History(1, 250)),
    )


def test_joining_with_a_position_and_a_user():
    """A join says what its channel knows already, and whose device it is."""
    outbox = Outbox(SOCKET)
    outbox.join("room", since=("epoch.7", 3))
    outbox.join("room", "other", since=("", 0), user="ann ö", presence="room.presence")
    assert outbox.operations == (
        Join("room", SOCKET, since=Position("epoch.7", 3)),
        Join("room", "other", since=Position("", 0), user="ann ö", presence="room.presence"),
    )


@pytest.mark.parametrize("since", [("ä", 1), ("e" * 101, 1), ("e", -1), ("e", 2**53)])
def test_impossible_positions(since):
    """A position that no history has, as any client may send one, becomes a gap and no error."""
    outbox = Outbox(SOCKET)
    outbox.join("room", since=since)
    assert outbox.operations == (Join("room", SOCKET, since=Position("?", 0)),)


@pytest.mark.parametrize(
    "step",
    [
        lambda outbox: outbox.accept(),
        lambda outbox: outbox.refuse(),
        lambda outbox: outbox.send_text("x"),
        lambda outbox: outbox.close(),
        lambda outbox: outbox.state({"a": 1}),
        lambda outbox: outbox.join("g"),
        lambda outbox: outbox.leave("g"),
    ],
)
def test_without_socket(step):
    """Where the event has no socket, a step for it says so."""
    outbox = Outbox()
    with pytest.raises(NoSocket):
        step(outbox)
    assert outbox.operations == ()


@pytest.mark.parametrize(
    ("step", "error"),
    [
        (lambda outbox: outbox.send_text(b"x"), InvalidMessage),
        (lambda outbox: outbox.send_text(5), InvalidMessage),
        (lambda outbox: outbox.send_bytes("x"), InvalidMessage),
        (lambda outbox: outbox.close(1011), InvalidMessage),
        (lambda outbox: outbox.close(99999), InvalidMessage),
        (lambda outbox: outbox.close(0), InvalidMessage),
        (lambda outbox: outbox.send("a b", {}), InvalidName),
        (lambda outbox: outbox.send_group("a!", {}), InvalidName),
        (lambda outbox: outbox.join("ä"), InvalidName),
        (lambda outbox: outbox.join("g", since="e:1"), InvalidMessage),
        (lambda outbox: outbox.join("g", since=("e", "1")), InvalidMessage),
        (lambda outbox: outbox.join("g", since=("e", True)), InvalidMessage),
        (lambda outbox: outbox.join("g", since=("e", 1.0)), InvalidMessage),
        (lambda outbox: outbox.join("g", since=(None, 1)), InvalidMessage),
        (lambda outbox: outbox.join("g", user=5), InvalidMessage),
        (lambda outbox: outbox.join("g", user="u" * 101), InvalidMessage),
        (lambda outbox: outbox.join("g", user="\ud800"), InvalidMessage),
        (lambda outbox: outbox.join("g", presence="p"), InvalidMessage),
        (lambda outbox: outbox.join("g", user="u", presence="p!q"), InvalidMessage),
        (lambda outbox: outbox.join("g", user="u", presence="p q"), InvalidName),
        (lambda outbox: outbox.send_group("g", {}, exclude=["a b"]), InvalidName),
        (lambda outbox: outbox.send_group("g", {}, history=(0, 60)), InvalidMessage),
        (lambda outbox: outbox.send_group("g", {}, history=(9, 0)), InvalidMessage),
        (lambda outbox: outbox.send_group("g", {}, history=(9, float("nan"))), InvalidMessage),
        (lambda outbox: outbox.send_group("g", {}, history=50), InvalidMessage),
        (lambda outbox: outbox.send("a", [1]), InvalidMessage),
        (lambda outbox: outbox.send("a", {"x": object()}), InvalidMessage),
        (lambda outbox: outbox.state({"x": object()}), InvalidMessage),
        (lambda outbox: outbox.send("a", {"x": b"x" * MAX_MESSAGE_BYTES}), MessageTooLarge),
    ],
)
def test_bad_steps(step, error):
    """What could not be sent is refused at the call, where the handler's author sees it."""
    outbox = Outbox(SOCKET)
    with pytest.raises(error):
        step(outbox)
    assert outbox.operations == ()
