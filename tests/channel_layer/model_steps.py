"""The steps that the model test draws, and how what comes of them is compared between two bodies.

A position is each body's own: their epochs differ. So a drawn one names one that both saw.
"""

import itertools
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

from channel_layer import entries
from channel_layer.layer import (
    Capacity,
    CloseSocket,
    Drop,
    Entry,
    History,
    Join,
    Kind,
    Leave,
    OpenSocket,
    Operation,
    Position,
    Send,
    SendGroup,
    SendReceipt,
)
from shared import codec
from shared.messages import WsReply

CHANNELS = ("a", "b", "c?x", "s.P!1", "s.P!2", "s.P!3", "s.Q!1", "websocket.receive")
SOCKETS = ("s.P!1", "s.P!2", "s.Q!1")
INBOXES = ("s.P!", "s.Q!")
GOODBYES = "websocket.disconnect"
PRESENCE = "presence"
UNORDERED = (GOODBYES, PRESENCE)
"""What one reaping puts on these may lie there in any order."""

WORK = ("a", "b", "c?x", "websocket.receive")
LISTS = (*WORK, *INBOXES, *UNORDERED)
GROUPS = ("g", "h")
USUAL = Capacity(8, 1500)
PATTERNS = {"b": Capacity(4, 400), "s.P*": Capacity(30, 4000), "s.Q*": 3}
FAR_MS = 1_000_000

_SEEN = "seen"
"""A drawn epoch that stands for one that both bodies saw, or for their own."""

channels = st.sampled_from(CHANNELS)
sockets = st.sampled_from(SOCKETS)
groups = st.sampled_from(("g", "g", "h"))
numbers = itertools.count(2**33)  # of one length when packed


def payload(size: int) -> bytes:
    """A packed message like no other, so that entries of both bodies can be told apart."""
    return codec.pack({"n": next(numbers), "x": b"x" * size})


sends = st.builds(
    lambda channel, size, receipt, order, chained, delay, urgent, attempt: Send(
        channel, payload(size), receipt, order, chained, None, delay, urgent, attempt
    ),
    channels,
    st.integers(0, 120),
    st.sampled_from(("", "", *SOCKETS)),
    st.integers(0, 9),
    st.booleans(),
    st.sampled_from((0, 0, 0, FAR_MS)),
    st.sampled_from((False, False, True)),
    st.sampled_from((1, 1, 1, 2)),
)
refusals = st.builds(lambda one: Send(one, codec.encode(WsReply(accept=False))), sockets)
group_sends = st.builds(
    lambda group, size, exclude, history: SendGroup(group, payload(size), exclude, history),
    groups,
    st.integers(0, 60),
    st.lists(channels, max_size=2, unique=True).map(tuple),
    st.sampled_from((None, History(1, FAR_MS), History(4, FAR_MS), History(9, FAR_MS))),
)
sinces = st.one_of(
    st.none(),
    st.just(Position("", 0)),
    st.builds(Position, st.just("other"), st.integers(0, 3)),
    st.builds(Position, st.just(_SEEN), st.integers(0, 40)),
    st.builds(Position, st.just(_SEEN), st.integers(0, 40)),
)
joins = st.builds(
    Join,
    groups,
    channels,
    st.booleans(),
    sinces,
    st.sampled_from(("", "", "ann", "bob")),
    st.sampled_from(("", PRESENCE, PRESENCE)),
    st.sampled_from((False, False, False, True)),
)
broadcasts = st.builds(
    lambda size, kept: SendGroup("g", payload(size), (), History(kept, FAR_MS)),
    st.integers(0, 60),
    st.integers(1, 6),
)
resumptions = st.builds(
    lambda channel, steps: Join("g", channel, True, Position(_SEEN, steps)),
    sockets,
    st.integers(0, 40),
)
events = st.builds(
    lambda channel, socket, delay: Send(channel, payload(5), socket, delay_ms=delay),
    st.sampled_from(("websocket.receive", GOODBYES, "a")),
    sockets,
    st.sampled_from((0, 0, 0, FAR_MS)),
)
parts: st.SearchStrategy[Operation] = st.one_of(
    st.builds(lambda channel, size: Send(channel, payload(size)), sockets, st.integers(0, 120)),
    st.builds(
        lambda channel, order, farewell: SendReceipt(
            channel, payload(3), order, farewell and payload(6)
        ),
        sockets,
        st.integers(0, 9),
        st.sampled_from((None, None, b"x")),
    ),
)
disconnects = st.builds(
    lambda receipt, urgent: Send(GOODBYES, payload(5), receipt, urgent=urgent),
    st.sampled_from(("", *SOCKETS)),
    st.booleans(),
)
sockets_steps: st.SearchStrategy[Operation] = st.one_of(
    st.builds(lambda channel: OpenSocket(channel, payload(4)), sockets),
    st.builds(lambda channel: SendReceipt(channel, payload(3), 1, payload(6)), sockets),
    refusals,
)
operations: st.SearchStrategy[Operation] = st.one_of(
    sends,
    sends,
    refusals,
    group_sends,
    group_sends,
    joins,
    joins,
    st.builds(Leave, groups, channels),
    st.builds(
        lambda channel, farewell: SendReceipt(channel, payload(3), 1, farewell and payload(6)),
        channels,
        st.booleans().map(lambda asked: b"x" if asked else None),
    ),
    st.builds(lambda channel: OpenSocket(channel, payload(4)), sockets),
    st.builds(
        CloseSocket, sockets, st.none() | disconnects, st.sampled_from(("", _SEEN, _SEEN, "other"))
    ),
    st.builds(Drop, st.sampled_from(("a", "c?x"))),
)


