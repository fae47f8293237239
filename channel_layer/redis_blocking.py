"""The channel layer on Redis for programs without a reactor: workers and scripts.

Each step is one script of `lua/`. It never repeats a step whose answer was lost, except sends,
which the broker recognises; callers of the others ask `held` what became of theirs.
"""

import itertools
import os
import secrets
import time
from collections.abc import Iterable, Sequence
from typing import Any

from channel_layer import entries, redis_calls
from channel_layer.answers import (
    Committed,
    DeadLetter,
    Outcome,
    Reaped,
    Reclaimed,
    UnderWay,
)
from channel_layer.arrivals import Arrivals
from channel_layer.asgi_calls import AsgiCalls, read_lists
from channel_layer.bodies import body_of
from channel_layer.capacities import Capacities
from channel_layer.fault_log import opened_faults
from channel_layer.layer import NO_LIMIT, Capacity, Done, Entry, Operation, Retry
from channel_layer.redis_calls import FoundEmpty, ScriptArguments, Waiting
from channel_layer.redis_client import ANSWER_S, RedisClient
from channel_layer.redis_commands import Arguments
from channel_layer.redis_dead_letters import RedisDeadLetters
from channel_layer.redis_figures import RedisFigures
from channel_layer.redis_keys import RedisKeys
from shared.channel_names import check_channel, check_group, list_name
from shared.errors import BodyGone, InvalidMessage
from shared.logs import get_logger
from shared.settings import LayerSettings

_FOREVER_MS = 2**40

log = get_logger("channel_layer")


