"""The rules of one socket, as a table: its handshake, its replies and its end."""

import pytest

from channel_layer.layer import CloseSocket
from interface_server import ws_steps as step
from interface_server.ws_opening import Opening
from interface_server.ws_session import TABLE
from interface_server.ws_steps import State
from shared import codec
from shared.errors import InvalidMessage
from shared.messages import Receipt, WsConnect, WsReply
from tests.interface_server.ws_cases import (
    CHANNEL,
    DONE,
    STARTED,
    kinds,
    new_session,
    operations,
    sends,
)

WITHDRAWN = step.PlaceEvents((CloseSocket(CHANNEL),), 1)
"""The end of the registration of a socket that was never accepted."""

HANDSHAKE = [
    (WsReply(accept=True), [step.Accept(None)], State.OPEN),
    (WsReply(accept=False), [step.RefuseHandshake(403, "worker"), WITHDRAWN], State.LEAVING),
    (
        WsReply(accept=False, text="x", close=1000),
        [step.RefuseHandshake(403, "worker"), WITHDRAWN],
        State.LEAVING,
    ),
    (WsReply(text="hi"), [step.Accept(None), step.Write(b"\x81\x02hi")], State.OPEN),
    (WsReply(binary=b"\0"), [step.Accept(None), step.Write(b"\x82\x01\0")], State.OPEN),
    (WsReply(text=""), [step.Accept(None), step.Write(b"\x81\x00")], State.OPEN),
    (WsReply(close=1000), [step.RefuseHandshake(403, "worker"), WITHDRAWN], State.LEAVING),
    (
        WsReply(text="hi", close=4000),
        [step.Accept(None), step.Write(b"\x81\x02hi"), step.Close(4000, "worker")],
        State.CLOSING,
    ),
    (
        WsReply(accept=True, close=3000),
        [step.Accept(None), step.Close(3000, "worker")],
        State.CLOSING,
    ),
    (WsReply(accept=True, subprotocol="b"), [step.Accept("b")], State.OPEN),
    (WsReply(), [], State.CONNECTING),
]


@pytest.mark.parametrize(("reply", "actions", "state"), HANDSHAKE)
def test_an_answer_to_the_handshake(
    reply: WsReply, actions: list[step.Action], state: State
) -> None:
    """While the handshake waits, each reply does what the protocol's table says."""
    session = new_session(subprotocols=("a", "b"))
    assert session.feed(step.Replied(reply), 1.0) == actions
    assert session.state is state


WHEN_OPEN = [
    (WsReply(accept=True), []),
    (WsReply(accept=False), []),
    (WsReply(text="ö中😀"), [step.Write(b"\x81\x09" + "ö中😀".encode())]),
    (WsReply(close=4999), [step.Close(4999, "worker")]),
    (WsReply(binary=b"x", close=1000), [step.Write(b"\x82\x01x"), step.Close(1000, "worker")]),
]


@pytest.mark.parametrize(("reply", "actions"), WHEN_OPEN)
def test_a_reply_to_an_open_socket(reply: WsReply, actions: list[step.Action]) -> None:
    """When the socket is open, data is sent, then it is closed; accept is ignored."""
    assert new_session(State.OPEN).feed(step.Replied(reply), 1.0) == actions


def test_the_connect_asks_for_its_receipt_and_dies_with_its_deadline() -> None:
    """Nobody handles a handshake that nobody waits for; it is registered in the same step."""
    session = new_session(State.NEW)
    actions = session.feed(STARTED, 0.0)
    assert operations(actions)[1] == session.registration
    (send,) = sends(actions)
    assert (send.channel, send.receipt, send.order) == ("websocket.connect", CHANNEL, 0)
    assert (send.ttl_ms, send.urgent, send.chained) == (5000, False, False)
    assert codec.decode_ws_connect(send.payload) == WsConnect(CHANNEL, "/p")
    assert session.deadline == 5.0


@pytest.mark.parametrize(
    ("receipt", "status", "cause"),
    [(DONE, 500, "connect_unanswered"), (Receipt("dead"), 503, "connect_dead")],
    ids=["done", "dead"],
)
def test_a_connect_handled_without_an_answer_is_refused_at_once(
    receipt: Receipt, status: int, cause: str
) -> None:
    """A handler that neither accepts nor refuses does not hold the peer until the deadline."""
    session = new_session()
    actions = session.feed(step.Receipted(0, receipt), 1.0)
    assert actions[1:] == [step.RefuseHandshake(status, cause), WITHDRAWN]
    assert session.feed(step.Placed(1), 1.0) == [step.End()]


