"""A leave that crosses the announcement of its own membership, over a layer of the test's own."""

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from channel_layer.answers import InboxBatch, Outcome, Verdict
from channel_layer.layer import Awaited, Entry, Join, Kind, Leave, Operation, Position
from interface_server.broadcasts import Broadcast
from interface_server.coalescing import Coalescer
from interface_server.reply_pump import READ_COUNT, ReplyPump
from tests.interface_server.quiet import Untroubled

INBOX = "server.response.PROC!"
A = INBOX + "a"


class Ear(Untroubled):
    """A receiver that is only a member."""

    def reply(self, entry: Entry) -> None:
        raise AssertionError

    receipt = reply

    def broadcast(self, broadcast: Broadcast) -> None:
        raise AssertionError

    def positioned(self, group: str, position: Position, word: str) -> None:
        raise AssertionError


class Layer:
    """Answers when the test says so."""

    def __init__(self) -> None:
        self.reading: Deferred[InboxBatch] = Deferred()
        self.performed: list[Operation] = []
        self.answers: list[Deferred[Outcome]] = []

    def read_inbox(self, inbox: str, acknowledge: int, count: int) -> Deferred[InboxBatch]:
        self.reading = Deferred()
        return self.reading

    def perform(self, operation: Operation) -> Deferred[Outcome]:
        self.performed.append(operation)
        self.answers.append(Deferred())
        return self.answers[-1]

    def find_lost(self, inbox: str, awaited: Sequence[Awaited]) -> Deferred[tuple[Awaited, ...]]:
        raise AssertionError("nothing is awaited")

    def says(self, epoch: str, *entries: Entry) -> None:
        self.reading.callback(InboxBatch(epoch, entries))

    def answers_all(self) -> None:
        for answer in self.answers:
            answer.callback(Outcome(Verdict.DONE))
        self.answers.clear()


def entry(number: int, kind: Kind, group: str) -> Entry:
    return Entry(number, kind, A, group.encode())


def announced() -> tuple[Layer, ReplyPump]:
    """A pump whose channel's memberships in `g2` and `g3` are just told to a layer again."""
    layer = Layer()
    clock: Any = Clock()
    pump = ReplyPump(clock, layer, INBOX, lambda _: None, 1000.0, Coalescer())
    pump.register(A, Ear())
    pump.start()
    layer.says("e1", entry(1, Kind.JOIN, "g2"), entry(2, Kind.JOIN, "g3"))
    layer.says("e2")
    assert [type(operation) for operation in layer.performed] == [Join, Join]
    return layer, pump


def test_a_leave_that_crosses_an_announcement_is_told_again() -> None:
    """The layer may have heard of the membership behind the leave; at other times it need not."""
    layer, clock = Layer(), Clock()
    any_clock: Any = clock
    pump = ReplyPump(any_clock, layer, INBOX, lambda _: None, 1000.0, Coalescer())
    pump.register(A, Ear())
    pump.start()
    layer.says("e1", *(entry(number, Kind.JOIN, f"g{number}") for number in (1, 2, 3)))
    layer.says("e1", entry(4, Kind.LEAVE, "g1"))
    assert layer.performed == []
    layer.says("e2")
    assert [type(operation) for operation in layer.performed] == [Join, Join]
    layer.says("e2", entry(5, Kind.LEAVE, "g2"), entry(6, Kind.LEAVE, "strange"))
    assert layer.performed[2:] == [Leave("g2", A)]
    layer.answers_all()
    layer.says("e2")
    layer.says("e2", entry(7, Kind.LEAVE, "g3"))
    assert layer.performed[3:] == []
    assert pump.groups == 0
    pump.stop()


def test_a_leave_read_behind_the_announcement_it_crossed_is_told_again() -> None:
    """The reading was under way when the layer heard of the membership; a full one ends nothing."""
    layer, pump = announced()
    layer.answers_all()
    layer.says("e2", *(entry(number, Kind.LEAVE, "strange") for number in range(READ_COUNT)))
    layer.says("e2", entry(900, Kind.LEAVE, "g2"))
    layer.says("e2", entry(901, Kind.LEAVE, "g3"))
    assert layer.performed[2:] == [Leave("g2", A)]
    pump.stop()


def test_who_joins_again_at_once_stays() -> None:
    """Both came with one reading: the layer's last word is the membership."""
    layer, pump = announced()
    layer.says("e2", entry(5, Kind.LEAVE, "g2"), entry(6, Kind.JOIN, "g2"))
    assert layer.performed[2:] == []
    assert pump.groups == 2
    pump.stop()
