"""The stream of one socket's events: one flight at a time, each frame once and in order."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channel_layer.layer import Send
from interface_server import ws_steps as step
from interface_server.ws_flow import CHAIN_FRAMES
from interface_server.ws_session import Session
from interface_server.ws_steps import SessionLimits, State
from shared import codec
from shared.errors import InvalidMessage
from shared.messages import Receipt, WsReply
from tests.interface_server.ws_cases import CHANNEL, DONE, STARTED, kinds, new_session, sends


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
    assert seen == [[], [], [], ["Count", "PauseReading"]]
    assert kinds(session.feed(step.Receipted(1, DONE), 1.0)) == ["PlaceEvents", "ResumeReading"]
    assert session.feed(step.FrameCame(b"x" * 999), 1.0) == []
    assert kinds(session.feed(step.FrameCame(b"x"), 1.0)) == ["Count", "PauseReading"]


def test_a_frame_that_the_layer_refuses_is_tried_again() -> None:
    """The peer is paused, the same events go out again, each wait longer than the last."""
    session = new_session(State.OPEN)
    first = sends(session.feed(step.FrameCame("1"), 1.0))
    refused = session.feed(step.Refused(1, "full"), 1.0)
    assert kinds(refused) == ["Count", "Count", "PauseReading"]
    assert step.Count("websocket_pauses") in refused
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


def test_a_frame_too_large_for_the_layer_closes_with_1009() -> None:
    """It would be refused for ever."""
    session = new_session(State.OPEN)
    session.feed(step.FrameCame("1"), 1.0)
    actions = session.feed(step.Refused(1, "too_large"), 1.0)
    assert step.Close(1009, "event_too_large") in actions


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
                flight = tuple(sends([action]))
                assert not self.flight or self.flight == flight, "two flights at once"
                self.flight, self.order = flight, action.order
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
    st.sampled_from(["frame", "frame", "place", "full", "lost", "time", "reply", "garbled"]),
    max_size=120,
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
        elif what == "lost" and books.flight:
            lost, books.flight = books.flight, ()
            books.feed(step.Lost(books.order))
            assert books.flight == tuple(send._replace(attempt=2) for send in lost)
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
