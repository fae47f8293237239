"""The rules of one socket, as a table and as properties."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channel_layer.layer import Send
from interface_server import ws_steps as step
from interface_server.ws_flow import CHAIN_FRAMES
from interface_server.ws_moves import Moves
from interface_server.ws_session import TABLE, Session
from interface_server.ws_steps import SessionLimits, State
from shared import codec
from shared.errors import InvalidMessage
from shared.messages import Receipt, WsConnect, WsReply

CHANNEL = "server.response.PROC!1"
STARTED = step.Started(WsConnect(CHANNEL, "/p"))
DONE = Receipt("done")
LIMITS = SessionLimits(connect_timeout_s=5, event_timeout_s=100, queue_frames=4, queue_bytes=1000)


def new_session(state: State = State.CONNECTING, **connect: object) -> Session:
    """A session brought to `state`; its connect was receipted unless it is still asked about."""
    session = Session(CHANNEL, "/p", LIMITS)
    started = step.Started(WsConnect(CHANNEL, "/p", **connect))  # type: ignore[arg-type]
    if state is State.NEW:
        return session
    session.feed(started, 0.0)
    if state is State.CONNECTING:
        return session
    if state is State.ABANDONED:
        session.feed(step.PeerGone(1006), 0.0)
        return session
    session.feed(step.Replied(WsReply(accept=True)), 0.0)
    session.feed(step.Receipted(0, DONE), 0.0)
    if state is State.CLOSING:
        session.feed(step.Replied(WsReply(close=1000)), 0.0)
    elif state is State.GONE:
        session.feed(step.FrameCame("flying"), 0.0)
        session.feed(step.PeerGone(1001), 0.0)
    elif state is State.LEAVING:
        session.feed(step.PeerGone(1001), 0.0)
    elif state is State.ENDED:
        session.feed(step.PeerGone(1001), 0.0)
        session.feed(step.Placed(1), 0.0)
    assert session.state is state
    return session


def sends(actions: list[step.Action]) -> list[Send]:
    return [s for action in actions if isinstance(action, step.PlaceEvents) for s in action.sends]


def kinds(actions: list[step.Action]) -> list[str]:
    return [type(action).__name__ for action in actions]


HANDSHAKE = [
    (WsReply(accept=True), [step.Accept(None)], State.OPEN),
    (WsReply(accept=False), [step.RefuseHandshake(403), step.End()], State.ENDED),
    (
        WsReply(accept=False, text="x", close=1000),
        [step.RefuseHandshake(403), step.End()],
        State.ENDED,
    ),
    (WsReply(text="hi"), [step.Accept(None), step.Write(b"\x81\x02hi")], State.OPEN),
    (WsReply(binary=b"\0"), [step.Accept(None), step.Write(b"\x82\x01\0")], State.OPEN),
    (WsReply(text=""), [step.Accept(None), step.Write(b"\x81\x00")], State.OPEN),
    (WsReply(close=1000), [step.RefuseHandshake(403), step.End()], State.ENDED),
    (
        WsReply(text="hi", close=4000),
        [step.Accept(None), step.Write(b"\x81\x02hi"), step.Close(4000)],
        State.CLOSING,
    ),
    (WsReply(accept=True, close=3000), [step.Accept(None), step.Close(3000)], State.CLOSING),
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
    (WsReply(close=4999), [step.Close(4999)]),
    (WsReply(binary=b"x", close=1000), [step.Write(b"\x82\x01x"), step.Close(1000)]),
]


@pytest.mark.parametrize(("reply", "actions"), WHEN_OPEN)
def test_a_reply_to_an_open_socket(reply: WsReply, actions: list[step.Action]) -> None:
    """When the socket is open, data is sent, then it is closed; accept is ignored."""
    assert new_session(State.OPEN).feed(step.Replied(reply), 1.0) == actions


def test_the_connect_asks_for_its_receipt_and_dies_with_its_deadline() -> None:
    """Nobody handles a handshake that nobody waits for."""
    session = new_session(State.NEW)
    (send,) = sends(session.feed(STARTED, 0.0))
    assert (send.channel, send.receipt, send.order) == ("websocket.connect", CHANNEL, 0)
    assert (send.ttl_ms, send.urgent, send.chained) == (5000, False, False)
    assert codec.decode_ws_connect(send.payload) == WsConnect(CHANNEL, "/p")
    assert session.deadline == 5.0


@pytest.mark.parametrize(
    ("receipt", "status"), [(DONE, 500), (Receipt("dead"), 503)], ids=["done", "dead"]
)
def test_a_connect_handled_without_an_answer_is_refused_at_once(
    receipt: Receipt, status: int
) -> None:
    """A handler that neither accepts nor refuses does not hold the peer until the deadline."""
    session = new_session()
    actions = session.feed(step.Receipted(0, receipt), 1.0)
    assert kinds(actions) == ["Report", "RefuseHandshake", "End"]
    assert actions[1] == step.RefuseHandshake(status)


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


@pytest.mark.parametrize("reason", ["full", "away"])
def test_a_connect_that_the_layer_refuses_is_a_503(reason: str) -> None:
    """A handshake is not retried: the peer is told at once."""
    actions = new_session().feed(step.Refused(0, reason), 1.0)
    assert actions[1:] == [step.RefuseHandshake(503), step.End()]


def test_a_peer_that_vanishes_before_an_answer_causes_no_disconnect() -> None:
    """What was never accepted never ends."""
    session = new_session()
    assert session.feed(step.PeerGone(1006), 1.0) == []
    assert session.feed(step.Replied(WsReply(close=1000)), 1.0) == []
    assert session.feed(step.Receipted(0, DONE), 1.0) == [step.End()]


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
    assert session.feed(step.TimePassed(), 100.0) == [step.End()]


def test_a_subprotocol_that_was_not_offered_is_a_malformed_reply() -> None:
    """Autobahn would raise on it."""
    session = new_session(subprotocols=("a",))
    actions = session.feed(step.Replied(WsReply(accept=True, subprotocol="b")), 1.0)
    assert kinds(actions) == ["Report", "Count"]
    assert session.state is State.CONNECTING


def test_one_event_is_in_flight_and_the_rest_leave_together() -> None:
    """Frames that came meanwhile leave as a chain whose last one asks for the receipt."""
    session = new_session(State.OPEN)
    (first,) = sends(session.feed(step.FrameCame("1"), 1.0))
    assert (first.order, first.receipt, first.chained) == (1, CHANNEL, False)
    for text in ("2", "3"):
        assert session.feed(step.FrameCame(text), 1.0) == []
    chain = sends(session.feed(step.Receipted(1, Receipt("done", state=b"new")), 1.0))
    assert [(s.order, s.receipt, s.chained) for s in chain] == [(2, "", True), (3, CHANNEL, False)]
    events = [codec.decode_ws_receive(s.payload) for s in chain]
    assert [(e.text, e.order, e.state) for e in events] == [("2", 2, b"new"), ("3", 3, b"new")]


def test_a_flooding_peer_is_paused_and_resumed() -> None:
    """Reading stops at the bound in frames or bytes and goes on at half of it."""
    session = new_session(State.OPEN)
    session.feed(step.FrameCame("flying"), 1.0)
    seen = [kinds(session.feed(step.FrameCame("x"), 1.0)) for _ in range(4)]
    assert seen == [[], [], [], ["PauseReading"]]
    assert kinds(session.feed(step.Receipted(1, DONE), 1.0)) == ["PlaceEvents", "ResumeReading"]
    assert session.feed(step.FrameCame(b"x" * 999), 1.0) == []
    assert kinds(session.feed(step.FrameCame(b"x"), 1.0)) == ["PauseReading"]


def test_a_frame_that_the_layer_refuses_is_tried_again() -> None:
    """The peer is paused, the same events go out again, each wait longer than the last."""
    session = new_session(State.OPEN)
    first = sends(session.feed(step.FrameCame("1"), 1.0))
    assert kinds(session.feed(step.Refused(1, "full"), 1.0)) == ["Count", "PauseReading"]
    assert session.deadline == pytest.approx(1.1)
    assert session.feed(step.TimePassed(), 1.05) == []
    again = session.feed(step.TimePassed(), 1.1)
    assert sends(again) == first
    assert kinds(again) == ["PlaceEvents", "ResumeReading"]
    session.feed(step.Refused(1, "away"), 1.1)
    assert session.deadline == pytest.approx(1.3)


def test_a_refused_chain_comes_again_shorter_until_it_fits() -> None:
    """A list that never takes the whole chain still gets every frame, once and in order."""
    session = new_session(State.OPEN)
    session.feed(step.FrameCame("1"), 0.0)
    for text in ("2", "3", "4"):
        session.feed(step.FrameCame(text), 0.0)
    chain = sends(session.feed(step.Receipted(1, DONE), 0.0))
    assert [s.order for s in chain] == [2, 3, 4]
    session.feed(step.Refused(4, "full"), 0.0)
    (half,) = sends(session.feed(step.TimePassed(), 1.0))
    assert (half.order, half.receipt, half.chained) == (2, CHANNEL, False)
    rest = sends(session.feed(step.Receipted(2, DONE), 1.0))
    assert [codec.decode_ws_receive(s.payload).text for s in rest] == ["3", "4"]
    assert [s.order for s in rest] == [3, 4]


def test_an_event_that_nobody_handles_closes_the_socket_with_1013() -> None:
    """Past the event's time the socket is told to try again later, and the worker of its end."""
    session = new_session(State.OPEN)
    session.feed(step.FrameCame("1"), 1.0)
    session.feed(step.FrameCame("2"), 1.0)
    assert session.deadline == 101.0
    actions = session.feed(step.TimePassed(), 101.0)
    assert kinds(actions) == ["Report", "Count", "Close"]
    assert actions[2] == step.Close(1013)
    (send,) = sends(session.feed(step.PeerGone(1013), 102.0))
    assert codec.decode_ws_disconnect(send.payload).order == 2


