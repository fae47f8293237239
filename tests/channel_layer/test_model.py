"""Random steps hold the body on Redis against the memory layer, step by step."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from channel_layer.capacities import Capacities
from channel_layer.layer import (
    Capacity,
    Committed,
    Done,
    Drop,
    Entry,
    Join,
    Leave,
    Operation,
    Retry,
    Send,
    SendGroup,
    SendReceipt,
)
from channel_layer.memory import MemoryLayer
from channel_layer.redis_blocking import RedisLayer
from shared import codec
from shared.settings import LayerSettings

CHANNELS = ("a", "b", "c?x", "s.P!1", "s.P!2", "s.Q!1")
LISTS = ("a", "b", "c?x", "s.P!", "s.Q!")
WORK = ("a", "b", "c?x")
WORKERS = ("w1", "w2")
GROUPS = ("g", "h")
FAR_MS = 1_000_000
PATTERNS = {"b": Capacity(4, 400), "s.Q*": 3}

channels = st.sampled_from(CHANNELS)
groups = st.sampled_from(GROUPS)
numbers = itertools.count(2**33)  # of one length when packed


def payload(size: int) -> bytes:
    """A packed message like no other, so that entries of both bodies can be told apart."""
    return codec.pack({"n": next(numbers), "x": b"x" * size})


sends = st.builds(
    lambda channel, size, receipt, order, chained, delay, urgent: Send(
        channel, payload(size), receipt, order, chained, None, delay, urgent
    ),
    channels,
    st.integers(0, 120),
    st.sampled_from(("", "", "s.P!1")),
    st.integers(0, 9),
    st.booleans(),
    st.sampled_from((0, 0, 0, FAR_MS)),
    st.sampled_from((False, False, True)),
)
operations: st.SearchStrategy[Operation] = st.one_of(
    sends,
    sends,
    st.builds(lambda group, size: SendGroup(group, payload(size)), groups, st.integers(0, 60)),
    st.builds(Join, groups, channels),
    st.builds(Leave, groups, channels),
    st.builds(lambda channel: SendReceipt(channel, payload(3), 1), channels),
    st.builds(Drop, st.sampled_from(("a", "c?x"))),
)


def facts(entry: Entry) -> tuple[Any, ...]:
    """All of an entry but its id and time, which are each body's own."""
    return (
        *(entry.kind, entry.channel, entry.payload, entry.receipt),
        *(entry.order, entry.attempt, entry.chained),
    )


