"""The channel layer in one process's memory: the model that the bodies on Redis are held against.

It never waits: where they block, it gives nothing. The time comes in through the constructor, so
tests decide it. It is no shortcut for users: nothing leaves the process.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from channel_layer import figures
from channel_layer.answers import (
    Committed,
    DeadLetter,
    Outcome,
    Reaped,
    Reclaimed,
    Statistics,
    Verdict,
)
from channel_layer.arrivals import Arrivals
from channel_layer.asgi_calls import AsgiCalls, read_lists
from channel_layer.bodies import body_of
from channel_layer.capacities import Capacities
from channel_layer.layer import NO_LIMIT, Capacity, Done, Entry, Operation, Retry
from channel_layer.memory_leases import MemoryLeases
from channel_layer.memory_steps import MemorySteps
from shared.channel_names import check_channel, check_group, list_name
from shared.errors import BodyGone


class MemoryLayer(AsgiCalls):
    """See `blocking_layer.py` for what each call promises.

    `clock_ms` gives milliseconds since 1970.
    """

    lives = 1

    def __init__(
        self,
        clock_ms: Callable[[], int],
        *,
        expiry: int = 60,
        group_expiry: int = 86_400,
        capacities: Capacities | None = None,
    ) -> None:
        self.group_expiry = group_expiry
        self._clock_ms = clock_ms
        self._expiry_ms = expiry * 1000
        self._capacities = capacities or Capacities(Capacity())
        self._names = itertools.count(1)
        self._turns = itertools.count()
        self.taken_ms = 0
        self._arrivals = Arrivals()
        self._empty()

    def _empty(self) -> None:
        self._steps = MemorySteps(self._capacities, self._expiry_ms, self.group_expiry * 1000)
        self._leases = MemoryLeases(self._steps)
        self._lists = self._steps.lists

    def perform(self, operations: Sequence[Operation]) -> tuple[Outcome, ...]:
        """Do several operations, each by itself, in order; chained sends all or none."""
        checked = [self._steps.checked(operation) for operation in operations]
        return self._steps.perform_all(checked, self._clock_ms())

    def receive(
        self, channels: Iterable[str], block: bool = False
    ) -> tuple[str | None, dict[str, Any] | None]:
        """One message from one of the channels, at most once, fairly; `block` is not heeded."""
        lists = read_lists(channels)
        if not lists:
            return None, None
        while (ready := self._arrivals.ready(lists)) is None:
            popped = self._leases.receive(lists, next(self._turns), self._clock_ms())
            if popped is None:
                return None, None
            self._arrivals.take_in(popped.list_name, popped.entry)
        return ready

    def group_channels(self, group: str) -> list[str]:
        """The members' names, sorted."""
        return self._steps.groups.living(check_group(group), self._clock_ms())

    def group_members(self, group: str) -> dict[str, int]:
        """How many devices each user has in a group."""
        return self._steps.users(check_group(group), self._clock_ms())

    def flush(self) -> None:
        """Empty everything."""
        self._arrivals = Arrivals()
        self._empty()

    def global_statistics(self) -> dict[str, float]:
        """Figures over all channels."""
        every = [self._statistics(name) for name in self._lists.names]
        return figures.as_dict(figures.summed(every))

    def channel_statistics(self, channel: str) -> dict[str, float]:
        """Figures of one channel's list."""
        return figures.as_dict(self._statistics(list_name(check_channel(channel))))

    def take(
        self, worker: str, channels: Sequence[str], count: int, block_ms: int = 0
    ) -> tuple[Entry, ...]:
        """Lease up to `count` entries to `worker`, fair across channels; it never waits."""
        return self.commit(worker, (), (), channels, count).taken

    def commit(
        self,
        worker: str,
        done: Sequence[Done | Retry],
        give_back: Sequence[int] = (),
        channels: Sequence[str] = (),
        count: int = 0,
    ) -> Committed:
        """One atomic step: end leases with their effects, put others back, take the next."""
        for item in done:
            if isinstance(item, Done):
                for operation in item.operations:
                    self._steps.checked(operation)
        lists = [list_name(check_channel(channel)) for channel in channels]
        now_ms, turn = self._clock_ms(), next(self._turns)
        self.taken_ms = now_ms
        if self._leases.is_gone(worker, now_ms) and (done or give_back or count):
            return Committed((Outcome(Verdict.FENCED),) * len(done), (), now_ms=now_ms)
        self._leases.sign(worker, now_ms)
        outcomes = self._leases.settle(worker, done, now_ms)
        self._leases.give_back(worker, give_back, now_ms)
        self._lists.move_due(now_ms)
        taken = self._leases.take(worker, lists, count, turn, now_ms)
        return Committed(outcomes, taken, self._lists.next_due_ms(now_ms), now_ms)

    def give_back(self, worker: str, ids: Sequence[int]) -> None:
        """Put unstarted entries back at the head of their lists, in order, attempt unchanged."""
        self.commit(worker, (), ids)

    def held(self, worker: str) -> tuple[Entry, ...]:
        """All that `worker` holds, in order of id."""
        return self._leases.held(worker)

    def heartbeat(self, worker: str) -> None:
        """Say that `worker` lives although it is in a long handler."""
        self.commit(worker, ())

    def retire(self, worker: str) -> None:
        """Forget a worker that ended in order; what it still held goes back, attempt + 1."""
        now_ms = self._clock_ms()
        self._leases.reclaim((worker,), -1, NO_LIMIT, now_ms)
        self._lists.move_due(now_ms)

    def reclaim(
        self,
        workers: Sequence[str] = (),
        *,
        lease_ms: int = 10_000,
        attempt_limit: int = 5,
        wake: Sequence[str] = (),
    ) -> Reclaimed:
        """Put leases of dead workers back at the head of their lists, attempt + 1."""
        now_ms = self._clock_ms()
        reclaimed = self._leases.reclaim(workers, lease_ms, attempt_limit, now_ms)
        self._lists.move_due(now_ms)
        return reclaimed

    def read_body(self, channel: str, timeout_ms: int) -> bytes:
        """All chunks of a request's body, left in place; it never waits. Raises: BodyGone."""
        body = body_of(self._lists.entries(list_name(check_channel(channel))))
        if body is None:
            raise BodyGone(channel)
        return body

    def reap_servers(self, silent_ms: int = 8_000) -> Reaped:
        """Say the farewells of servers' sockets that were silent for longer."""
        now_ms = self._clock_ms()

        def forget_members(inbox: str) -> bool:
            return self._steps.forget_members_of(inbox, now_ms)

        leased = self._leases.all_held()
        return self._steps.registry.reap(silent_ms, leased, forget_members, now_ms)

    def come_back(self, inbox: str) -> None:
        """Do what a reading does on Redis when the inbox's owner was taken for dead."""
        self._steps.registry.come_back(inbox)

    def dead_letters(self, count: int = 100, channel: str = "*") -> tuple[DeadLetter, ...]:
        """The oldest dead letters of channels that fit a glob, left where they are."""
        return self._leases.dead_letters(channel)[:count]

    def replay_dead_letters(self, count: int, channel: str = "*") -> int:
        """Send what the oldest dead letters hold once more; gives how many there were."""
        now_ms = self._clock_ms()
        return self._leases.take_out(count, channel, again=True, now_ms=now_ms)

    def drop_dead_letters(self, count: int, channel: str = "*") -> int:
        """Forget the oldest dead letters; gives how many there were."""
        now_ms = self._clock_ms()
        return self._leases.take_out(count, channel, again=False, now_ms=now_ms)

    def unblock(self) -> None:
        """Change nothing: no call waits."""

    def close(self) -> None:
        """Change nothing: there are no connections."""

    def _new_name(self) -> str:
        return f"n{next(self._names)}"

    def _statistics(self, name: str) -> Statistics:
        return figures.statistics(
            self._lists.counters(name),
            self._lists.length(name),
            self._lists.oldest_sent_ms(name),
            self._clock_ms(),
        )
