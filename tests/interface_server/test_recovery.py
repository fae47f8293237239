"""What is told and asked again after a loss, over a layer of the test's own."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import structlog
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from channel_layer.answers import Outcome, Verdict
from channel_layer.layer import Awaited, Entry, Join, Leave, OpenSocket, Operation, Position
from interface_server.broadcasts import Broadcast
from interface_server.groups import Device, Groups
from interface_server.recovery import AT_ONCE, MISSED_AT_ONCE, Recovery
from shared.errors import LayerUnavailable

INBOX = "server.response.PROC!"
A, B = INBOX + "a", INBOX + "b"


class Layer:
    """Writes down what it is told; `lost` is what it says to be nowhere."""

    def __init__(self) -> None:
        self.performed: list[Operation] = []
        self.asked: list[tuple[Awaited, ...]] = []
        self.lost: tuple[Awaited, ...] = ()
        self.failures = 0
        self.held: Deferred[None] | None = None

    def perform(self, operation: Operation) -> Deferred[Outcome]:
        if self.failures:
            self.failures -= 1
            return fail(LayerUnavailable("away"))
        self.performed.append(operation)
        answer: Deferred[Outcome] = succeed(Outcome(Verdict.DONE))
        if self.held is not None:
            held = self.held
            answer = Deferred()
            held.addCallback(lambda _: answer.callback(Outcome(Verdict.DONE)))
        return answer

    def find_lost(self, inbox: str, awaited: Sequence[Awaited]) -> Deferred[tuple[Awaited, ...]]:
        assert inbox == INBOX
        self.asked.append(tuple(awaited))
        return succeed(self.lost)


class Ear:
    """A receiver that awaits one event."""

    def __init__(self, channel: str, fault: Exception | None = None) -> None:
        self.channel = channel
        self.fault = fault
        self.was_reaped = False
        self.misses = 0
        self.is_socket = True
        self.lost_orders: list[int] = []

    def registration(self) -> OpenSocket | None:
        if self.fault is not None:
            raise self.fault
        return OpenSocket(self.channel, b"farewell") if self.is_socket else None

    def awaited(self) -> Awaited | None:
        return Awaited("websocket.receive", self.channel, 3)

    def lost(self, order: int) -> bool:
        self.lost_orders.append(order)
        return True

    def missed(self) -> None:
        self.misses += 1

    def reaped(self) -> None:
        self.was_reaped = True

    def reply(self, entry: Entry) -> None:
        raise AssertionError

    receipt = reply

    def broadcast(self, broadcast: Broadcast) -> None:
        raise AssertionError

    def positioned(self, group: str, position: Position, word: str) -> None:
        raise AssertionError


class Made:
    """A recovery for two sockets in the groups `g` and `plain`."""

    def __init__(self, *channels: str) -> None:
        self.clock = Clock()
        self.layer = Layer()
        self.counts: list[str] = []
        self.ears = {channel: Ear(channel) for channel in channels or (A, B)}
        self.groups = Groups()
        for channel in self.ears:
            self.groups.join("g", channel)
            self.groups.join("plain", channel)
        clock: Any = self.clock
        self.recovery = Recovery(
            clock, self.layer, INBOX, self.ears, self.groups, self.counts.append, 100.0
        )

    def hear(self, epoch: str) -> None:
        """A batch without entries came."""
        self.recovery.heard(epoch)
        self.recovery.go_on()


def known(group: str, channel: str, since: Position | None = None) -> Join:
    """A membership that the layer is told again."""
    return Join(group, channel, is_known=True, since=since)


def refreshed(join: Join) -> Join:
    """The same when nothing was lost."""
    return replace(join, is_refresh=True)


def test_the_first_epoch_is_no_loss() -> None:
    """A server that begins has nothing to tell."""
    made = Made()
    made.hear("e1")
    made.hear("e1")
    assert made.layer.performed == []
    assert made.recovery.epoch == "e1"


def test_the_log_says_whether_the_layer_or_only_this_inbox_lost_something() -> None:
    """What stands behind the dot is the inbox's own. Receivers hear of either at once."""
    made = Made(A)
    made.recovery.heard("e1.1")
    with structlog.testing.capture_logs() as lines:
        made.recovery.heard("e1.2")
        made.recovery.heard("e2.2")
    assert [line["event"] for line in lines] == ["inbox_lost_data", "layer_lost_data"]
    assert made.counts == ["inbox_epochs", "epochs"]
    assert made.ears[A].misses == 2


def test_after_a_loss_all_is_told_in_order_and_what_is_awaited_is_asked_for() -> None:
    """Sockets, then memberships with what was seen, then the events; the lost ones are told."""
    made = Made()
    made.hear("e1")
    made.groups.seen("g", Position("e1.5", 7))
    made.layer.lost = (Awaited("websocket.receive", B, 3),)
    made.recovery.heard("e2")
    made.groups.seen("g", Position("e2.1", 1))
    made.recovery.go_on()
    seen = Position("e1.5", 7)
    assert made.layer.performed == [
        *(OpenSocket(A, b"farewell"), OpenSocket(B, b"farewell")),
        *(known("g", A, seen), known("g", B, seen), known("plain", A), known("plain", B)),
    ]
    assert made.layer.asked == [
        (Awaited("websocket.receive", A, 3), Awaited("websocket.receive", B, 3))
    ]
    assert [made.ears[A].lost_orders, made.ears[B].lost_orders] == [[], [3]]
    assert made.counts == ["epochs"]