def test_an_event_given_up_closes_the_socket_with_1011() -> None:
    """A frame that killed its workers is not skipped in silence."""
    session = new_session(State.OPEN)
    session.feed(step.FrameCame("1"), 1.0)
    actions = session.feed(step.Receipted(1, Receipt("dead")), 1.0)
    assert actions[1] == step.Close(1011)


def test_the_disconnect_waits_for_the_last_receipt() -> None:
    """What waited is handled first; the disconnect passes full lists and is the last."""
    session = new_session(State.OPEN)
    session.feed(step.FrameCame("1"), 1.0)
    session.feed(step.FrameCame("2"), 1.0)
    assert session.feed(step.PeerGone(1001), 1.0) == []
    (second,) = sends(session.feed(step.Receipted(1, DONE), 1.0))
    assert second.channel == "websocket.receive"
    (last,) = sends(session.feed(step.Receipted(2, DONE), 1.0))
    assert (last.channel, last.urgent, last.receipt) == ("websocket.disconnect", True, "")
    gone = codec.decode_ws_disconnect(last.payload)
    assert (gone.code, gone.order) == (1001, 3)
    assert session.feed(step.Placed(2), 1.0) == []
    assert session.feed(step.Placed(3), 1.0) == [step.End()]


def test_a_disconnect_that_the_layer_did_not_take_is_told_again() -> None:
    """Nothing else tells an application of the end."""
    session = new_session(State.LEAVING)
    session.feed(step.Refused(1, "away"), 1.0)
    assert len(sends(session.feed(step.TimePassed(), 2.0))) == 1
    assert session.feed(step.Placed(1), 2.0) == [step.End()]