@pytest.mark.parametrize("receipt", [Receipt("taken"), Receipt("done", later=True)])
def test_a_connect_that_will_be_answered_later_waits_for_its_deadline(receipt: Receipt) -> None:
    """A plain reader, or a handler that said "later", has until the deadline."""
    session = new_session()
    assert session.feed(step.Receipted(0, receipt), 1.0) == []
    assert session.deadline == 5.0
    assert session.feed(step.TimePassed(), 4.9) == []
    actions = session.feed(step.TimePassed(), 5.0)
    assert kinds(actions) == ["Report", "RefuseHandshake"]
    assert session.state is State.ABANDONED


@pytest.mark.parametrize("reason", ["full", "away", "too_large"])
def test_a_connect_that_the_layer_refuses_is_a_503(reason: str) -> None:
    """A handshake is not retried; the layer registered nothing that would have to be withdrawn."""
    actions = new_session().feed(step.Refused(0, reason), 1.0)
    assert kinds(actions)[:2] == ["Report", "Count"]
    assert actions[2:] == [step.RefuseHandshake(503, "connect_refused"), step.End()]


def test_a_peer_that_vanishes_before_an_answer_causes_no_disconnect() -> None:
    """What was never accepted never ends."""
    session = new_session()
    assert session.feed(step.PeerGone(1006), 1.0) == []
    assert session.feed(step.Replied(WsReply(close=1000)), 1.0) == []
    assert session.feed(step.Receipted(0, DONE), 1.0) == [WITHDRAWN]
    assert session.feed(step.Placed(1), 1.0) == [step.End()]


def test_a_peer_that_vanishes_while_it_is_accepted_causes_a_disconnect() -> None:
    """A worker that accepted hears of the end, once, behind its own event."""
    session = new_session(State.ABANDONED)
    assert session.feed(step.Replied(WsReply(accept=True)), 1.0) == []
    (send,) = sends(session.feed(step.Receipted(0, Receipt("done", state=b"s")), 1.0))
    gone = codec.decode_ws_disconnect(send.payload)
    assert (gone.code, gone.order, gone.state) == (1006, 1, b"s")
    assert session.feed(step.Placed(1), 1.0) == [step.End()]


def test_an_abandoned_connect_is_forgotten_in_the_end() -> None:
    """Without a receipt the session does not stay for ever."""
    session = new_session(State.ABANDONED)
    assert session.deadline == 100.0
    assert session.feed(step.TimePassed(), 100.0) == [WITHDRAWN]


def test_a_subprotocol_that_was_not_offered_is_a_malformed_reply() -> None:
    """Autobahn would raise on it."""
    session = new_session(subprotocols=("a",))
    actions = session.feed(step.Replied(WsReply(accept=True, subprotocol="b")), 1.0)
    assert kinds(actions) == ["Report", "Count"]
    assert session.state is State.CONNECTING


def test_an_event_that_nobody_handles_closes_the_socket_with_1013() -> None:
    """Past the event's time the socket is told to try again later, and the worker of its end."""
    session = new_session(State.OPEN)
    session.feed(step.FrameCame("1"), 1.0)
    session.feed(step.FrameCame("2"), 1.0)
    assert session.deadline == 101.0
    actions = session.feed(step.TimePassed(), 101.0)
    assert kinds(actions) == ["Count", "Report", "Close"]
    assert actions[2] == step.Close(1013, "event_timeout")
    (send,) = sends(session.feed(step.PeerGone(1013), 102.0))
    assert codec.decode_ws_disconnect(send.payload).order == 2


def test_an_event_given_up_closes_the_socket_with_1011() -> None:
    """A frame that killed its workers is not skipped in silence."""
    session = new_session(State.OPEN)
    session.feed(step.FrameCame("1"), 1.0)
    actions = session.feed(step.Receipted(1, Receipt("dead")), 1.0)
    assert actions[1] == step.Close(1011, "event_dead")


def test_frames_behind_our_close_are_not_delivered_and_those_before_are() -> None:
    """A close ends the order of frames at one place."""
    session = new_session(State.OPEN)
    session.feed(step.FrameCame("1"), 1.0)
    session.feed(step.FrameCame("2"), 1.0)
    session.feed(step.Replied(WsReply(close=1000)), 1.0)
    assert kinds(session.feed(step.FrameCame("3"), 1.0)) == ["Count"]
    (second,) = sends(session.feed(step.Receipted(1, DONE), 1.0))
    assert codec.decode_ws_receive(second.payload).text == "2"


def test_a_reader_that_does_not_read_is_closed_with_1013() -> None:
    """Memory is bounded, and the log says why the socket ended."""
    actions = new_session(State.OPEN).feed(step.Overflowed(), 1.0)
    assert kinds(actions) == ["Report", "Count", "Close"]
    assert actions[2] == step.Close(1013, "slow_reader")


ENDS = [step.Overflowed(), step.Replied(WsReply(close=4000)), step.Stopped(), step.PeerFailed()]
"""What brings an open socket to its closing."""