def test_devices_are_told_with_their_users() -> None:
    """After a loss and without one, so that presence is whole and does not expire."""
    made = Made(A)
    made.groups.join("g", A, Device("ann", "presence"))
    device = Join("g", A, is_known=True, user="ann", presence="presence")
    made.hear("e1")
    made.hear("e2")
    made.clock.advance(101.0)
    made.hear("e2")
    told = [one for one in made.layer.performed if isinstance(one, Join)]
    joins = [device, known("plain", A)]
    assert told == [*joins, *map(refreshed, joins)]


def test_a_layer_that_is_away_again_is_told_later() -> None:
    """Nothing of it is forgotten: neither what had been seen nor what is awaited."""
    made = Made(A)
    made.hear("e1")
    made.groups.seen("g", Position("e1.5", 7))
    made.layer.failures = 1
    made.hear("e2")
    assert made.layer.performed == []
    made.clock.advance(1.0)
    assert known("g", A, Position("e1.5", 7)) in made.layer.performed
    assert len(made.layer.asked) == 1


def test_a_second_loss_meanwhile_begins_anew() -> None:
    """What is under way is finished, then all is told once more."""
    made = Made(A)
    made.hear("e1")
    held: Deferred[None] = Deferred()
    made.layer.held = held
    made.hear("e2")
    made.hear("e3")
    assert made.layer.performed == [OpenSocket(A, b"farewell")]
    made.layer.held = None
    held.callback(None)
    assert made.layer.performed.count(OpenSocket(A, b"farewell")) == 2
    assert len(made.layer.asked) == 2


def test_memberships_are_told_again_now_and_then() -> None:
    """Without a loss neither sockets nor events are looked at, and no membership is begun."""
    made = Made(A)
    made.hear("e1")
    made.groups.seen("g", Position("e1.5", 7))
    made.clock.advance(101.0)
    made.hear("e1")
    assert made.layer.performed == [refreshed(known("g", A)), refreshed(known("plain", A))]
    assert made.layer.asked == []
    made.hear("e1")
    assert len(made.layer.performed) == 2


def test_a_process_taken_for_dead_says_so_to_all_and_tells_all_again() -> None:
    """Each receiver hears of it. Sockets, which close, leave their groups; the others join again,
    with what they missed."""
    made = Made()
    made.ears[B].is_socket = False
    made.hear("e1")
    made.groups.seen("g", Position("e1.5", 7))
    made.recovery.reaped()
    assert made.layer.performed == [Leave("g", A), Leave("plain", A)]
    assert all(ear.was_reaped for ear in made.ears.values())
    made.hear("e1.2")
    joins = [one for one in made.layer.performed if isinstance(one, Join)]
    assert joins == [known("g", B, Position("e1.5", 7)), known("plain", B)]
    assert "reaped" in made.counts


def test_an_epoch_counts_for_sockets_once_they_are_registered_in_it() -> None:
    """A socket that closes before that is missing there since it was lost, not reaped."""
    made = Made(A)
    made.hear("e1")
    assert made.recovery.epoch == "e1"
    held: Deferred[None] = Deferred()
    made.layer.held = held
    made.hear("e2")
    assert made.recovery.epoch == "e1"
    made.hear("e3")
    made.layer.held = None
    held.callback(None)
    assert made.recovery.epoch == "e3"


def test_a_receiver_that_fails_stops_nobody() -> None:
    """The others are registered and asked."""
    made = Made()
    made.ears[A].fault = RuntimeError("a fault of ours")
    made.hear("e1")
    made.hear("e2")
    assert OpenSocket(B, b"farewell") in made.layer.performed
    assert len(made.layer.asked[0]) == 2
    assert made.counts == ["epochs", "entries_failed"]


def test_what_is_told_goes_in_handfuls() -> None:
    """A handful waits for the one before it, so that no single step is large."""
    made = Made(*(f"{INBOX}{number}" for number in range(AT_ONCE + 1)))
    made.hear("e1")
    held: Deferred[None] = Deferred()
    made.layer.held = held
    made.hear("e2")
    assert len(made.layer.performed) == AT_ONCE
    made.layer.held = None
    held.callback(None)
    assert len(made.layer.performed) == 3 * (AT_ONCE + 1)


def test_joins_that_ask_for_what_was_missed_go_in_small_handfuls() -> None:
    """Each may bring a large answer: nobody's work stands behind hundreds of these."""
    made = Made(*(f"{INBOX}{number}" for number in range(2 * MISSED_AT_ONCE)))
    made.hear("e1")
    made.groups.seen("g", Position("e1.5", 7))
    made.layer.held = registering = Deferred[None]()
    made.hear("e2")
    made.layer.held = joining = Deferred[None]()
    registering.callback(None)
    assert len(made.layer.performed) == (2 + 1) * MISSED_AT_ONCE
    made.layer.held = None
    joining.callback(None)
    assert len(made.layer.performed) == (2 + 4) * MISSED_AT_ONCE


def test_a_stop_ends_a_wait_in_silence() -> None:
    """Nothing is told or asked behind it."""
    made = Made(A)
    made.hear("e1")
    made.layer.failures = 1
    made.hear("e2")
    made.recovery.stop()
    made.clock.advance(5.0)
    made.hear("e3")
    assert made.layer.performed == []
