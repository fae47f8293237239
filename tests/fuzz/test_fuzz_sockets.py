"""The table of a socket as a state machine: whatever peer, workers, layer and time do in any order.

Plays all of them by their own rules; `test_ws_session.py` has the single transitions.
"""

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from channel_layer.layer import CloseSocket
from interface_server import ws_steps as step
from interface_server.ws_session import Session
from interface_server.ws_steps import SessionLimits, State
from shared import codec
from shared.errors import InvalidMessage
from shared.messages import Receipt, WsConnect, WsReply
from tests.fuzz.test_fuzz_targets import seconds_over
from tests.interface_server.ws_cases import CHANNEL, sends

LIMITS = SessionLimits(connect_timeout_s=5, event_timeout_s=100, queue_frames=4, queue_bytes=64)
EXAMPLES, STEPS = 25, 40

CAUSES = {
    *("websocket_slow_reader", "websocket_event_timeout", "websocket_event_dead"),
    "websocket_event_too_large",
}
"""The lines that say why a socket ended."""

SELDOM = st.sampled_from([False, False, False, True])
"""What ends a life, or most of it, happens in one of four cases, so that lives are long."""

REPLIES = st.builds(
    WsReply,
    text=st.none() | st.just("t"),
    accept=st.none() | st.booleans(),
    close=st.sampled_from([None, None, None, 1000]),
    subprotocol=st.none() | st.sampled_from(["chat", "other"]),
)
RECEIPTS = st.builds(
    Receipt,
    kind=st.sampled_from(["taken", "done", "done", "dead"]),
    later=st.booleans(),
    state=st.none() | st.binary(max_size=3),
)