def test_an_answer_to_an_older_placing_changes_nothing() -> None:
    """An event that was given up and refused afterwards does not repeat the disconnect."""
    session = new_session(State.OPEN)
    session.feed(step.FrameCame("1"), 0.0)
    session.feed(step.TimePassed(), 100.0)
    session.feed(step.PeerGone(1006), 101.0)
    assert session.state is State.LEAVING
    session.feed(step.Refused(1, "away"), 102.0)
    assert session.feed(step.TimePassed(), 110.0) == []


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
    assert actions[2] == step.Close(1013)


def test_a_stop_closes_open_sockets_with_1012_and_refuses_handshakes() -> None:
    """Peers are sent elsewhere."""
    assert new_session(State.OPEN).feed(step.Stopped(), 1.0) == [step.Close(1012)]
    refused = new_session().feed(step.Stopped(), 1.0)
    assert refused == [step.RefuseHandshake(503), step.End()]


def test_a_frame_too_large_for_the_layer_closes_with_1009() -> None:
    """It would be refused for ever."""
    session = new_session(State.OPEN)
    session.feed(step.FrameCame("1"), 1.0)
    actions = session.feed(step.Refused(1, "too_large"), 1.0)
    assert step.Close(1009) in actions


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
        assert all(getattr(Moves, move.__name__) is move for move in row.values())


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