class Models(RuleBasedStateMachine):
    """Does the same to both bodies and compares all that comes back."""

    settings: LayerSettings
    prefixes: Iterator[int]

    @initialize()
    def both_begin_empty(self) -> None:
        name = f"{type(self).settings.prefix}-{next(type(self).prefixes)}"
        usual = Capacity(8, 1500)
        one = type(self).settings
        self.redis = RedisLayer(
            LayerSettings(one.url, name, group_expiry_s=3600), Capacities(usual, PATTERNS)
        )
        self.memory = MemoryLayer(
            lambda: 1_700_000_000_000, group_expiry=3600, capacities=Capacities(usual, PATTERNS)
        )
        self.pairs: dict[str, list[tuple[Entry, Entry]]] = {worker: [] for worker in WORKERS}

    @rule(batch=st.lists(operations, min_size=1, max_size=6))
    def perform(self, batch: list[Operation]) -> None:
        assert self.redis.perform(batch) == self.memory.perform(batch)

    @rule(worker=st.sampled_from(WORKERS), count=st.integers(1, 6))
    def take(self, worker: str, count: int) -> None:
        self.pair(
            worker, self.redis.take(worker, WORK, count), self.memory.take(worker, WORK, count)
        )

    @rule(
        data=st.data(),
        worker=st.sampled_from(WORKERS),
        count=st.integers(0, 4),
        force=st.booleans(),
    )
    def commit(self, data: st.DataObject, worker: str, count: int, force: bool) -> None:
        items: list[tuple[Done | Retry, Done | Retry]] = []
        back: list[tuple[int, int]] = []
        for redis_one, memory_one in self.pairs[worker]:
            choice = data.draw(st.sampled_from(("keep", "done", "done", "retry", "back")))
            if choice == "done":
                ops = tuple(data.draw(st.lists(operations, max_size=3)))
                items.append((Done(redis_one.id, ops, force), Done(memory_one.id, ops, force)))
            elif choice == "retry":
                delay_ms = data.draw(st.sampled_from((0, FAR_MS)))
                retries = [Retry(e.id, delay_ms, 2, "r") for e in (redis_one, memory_one)]
                items.append((retries[0], retries[1]))
            elif choice == "back":
                back.append((redis_one.id, memory_one.id))
        answers = [
            layer.commit(
                worker,
                [pair[side] for pair in items],
                [pair[side] for pair in back],
                WORK,
                count,
            )
            for side, layer in enumerate((self.redis, self.memory))
        ]
        self.compare_commits(worker, *answers)

    def compare_commits(self, worker: str, redis_one: Committed, memory_one: Committed) -> None:
        assert redis_one.outcomes == memory_one.outcomes
        assert (redis_one.next_due_ms is None) == (memory_one.next_due_ms is None)
        self.pair(worker, redis_one.taken, memory_one.taken)

    def pair(self, worker: str, ours: tuple[Entry, ...], models: tuple[Entry, ...]) -> None:
        assert list(map(facts, ours)) == list(map(facts, models))
        known = {(entry.channel, entry.payload): entry for _, entry in self.pairs[worker]}
        known.update(((entry.channel, entry.payload), entry) for entry in models)
        held = self.redis.held(worker)
        self.pairs[worker] = [(entry, known[entry.channel, entry.payload]) for entry in held]

    @rule(worker=st.sampled_from(WORKERS), limit=st.integers(1, 3))
    def reclaim(self, worker: str, limit: int) -> None:
        ours = self.redis.reclaim([worker], attempt_limit=limit, lease_ms=FAR_MS)
        assert ours == self.memory.reclaim([worker], attempt_limit=limit, lease_ms=FAR_MS)
        self.pairs[worker] = []

    @rule(worker=st.sampled_from(WORKERS))
    def retire(self, worker: str) -> None:
        self.redis.retire(worker)
        self.memory.retire(worker)
        self.pairs[worker] = []

    @rule(names=st.lists(st.sampled_from(LISTS), min_size=1, max_size=3, unique=True))
    def receive(self, names: list[str]) -> None:
        assert self.redis.receive(names) == self.memory.receive(names)

    @precondition(lambda self: hasattr(self, "redis"))
    @invariant()
    def the_same_is_held_and_pending(self) -> None:
        for worker in WORKERS:
            ours, models = self.redis.held(worker), self.memory.held(worker)
            assert sorted(map(facts, ours)) == sorted(map(facts, models))
        for name in LISTS:
            ours, models = (layer.channel_statistics(name) for layer in (self.redis, self.memory))
            for figure in ("messages_pending", "messages_count", "channel_full_count"):
                assert ours[figure] == models[figure], (name, figure)
        for group in GROUPS:
            assert self.redis.group_channels(group) == self.memory.group_channels(group)
        letters = [
            [(one.reason, one.list_name, facts(one.entry)) for one in layer.dead_letters(1000)]
            for layer in (self.redis, self.memory)
        ]
        assert sorted(letters[0]) == sorted(letters[1])

    def teardown(self) -> None:
        if hasattr(self, "redis"):
            self.redis.flush()
            self.redis.close()


@pytest.mark.timeout(300)
def test_redis_does_what_the_model_does(settings_of_layer: LayerSettings) -> None:
    """Whatever steps are taken in whatever order, both bodies give and keep the same."""
    Models.settings = settings_of_layer
    Models.prefixes = itertools.count()
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Models,
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture
def settings_of_layer(redis_url: str, prefix: str) -> LayerSettings:
    """Where the run's Valkey is; each example adds a prefix of its own."""
    return LayerSettings(redis_url, prefix)