def facts(entry: Entry) -> tuple[Any, ...]:
    """All of an entry but its id and time, which are each body's own."""
    return (
        *(entry.kind, entry.channel, entry.payload, entry.receipt),
        *(entry.order, entry.attempt, entry.chained),
    )


@dataclass(slots=True)
class Sight:
    """What was seen of both bodies' histories: which epochs are each other's, which positions."""

    own_epochs: tuple[str, str]
    epochs: dict[str, str] = field(default_factory=dict)
    positions: list[tuple[Position, Position]] = field(default_factory=list)

    def sided(self, operation: Operation, side: int) -> Operation:
        """The operation as one body (0 the one on Redis, 1 the model) is to perform it."""
        if isinstance(operation, CloseSocket) and operation.epoch == _SEEN:
            return replace(operation, epoch=self.own_epochs[side] + ".1")
        if not isinstance(operation, Join) or operation.since is None:
            return operation
        return replace(operation, since=self._sided_since(operation.since, side))

    def _sided_since(self, since: Position, side: int) -> Position:
        if since.epoch != _SEEN:
            return since
        if not self.positions:
            return Position("", 0)
        # Mostly the latest ones; a step before and behind as well.
        back, step = divmod(since.offset, 4)
        seen = self.positions[-1 - back % len(self.positions)][side]
        return Position(seen.epoch, seen.offset + (0, 0, -1, 1)[step])

    def same(self, ours: Entry, models: Entry) -> bool:
        """Whether two entries say the same, and what they teach about epochs."""
        if ours.kind is Kind.GROUP_MORE and models.kind is Kind.GROUP_MORE:
            ours, models = self._same_group(ours, models)
        elif ours.kind is Kind.REPLAY and models.kind is Kind.REPLAY:
            ours, models = self._same_replay(ours, models)
        return facts(ours) == facts(models)

    def _same_group(self, ours: Entry, models: Entry) -> tuple[Entry, Entry]:
        one, other = entries.group_message(ours), entries.group_message(models)
        assert one.payload == other.payload
        assert one.exclude == other.exclude
        if one.position is None or other.position is None:
            return ours, models
        return self._translated(ours, models, one.position, other.position)

    def _same_replay(self, ours: Entry, models: Entry) -> tuple[Entry, Entry]:
        one, other = entries.replay(ours), entries.replay(models)
        assert one == other._replace(position=one.position)
        assert entries.pack_replay(one) == ours.payload
        return self._translated(ours, models, one.position, other.position)

    def _translated(
        self, ours: Entry, models: Entry, one: Position, other: Position
    ) -> tuple[Entry, Entry]:
        """The entries with the model's epoch replaced: then they are equal byte by byte."""
        assert one.offset == other.offset
        assert len(one.epoch) == len(other.epoch)
        assert self.epochs.setdefault(one.epoch, other.epoch) == other.epoch
        if (one, other) not in self.positions:
            self.positions.append((one, other))
        translated = models.payload.replace(other.epoch.encode(), one.epoch.encode(), 1)
        return ours, models._replace(payload=translated)