class RedisLayer(AsgiCalls):
    """The blocking layer; see `blocking_layer.py` for what each call promises.

    One object serves one thread at a time; `unblock`, `heartbeat` and `give_back` may be called
    from another one meanwhile, and a commit that is under way may be answered there.
    `capacities` None: those of the settings. `answer_s`: how long an answer may take, for a layer
    that never blocks.
    """

    def __init__(
        self,
        settings: LayerSettings,
        capacities: Capacities | None = None,
        answer_s: float = ANSWER_S,
    ) -> None:
        self.group_expiry = settings.group_expiry_s
        usual = Capacity(settings.capacity, settings.capacity_bytes)
        self._keys = RedisKeys(settings.prefix)
        self._arguments = ScriptArguments(
            settings.expiry_s * 1000,
            settings.group_expiry_s * 1000,
            capacities or Capacities(usual, settings.channel_capacity),
            opened_faults(settings),
        )
        self._client = RedisClient(settings.url, self._keys.base, answer_s)
        self._figures = RedisFigures(self._client, self._keys)
        self._dead_letters = RedisDeadLetters(self._client, self._keys, self._arguments)
        self._token = secrets.token_hex(8)
        self._numbers = itertools.count(1)
        self._turns = itertools.count()
        self._arrivals = Arrivals()
        self._found_empty = FoundEmpty()
        self.taken_ms = 0

    @property
    def lives(self) -> int:
        """How many lives of the broker this layer has met."""
        return self._client.lives

    def perform(self, operations: Sequence[Operation]) -> tuple[Outcome, ...]:
        """Do several operations in one round trip, each by itself, in order."""
        if not operations:
            return ()
        packed = [self._arguments.operation(operation) for operation in operations]
        argument = self._arguments.send(packed, self._name, next(self._numbers), ordered=False)
        return redis_calls.outcomes(self._client.run_repeated("send", argument))

    def receive(
        self, channels: Iterable[str], block: bool = False
    ) -> tuple[str | None, dict[str, Any] | None]:
        """One message from one of the channels (or lists `PROC!`), at most once, fairly."""
        lists = read_lists(channels)
        if not lists:
            return None, None
        ready = self._arrivals.ready(lists)
        wait_ms = 0
        while ready is None:
            token, reply = self._wait_and_run(lists, wait_ms, "receive", self._receive_args(lists))
            waiting, popped = redis_calls.received(reply)
            if popped is not None:
                ready = self._taken_in(lists, *popped)
                wait_ms = 0
            elif not block or token == self._keys.poke(self._name):
                return None, None
            else:
                wait_ms = waiting.cut(_FOREVER_MS)
        return ready

    def group_channels(self, group: str) -> list[str]:
        """The members' names, sorted."""
        return self._figures.members(check_group(group), self.group_expiry * 1000)

    def group_members(self, group: str) -> dict[str, int]:
        """How many devices each user has in the group; those without one are left out."""
        argument, is_more, found = self._arguments.members(group), True, dict[str, int]()
        while is_more:
            is_more, found = redis_calls.members(self._client.run("members", argument))
        return found

    def reap_servers(self, silent_ms: int = 8_000) -> Reaped:
        """End what dead servers left: each socket's disconnect is sent, all members leave."""
        argument, is_more = self._arguments.reap(silent_ms), True
        total = Reaped()
        while is_more:
            is_more, one = redis_calls.reaped(self._client.run("reap", argument))
            servers, sent = total.servers + one.servers, total.disconnects + one.disconnects
            total = Reaped(servers, sent, one.waiting)
        return total

    def flush(self) -> None:
        """Empty everything under this layer's prefix."""
        self._arrivals = Arrivals()
        found = self._client.keys(self._keys.everything)
        while some := tuple(itertools.islice(found, 500)):
            self._client.command("UNLINK", *some)

    def global_statistics(self) -> dict[str, float]:
        """Figures over all channels."""
        return self._figures.of_all()

    def channel_statistics(self, channel: str) -> dict[str, float]:
        """Figures of one channel's list."""
        return self._figures.of_list(list_name(check_channel(channel)))

    def take(
        self, worker: str, channels: Sequence[str], count: int, block_ms: int = 0
    ) -> tuple[Entry, ...]:
        """Lease up to `count` entries to `worker`, fair across channels."""
        now_s = time.monotonic()
        deadline = now_s + block_ms / 1000
        wait_ms = min(block_ms, self._found_empty.wait_ms(channels, now_s))
        self._found_empty = FoundEmpty()
        while True:
            argument = self._commit_args(worker, (), (), channels, count)
            token, reply = self._wait_and_run(channels, wait_ms, "commit", argument)
            committed = redis_calls.committed(reply)
            self.taken_ms = committed.now_ms
            left_ms = round((deadline - time.monotonic()) * 1000)
            if committed.taken or left_ms <= 0 or token == self._keys.poke(self._name):
                return committed.taken
            wait_ms = Waiting(committed.next_due_ms).cut(left_ms)

    def commit(
        self,
        worker: str,
        done: Sequence[Done | Retry],
        give_back: Sequence[int] = (),
        channels: Sequence[str] = (),
        count: int = 0,
    ) -> Committed:
        """One atomic step: end leases with their effects, put others back, take the next."""
        return self.begin_commit(worker, done, give_back, channels, count).answer()

    def begin_commit(
        self,
        worker: str,
        done: Sequence[Done | Retry],
        give_back: Sequence[int] = (),
        channels: Sequence[str] = (),
        count: int = 0,
    ) -> UnderWay:
        """Send a commit; the broker performs it while something else is done here."""
        argument = self._commit_args(worker, done, give_back, channels, count)
        sources = tuple(channels) if count else ()
        begun = self._client.begin("commit", argument)

        def answer() -> Committed:
            committed = redis_calls.committed(self._client.reply(begun))
            self._note(committed, sources)
            return committed

        return UnderWay(begun.asked.has_come, answer)

    def give_back(self, worker: str, ids: Sequence[int]) -> None:
        """Put unstarted entries back at the head of their lists, in order, attempt unchanged."""
        self.commit(worker, (), ids)

    def held(self, worker: str) -> tuple[Entry, ...]:
        """All that `worker` holds, in order of id: for after an answer was lost."""
        values = self._client.command("HVALS", self._keys.lease(worker))
        return redis_calls.held_entries(values)

    def heartbeat(self, worker: str) -> None:
        """Say that `worker` lives although it is in a long handler."""
        self.commit(worker, ())

    def retire(self, worker: str) -> None:
        """Forget a worker that ended in order; what it still held goes back, attempt + 1."""
        self._client.run("reclaim", self._arguments.reclaim((worker,), -1, NO_LIMIT, ()))

    def reclaim(
        self,
        workers: Sequence[str] = (),
        *,
        lease_ms: int = 10_000,
        attempt_limit: int = 5,
        wake: Sequence[str] = (),
    ) -> Reclaimed:
        """Put leases of dead workers back at the head of their lists, attempt + 1."""
        argument = self._arguments.reclaim(workers, lease_ms, attempt_limit, wake)
        return redis_calls.reclaimed(self._client.run("reclaim", argument))

    def read_body(self, channel: str, timeout_ms: int) -> bytes:
        """All chunks of a request's body, left in place. Raises: BodyGone."""
        name = list_name(check_channel(channel))
        deadline = time.monotonic() + timeout_ms / 1000
        while True:
            packed = self._client.command("LRANGE", self._keys.list(name), 0, -1)
            body = body_of(map(entries.parse, packed))
            left_ms = (deadline - time.monotonic()) * 1000
            if body is not None:
                return body
            if not packed or left_ms <= 0:
                raise BodyGone(channel)
            wait_ms = max(min(left_ms, 10_000), 1)
            self._client.command("BLPOP", self._keys.wake(name), f"{wait_ms / 1000:.3f}")

    def dead_letters(self, count: int = 100, channel: str = "*") -> tuple[DeadLetter, ...]:
        """The oldest dead letters of channels that fit a glob, left where they are."""
        return self._dead_letters.read(count, channel)

    def count_dead_letters(self) -> int:
        """How many dead letters there are."""
        return self._dead_letters.number()

    def replay_dead_letters(self, count: int, channel: str = "*") -> int:
        """Send what the oldest dead letters hold once more; gives how many there were."""
        return self._dead_letters.take_out(count, channel, again=True)

    def drop_dead_letters(self, count: int, channel: str = "*") -> int:
        """Forget the oldest dead letters; gives how many there were."""
        return self._dead_letters.take_out(count, channel, again=False)

    def unblock(self) -> None:
        """End a waiting `take` or `receive` of this layer from another thread.

        Sticky: without one waiting, the next one does not wait. What came at the same moment is
        still given.
        """
        key = self._keys.poke(self._name)
        self._client.commands((("DEL", key), ("RPUSH", key, "1"), ("PEXPIRE", key, 60_000)))

    def close(self) -> None:
        """Give up the connections."""
        self._client.close()

    @property
    def _name(self) -> str:
        # A forked child is another client: its batches must not be taken for its parent's.
        return f"{self._token}.{os.getpid()}"

    def _new_name(self) -> str:
        return secrets.token_urlsafe(12)

    def _receive_args(self, lists: Sequence[str]) -> Arguments:
        return self._arguments.receive(lists, next(self._turns))

    def _note(self, committed: Committed, sources: tuple[str, ...]) -> None:
        """Remember what an answer says of the time and of the channels that it looked at."""
        self.taken_ms = committed.now_ms
        if sources:
            self._found_empty = FoundEmpty()
            if not committed.taken:
                due_ms = Waiting(committed.next_due_ms).cut(_FOREVER_MS)
                self._found_empty = FoundEmpty(sources, time.monotonic() + due_ms / 1000)

    def _commit_args(
        self,
        worker: str,
        done: Sequence[Done | Retry],
        give_back: Sequence[int],
        channels: Sequence[str],
        count: int,
    ) -> Arguments:
        turn = next(self._turns)
        return self._arguments.commit(worker, done, give_back, channels, count, turn)

    def _wait_and_run(
        self, channels: Sequence[str], wait_ms: int, name: str, argument: Arguments
    ) -> tuple[str | None, Any]:
        if wait_ms <= 0:
            return None, self._client.run(name, argument)
        keys = [self._keys.poke(self._name), *(self._keys.wake(list_name(c)) for c in channels)]
        return self._client.wait_and_run(keys, wait_ms, name, argument)

    def _taken_in(
        self, lists: Sequence[str], name: str, entry: Entry
    ) -> tuple[str, dict[str, Any]] | None:
        try:
            self._arrivals.take_in(name, entry)
        except InvalidMessage as error:
            log.warning("unreadable_message", channel=entry.channel, cause=str(error))
        return self._arrivals.ready(lists)