@dataclass
class Books:
    """Plays peer and workers, and writes down what reached the workers."""

    session: Session
    now: float = 0.0
    sent: list[str] = field(default_factory=list)
    heard: list[tuple[int, str]] = field(default_factory=list)
    flight: tuple[Send, ...] = ()
    order: int = 0
    disconnects: int = 0
    ended: bool = False

    def feed(self, happened: step.Input) -> None:
        self.now += 0.01
        for action in self.session.feed(happened, self.now):
            if isinstance(action, step.PlaceEvents):
                assert not self.flight or self.flight == action.sends, "two flights at once"
                self.flight, self.order = action.sends, action.order
            elif isinstance(action, step.End):
                self.ended = True

    def place(self) -> None:
        """The layer takes the flight; workers handle it; the receipt comes back."""
        flight, self.flight = self.flight, ()
        for send in flight[:-1]:
            assert send.chained
            assert not send.receipt
        for send in flight:
            if send.channel == "websocket.receive":
                event = codec.decode_ws_receive(send.payload)
                assert event.order == send.order
                self.heard.append((event.order, event.text or ""))
            elif send.channel == "websocket.disconnect":
                self.disconnects += 1
                self.heard.append((codec.decode_ws_disconnect(send.payload).order, "end"))
        last = flight[-1]
        self.feed(step.Placed(self.order))
        if last.receipt:
            self.feed(step.Receipted(self.order, DONE))


STEPS = st.lists(
    st.sampled_from(["frame", "frame", "place", "full", "time", "reply", "garbled"]), max_size=120
)


@given(STEPS)
def test_each_frame_is_handled_once_and_in_order(steps: list[str]) -> None:
    """The books balance: all frames, once, in order, then one disconnect, whatever happens."""
    books = Books(new_session(State.OPEN))
    number = 0
    for what in steps:
        if what == "frame":
            number += 1
            books.sent.append(str(number))
            books.feed(step.FrameCame(str(number)))
        elif what == "place" and books.flight and books.session.deadline is not None:
            books.place()
        elif what == "full" and books.flight:
            books.flight = ()
            books.feed(step.Refused(books.order, "full"))
            books.now += 3.0
            books.feed(step.TimePassed())
        elif what == "time":
            books.feed(step.TimePassed())
        elif what == "reply":
            books.feed(step.Replied(WsReply(text="x")))
        elif what == "garbled":
            books.feed(step.Garbled(InvalidMessage("k", "v", None)))
    books.feed(step.PeerGone(1001))
    while books.flight:
        books.place()
    assert [text for _, text in books.heard] == [*books.sent, "end"]
    assert [order for order, _ in books.heard] == list(range(1, len(books.sent) + 2))
    assert books.disconnects == 1
    assert books.ended
    assert books.session.deadline is None


def test_a_chain_has_a_bound() -> None:
    """A worker's batch is not filled by one socket."""
    session = Session(CHANNEL, "/p", SessionLimits(queue_frames=1000))
    session.feed(STARTED, 0.0)
    session.feed(step.Replied(WsReply(accept=True)), 0.0)
    for _ in range(CHAIN_FRAMES + 5):
        session.feed(step.FrameCame("x"), 0.0)
    assert len(sends(session.feed(step.Receipted(0, DONE), 0.0))) == CHAIN_FRAMES