class SocketLife(RuleBasedStateMachine):
    """One socket. `flight` is with the layer, `placed` are the orders whose receipt is to come."""

    def __init__(self) -> None:
        super().__init__()
        self.session = Session(CHANNEL, "/p", LIMITS)
        self.now = 0.0
        self.flight: step.PlaceEvents | None = None
        self.first, self.last, self.sent_at = 0, -1, 0.0
        self.is_settled = True
        self.placed: list[int] = []
        self.reached: dict[int, str] = {}
        self.frames: list[str] = []
        self.did: list[str] = []
        self.is_connected, self.is_accepted, self.is_reaped = True, False, False
        self.has_failed = False
        self.disconnects = 0
        self.ending: int | None = None
        self.feed(step.Started(WsConnect(CHANNEL, "/p", subprotocols=("chat",))))

    def feed(self, happened: step.Input) -> None:
        """Let it happen, and hold each action against what was done before."""
        self.now += 0.01
        for action in self.session.feed(happened, self.now):
            name = type(action).__name__
            assert "End" not in self.did or name in ("Count", "Report"), (name, self.did)
            if isinstance(action, step.PlaceEvents):
                self.fly(action)
            elif isinstance(action, step.Accept):
                assert self.is_connected
                assert not {"Accept", "RefuseHandshake"} & set(self.did)
                assert action.subprotocol in (None, "chat")
                self.is_accepted = True
            elif isinstance(action, step.RefuseHandshake):
                assert not {"Accept", "RefuseHandshake"} & set(self.did), self.did
                self.is_connected = False
            elif isinstance(action, step.Write | step.Close):
                assert self.is_accepted
                assert self.is_connected
                assert not self.is_ending
            elif isinstance(action, step.Report) and action.event in CAUSES:
                assert self.is_connected, "a cause behind the end"
                assert not self.is_ending, "a second cause"
            self.did.append(name)
        assert self.session.deadline is None or "End" not in self.did

    @property
    def is_ending(self) -> bool:
        """Whether this server ends the connection, for whatever cause."""
        return self.has_failed or "Close" in self.did

    @property
    def may_fly(self) -> bool:
        """Whether the next flight may leave: the last one is settled or was given up."""
        is_late = self.now >= self.sent_at + LIMITS.event_timeout_s
        return self.is_settled or is_late or self.is_reaped

    def fly(self, action: step.PlaceEvents) -> None:
        """One flight at a time, in order; the last one ends the registration."""
        last = action.operations[-1]
        if isinstance(last, CloseSocket):
            if last.disconnect is not None:
                order = codec.decode_ws_disconnect(last.disconnect.payload).order
                assert order == action.order
                if order != self.ending:
                    assert self.ending is None
                    assert order == self.last + 1, (order, self.last)
                    assert self.may_fly, "a disconnect beside a flight"
                self.first = self.last = self.ending = order
            self.flight = action
            return
        events = sends([action])
        first = action.order - len(events) + 1
        if first != self.first:
            assert first == self.last + 1, (first, self.first, self.last)
            assert self.may_fly, "two flights at once"
        else:
            assert self.flight is None or self.flight == action, "the same flight twice"
        if first != self.first or self.last < 0:
            self.sent_at = self.now  # the time for a flight that is tried again goes on
        self.first, self.last = first, action.order
        self.flight, self.is_settled = action, False

    @initialize(is_open=st.sampled_from([True, True, True, False]))
    def begin(self, is_open: bool) -> None:
        """Most sockets are let in, so that more than handshakes is tried."""
        if is_open:
            self.layer_places()
            self.worker_replies(WsReply(accept=True))
            self.receipt(Receipt("done"), 0)

    # The layer

    @precondition(lambda self: self.flight is not None)
    @rule()
    def layer_places(self) -> None:
        """The layer takes the flight, and workers see it."""
        flight, self.flight = self.flight, None
        assert flight is not None
        for send in sends([flight]):
            if send.channel == "websocket.disconnect":
                self.disconnects += 1
            elif send.channel == "websocket.receive":
                event = codec.decode_ws_receive(send.payload)
                assert self.reached.setdefault(event.order, event.text or "") == event.text
        if not isinstance(flight.operations[-1], CloseSocket):
            self.placed.append(flight.order)
        self.feed(step.Placed(flight.order))

    @precondition(lambda self: self.flight is not None)
    @rule(reason=st.sampled_from(["full", "away", "too_large"]))
    def layer_refuses(self, reason: str) -> None:
        """The layer takes none of the flight; the registration's end is never too large."""
        flight, self.flight = self.flight, None
        assert flight is not None
        is_end = isinstance(flight.operations[-1], CloseSocket)
        if reason == "too_large" and not is_end:
            self.is_settled = True
        self.feed(step.Refused(flight.order, "away" if is_end else reason))

    @precondition(lambda self: self.flight is None and self.session.awaited is not None)
    @rule()
    def layer_loses(self) -> None:
        """The layer lost its data with the awaited event."""
        awaited = self.session.awaited
        assert awaited is not None
        self.placed = [order for order in self.placed if order != awaited.order]
        self.is_settled = self.is_settled or awaited.order == 0
        self.feed(step.Lost(awaited.order))

    @rule(is_so=SELDOM)
    def reaped(self, is_so: bool) -> None:
        """The server was silent for so long that the reaper may have ended the socket."""
        if is_so and not self.is_reaped and "End" not in self.did:
            self.is_reaped = True
            self.feed(step.Reaped())

    # Workers

    @precondition(lambda self: self.last > 0 or 0 in self.placed or self.is_accepted)
    @rule(reply=REPLIES)
    def worker_replies(self, reply: WsReply) -> None:
        """A worker, or a group, says something."""
        self.feed(step.Replied(reply))

    @rule()
    def worker_garbles(self) -> None:
        """A malformed reply."""
        self.feed(step.Garbled(InvalidMessage("text", "text", 5)))

    @precondition(lambda self: self.placed)
    @rule(receipt=RECEIPTS, at=st.integers(0, 9))
    def receipt(self, receipt: Receipt, at: int) -> None:
        """A flight was handled; late ones may come out of their order."""
        order = self.placed.pop(at % len(self.placed))
        self.is_settled = self.is_settled or order == self.last
        self.feed(step.Receipted(order, receipt))

    # The peer, time and the process

    @precondition(lambda self: self.is_accepted and self.is_connected)
    @rule(count=st.sampled_from([1, 1, 5]))
    def frame(self, count: int) -> None:
        """The peer sends a frame, or several."""
        for _ in range(count):
            self.frames.append(f"f{len(self.frames)}")
            self.feed(step.FrameCame(self.frames[-1]))

    @precondition(lambda self: self.is_accepted and self.is_connected)
    @rule()
    def overflow(self) -> None:
        """The peer does not read."""
        self.feed(step.Overflowed())

    @precondition(lambda self: self.is_accepted and self.is_connected)
    @rule(is_so=SELDOM)
    def peer_fails(self, is_so: bool) -> None:
        """The peer breaks a rule, or is silent."""
        if is_so:
            self.has_failed = True
            self.feed(step.PeerFailed())

    @precondition(lambda self: self.is_connected)
    @rule(code=st.sampled_from([1001, 1005, 1006]), is_so=SELDOM)
    def peer_goes(self, code: int, is_so: bool) -> None:
        """The connection ends."""
        if is_so:
            self.is_connected = False
            self.feed(step.PeerGone(code))

    @rule(is_so=SELDOM)
    def stop(self, is_so: bool) -> None:
        """The server is to end."""
        if is_so and "End" not in self.did:
            self.feed(step.Stopped())

    @precondition(lambda self: self.session.deadline is not None)
    @rule(is_early=st.booleans())
    def time_passes(self, is_early: bool) -> None:
        """It is the deadline, or a little before it."""
        deadline = self.session.deadline
        assert deadline is not None
        self.now = max(self.now, deadline - (1 if is_early else 0))
        self.feed(step.TimePassed())

    def teardown(self) -> None:
        """In the end nothing is left: the socket's disconnect came once if it was accepted."""
        if self.is_connected:
            self.peer_goes(1006, True)
        for _ in range(500):
            if self.session.state is State.ENDED:
                break
            if self.flight is not None:
                self.layer_places()
            elif self.placed:
                self.receipt(Receipt("done"), 0)
            else:
                self.time_passes(False)
        assert self.session.state is State.ENDED, self.session.state
        assert "End" in self.did
        assert self.session.registration is None
        assert self.session.awaited is None
        assert self.disconnects <= 1
        assert self.disconnects == 1 or not self.is_accepted, self.did
        texts = [self.reached[order] for order in sorted(self.reached)]
        places = [self.frames.index(text) for text in texts]
        assert places == sorted(set(places)), texts


def test_a_socket_has_its_events_in_order_and_one_disconnect(fuzz_seconds: float) -> None:
    """Nothing that can happen is missing in the table; one flight, one order, one end."""
    for _ in seconds_over(fuzz_seconds):
        run_state_machine_as_test(
            SocketLife,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                database=None,
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            ),
        )