@pytest.mark.parametrize("end", ENDS, ids=lambda end: type(end).__name__)
@pytest.mark.parametrize("is_gone", [False, True], ids=["closing", "gone"])
@pytest.mark.parametrize("late", [step.TimePassed(), step.Refused(1, "too_large")], ids=repr)
def test_what_comes_behind_the_cause_of_an_end_is_counted_and_not_told(
    end: step.Input, is_gone: bool, late: step.Input
) -> None:
    """A socket has one cause: an event that is lost while it closes, or later, is no second one."""
    session = new_session(State.OPEN)
    session.feed(step.FrameCame("1"), 1.0)
    session.feed(end, 2.0)
    if is_gone:
        session.feed(step.PeerGone(1006), 3.0)
    actions = kinds(session.feed(late, 101.0))
    assert actions == (["Count", "PlaceEvents"] if is_gone else ["Count"])


@pytest.mark.parametrize("late", [step.TimePassed(), step.Refused(1, "too_large")], ids=repr)
def test_an_event_that_is_lost_behind_its_peer_is_counted_and_not_told(late: step.Input) -> None:
    """The peer's going is the cause; the disconnect follows."""
    session = new_session(State.GONE)
    assert kinds(session.feed(late, 101.0)) == ["Count", "PlaceEvents"]
    assert session.state is State.LEAVING


def test_a_peer_that_failed_is_written_nothing_more() -> None:
    """Its wire closes by itself; what it sent before is handled, and its end is told once."""
    session = new_session(State.OPEN)
    session.feed(step.FrameCame("1"), 1.0)
    session.feed(step.FrameCame("2"), 1.0)
    assert session.feed(step.PeerFailed(), 1.0) == []
    assert kinds(session.feed(step.Replied(WsReply(text="x", close=1000)), 1.0)) == ["Count"]
    assert session.feed(step.Overflowed(), 1.0) == []
    assert session.feed(step.PeerFailed(), 1.0) == []
    (second,) = sends(session.feed(step.Receipted(1, DONE), 1.0))
    assert codec.decode_ws_receive(second.payload).text == "2"
    session.feed(step.Receipted(2, DONE), 1.0)
    (end,) = sends(session.feed(step.PeerGone(1002), 1.0))
    assert codec.decode_ws_disconnect(end.payload).code == 1002


def test_a_stop_closes_open_sockets_with_1012_and_refuses_handshakes() -> None:
    """Peers are sent elsewhere."""
    assert new_session(State.OPEN).feed(step.Stopped(), 1.0) == [
        step.Close(1012, "server_stopping")
    ]
    waiting = new_session()
    assert waiting.feed(step.Stopped(), 1.0) == [step.RefuseHandshake(503, "server_stopping")]
    assert waiting.deadline == 6.0
    assert waiting.feed(step.TimePassed(), 6.0) == [WITHDRAWN]


def test_a_handshake_accepted_after_a_stop_has_its_disconnect() -> None:
    """A worker that accepts what the peer was refused meanwhile hears of the end."""
    session = new_session()
    session.feed(step.Stopped(), 1.0)
    session.feed(step.Replied(WsReply(accept=True)), 1.0)
    (send,) = sends(session.feed(step.Receipted(0, DONE), 1.0))
    assert send.channel == "websocket.disconnect"


@pytest.mark.parametrize("state", list(State))
def test_what_is_absent_from_the_table_cannot_happen(state: State) -> None:
    """An input that makes no sense is an error by construction, named with its state."""
    absent = {
        State.NEW: step.Stopped(),
        State.CONNECTING: step.FrameCame("x"),
        State.ABANDONED: step.FrameCame("x"),
        State.GONE: step.FrameCame("x"),
        State.LEAVING: step.FrameCame("x"),
    }.get(state, STARTED)
    with pytest.raises(LookupError, match="cannot happen while"):
        new_session(state).feed(absent, 1.0)


def test_every_move_of_the_table_exists_and_every_state_has_a_row() -> None:
    """The table is the documentation, so it is complete."""
    assert set(TABLE) == set(State)
    for row in TABLE.values():
        assert all(getattr(Opening, move.__name__) is move for move in row.values())


@pytest.mark.parametrize(
    "state", [s for s in State if s not in (State.NEW, State.ENDED)], ids=lambda s: s.name
)
def test_a_malformed_reply_is_reported_and_changes_nothing(state: State) -> None:
    """The log names key, what came and what was expected."""
    session = new_session(state)
    actions = session.feed(step.Garbled(InvalidMessage("text", "text", b"x")), 1.0)
    assert kinds(actions) == ["Report", "Count"]
    assert session.state is state
    assert dict(actions[0].facts)["key"] == "text"  # type: ignore[union-attr]
