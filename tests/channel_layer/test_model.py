"""Random steps hold the body on Redis against the memory layer, step by step."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import redis
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

from channel_layer.answers import Committed
from channel_layer.capacities import Capacities
from channel_layer.layer import Done, Entry, OpenSocket, Operation, Retry, Send
from channel_layer.memory import MemoryLayer
from channel_layer.memory_registry import EPOCH
from channel_layer.redis_blocking import RedisLayer
from channel_layer.redis_keys import RedisKeys
from shared.settings import LayerSettings
from tests.channel_layer.model_steps import (
    FAR_MS,
    GROUPS,
    INBOXES,
    LISTS,
    PATTERNS,
    SOCKETS,
    UNORDERED,
    USUAL,
    WORK,
    Sight,
    broadcasts,
    events,
    facts,
    operations,
    parts,
    payload,
    resumptions,
    sockets_steps,
)

WORKERS = ("w1", "w2")
READER = "reader"


class Models(RuleBasedStateMachine):
    """Does the same to both bodies and compares all that comes back."""

    settings: LayerSettings
    prefixes: Iterator[int]

    @initialize()
    def both_begin_empty(self) -> None:
        self.prefix = name = f"{type(self).settings.prefix}-{next(type(self).prefixes)}"
        one = type(self).settings
        self.redis = RedisLayer(
            LayerSettings(one.url, name, group_expiry_s=3600), Capacities(USUAL, PATTERNS)
        )
        self.memory = MemoryLayer(
            lambda: 1_700_000_000_000, group_expiry=3600, capacities=Capacities(USUAL, PATTERNS)
        )
        self.layers = (self.redis, self.memory)
        for layer in self.layers:
            layer.take("w", ["a"], 1)  # a first step, so that there is an epoch
        with redis.Redis.from_url(one.url) as broker:
            epoch = broker.get(RedisKeys(name).epoch).decode()
        self.sight = Sight((epoch, EPOCH))
        self.pairs: dict[str, list[tuple[Entry, Entry]]] = {worker: [] for worker in WORKERS}
        self.names = {worker: worker for worker in WORKERS}

    def sided(self, asked: Sequence[Operation], side: int) -> tuple[Operation, ...]:
        return tuple(self.sight.sided(operation, side) for operation in asked)

    @rule(batch=st.lists(operations, min_size=1, max_size=6))
    def perform(self, batch: Sequence[Operation]) -> None:
        ours, models = (
            layer.perform(self.sided(batch, side)) for side, layer in enumerate(self.layers)
        )
        assert ours == models

    @rule(worker=st.sampled_from(WORKERS), count=st.integers(1, 6))
    def take(self, worker: str, count: int) -> None:
        name = self.names[worker]
        self.pair(worker, *(layer.take(name, WORK, count) for layer in self.layers))

    @rule(
        data=st.data(),
        worker=st.sampled_from(WORKERS),
        count=st.integers(0, 4),
        force=st.booleans(),
    )
    def commit(self, data: st.DataObject, worker: str, count: int, force: bool) -> None:
        items: list[tuple[Done | Retry, Done | Retry]] = []
        back: list[tuple[int, int]] = []
        for pair in self.pairs[worker]:
            choice = data.draw(st.sampled_from(("keep", "done", "done", "retry", "back")))
            if choice == "done":
                asked = data.draw(st.lists(operations, max_size=3))
                ours, models = (
                    Done(entry.id, self.sided(asked, side), force)
                    for side, entry in enumerate(pair)
                )
                items.append((ours, models))
            elif choice == "retry":
                delay_ms = data.draw(st.sampled_from((0, FAR_MS)))
                one, other = (Retry(entry.id, delay_ms, 2, "r") for entry in pair)
                items.append((one, other))
            elif choice == "back":
                back.append((pair[0].id, pair[1].id))
        answers = [
            layer.commit(
                self.names[worker],
                [pair[side] for pair in items],
                [pair[side] for pair in back],
                WORK,
                count,
            )
            for side, layer in enumerate(self.layers)
        ]
        self.compare_commits(worker, *answers)

    @rule(
        data=st.data(),
        sent=st.integers(0, 5),
        opened=st.booleans(),
        worker=st.sampled_from(WORKERS),
        lost=st.sampled_from((False, False, True)),
    )
    def answer(self, data: st.DataObject, sent: int, opened: bool, worker: str, lost: bool) -> None:
        """A worker replies to all that it holds, as most commits do; what it lost is fenced."""
        events = [Send("a", payload(1)) for _ in range(sent)]
        self.perform([*events, *(OpenSocket(one, payload(4)) for one in SOCKETS if opened)])
        if sent:
            self.take(worker, sent)
        gone = self.pairs[worker][::2] if lost else []
        for side, layer in enumerate(self.layers):
            layer.give_back(self.names[worker], [pair[side].id for pair in gone])
        items = [
            (pair, data.draw(st.lists(parts, max_size=3)))
            for pair in data.draw(st.permutations(self.pairs[worker]))
        ]
        answers = [
            layer.commit(
                self.names[worker],
                [Done(pair[side].id, self.sided(asked, side)) for pair, asked in items],
            )
            for side, layer in enumerate(self.layers)
        ]
        self.compare_commits(worker, *answers)

    def compare_commits(self, worker: str, ours: Committed, models: Committed) -> None:
        assert ours.outcomes == models.outcomes
        assert (ours.next_due_ms is None) == (models.next_due_ms is None)
        self.pair(worker, ours.taken, models.taken)

    def pair(self, worker: str, ours: tuple[Entry, ...], models: tuple[Entry, ...]) -> None:
        self.compare(ours, models)
        held = {entry.id for entry in self.redis.held(self.names[worker])}
        known = (*self.pairs[worker], *zip(ours, models, strict=True))
        self.pairs[worker] = [pair for pair in known if pair[0].id in held]

    def compare(self, ours: tuple[Entry, ...], models: tuple[Entry, ...]) -> None:
        assert len(ours) == len(models)
        for one, other in zip(ours, models, strict=True):
            assert self.sight.same(one, other), (one, other)

    @rule(
        worker=st.sampled_from(WORKERS),
        limit=st.integers(1, 3),
        end=st.sampled_from(("retired", "followed", "named dead")),
    )
    def end_worker(self, worker: str, limit: int, end: str) -> None:
        """Its successor has another name; without one, its own last words are still to come."""
        name = self.names[worker]
        if end == "retired":
            for layer in self.layers:
                layer.retire(name)
        else:
            ours = self.redis.reclaim([name], attempt_limit=limit, lease_ms=FAR_MS)
            assert ours == self.memory.reclaim([name], attempt_limit=limit, lease_ms=FAR_MS)
        self.pairs[worker] = []
        self.names[worker] = name + "+" if end == "followed" else name

    @rule(names=st.lists(st.sampled_from((*WORK, *INBOXES)), min_size=1, max_size=3, unique=True))
    def receive(self, names: list[str]) -> None:
        assert self.redis.receive(names) == self.memory.receive(names)

    @rule(inbox=st.sampled_from(INBOXES), count=st.integers(1, 20))
    def read(self, inbox: str, count: int) -> None:
        """Read an inbox entry by entry, as a server does."""
        ours, models = (layer.take(READER, [inbox], count) for layer in self.layers)
        self.compare(ours, models)
        for layer, entries in zip(self.layers, (ours, models), strict=True):
            layer.commit(READER, [Done(entry.id) for entry in entries])

    @rule(
        told=st.lists(broadcasts, max_size=5),
        resumed=st.lists(resumptions, min_size=1, max_size=3),
    )
    def resume(self, told: list[Operation], resumed: list[Operation]) -> None:
        """Sockets come back to a group with history, with room for what they missed."""
        for inbox in INBOXES:
            self.read(inbox, 100)
        self.perform(told)
        for inbox in INBOXES:
            self.read(inbox, 100)
        self.perform(resumed)
        for inbox in INBOXES:
            self.read(inbox, 100)

    @rule(
        opened=st.lists(sockets_steps, min_size=1, max_size=6),
        sent=st.lists(events, max_size=2),
        taken=st.booleans(),
        silent_ms=st.sampled_from((-FAR_MS, -FAR_MS, FAR_MS)),
    )
    def die(
        self, opened: list[Operation], sent: list[Operation], taken: bool, silent_ms: int
    ) -> None:
        """Servers fall silent with sockets open and events under way."""
        self.perform([*opened, *sent])
        if taken:
            self.take(WORKERS[0], 6)
        self.reap(silent_ms)
        self.hear_all(UNORDERED[0])

    @rule(silent_ms=st.sampled_from((-FAR_MS, FAR_MS)))
    def reap(self, silent_ms: int) -> None:
        """With less than no silence every server is silent."""
        ours, models = (layer.reap_servers(silent_ms) for layer in self.layers)
        assert sorted(ours.servers) == sorted(models.servers)
        assert (ours.disconnects, ours.waiting) == (models.disconnects, models.waiting)

    @rule(inbox=st.sampled_from(INBOXES))
    def come_back(self, inbox: str) -> None:
        """Who was taken for dead was there after all, and reads so."""
        key = f"{RedisKeys(self.prefix).base}reaped:{inbox}"
        with redis.Redis.from_url(type(self).settings.url) as broker:
            if broker.exists(key):
                broker.set(key, "told.1")
                self.memory.come_back(inbox)

    @rule(channel=st.sampled_from(UNORDERED))
    def hear_all(self, channel: str) -> None:
        taken = [layer.take(READER, [channel], 1000) for layer in self.layers]
        assert sorted(map(facts, taken[0])) == sorted(map(facts, taken[1]))
        for layer, entries in zip(self.layers, taken, strict=True):
            layer.commit(READER, [Done(entry.id) for entry in entries])

    @rule(
        count=st.integers(1, 3),
        channel=st.sampled_from(("*", "a", "websocket.*")),
        again=st.booleans(),
    )
    def deal_with_dead_letters(self, count: int, channel: str, again: bool) -> None:
        """What one reclaim buried lies there in any order."""
        if self.letters(self.redis) == self.letters(self.memory):
            name = "replay_dead_letters" if again else "drop_dead_letters"
            ours, models = (getattr(layer, name)(count, channel) for layer in self.layers)
            assert ours == models

    def letters(self, layer: RedisLayer | MemoryLayer) -> list[tuple[Any, ...]]:
        found = layer.dead_letters(1000)
        return [(one.reason, one.list_name, facts(one.entry)) for one in found]

    @precondition(lambda self: hasattr(self, "redis"))
    @invariant()
    def the_same_is_held_and_pending(self) -> None:
        for worker in self.names.values():
            ours, models = self.redis.held(worker), self.memory.held(worker)
            assert sorted(map(facts, ours)) == sorted(map(facts, models))
        for name in LISTS:
            ours_one, models_one = (layer.channel_statistics(name) for layer in self.layers)
            for figure in ("messages_pending", "messages_count", "channel_full_count"):
                assert ours_one[figure] == models_one[figure], (name, figure)
        for group in GROUPS:
            assert self.redis.group_channels(group) == self.memory.group_channels(group)
            assert self.redis.group_members(group) == self.memory.group_members(group)
        assert sorted(self.letters(self.redis)) == sorted(self.letters(self.memory))

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
