"""What goes into the scripts of `lua/` and what comes out, as bytes and values.

The shapes of the arguments are told at the head of each script. It speaks to no broker.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgpack

from channel_layer import entries
from channel_layer.answers import (
    Committed,
    DeadLetter,
    InboxBatch,
    Outcome,
    Reaped,
    Reclaimed,
    Verdict,
)
from channel_layer.capacities import Capacities
from channel_layer.commit_steps import CommitSteps
from channel_layer.faults import Faults
from channel_layer.layer import Awaited, Done, Entry, Operation, Retry
from channel_layer.redis_commands import Arguments, packed_string
from channel_layer.redis_hello import KEY_FORMAT
from channel_layer.redis_operations import PackedOperations, pack
from shared.channel_names import check_channel, check_group, list_name
from shared.errors import InvalidMessage

Reply = Any
"""What a script gives, as the Redis clients parse it: int, bytes or a list of these."""

_DONE = Outcome(Verdict.DONE)
_FENCED = Outcome(Verdict.FENCED)


class ScriptArguments:
    """Packs the arguments of each script for layers with these times and bounds."""

    def __init__(
        self,
        expiry_ms: int,
        group_expiry_ms: int,
        capacities: Capacities,
        faults: Faults | None = None,
    ) -> None:
        usual = capacities.usual
        self._head = expiry_ms, group_expiry_ms, usual.messages, usual.size_bytes
        self._capacities = capacities
        self._operations = PackedOperations(expiry_ms, capacities, faults)

    def send(
        self, operations: Sequence[bytes], client: str, number: int, *, ordered: bool
    ) -> Arguments:
        """For send.lua; `operations` as `operation` packs them."""
        own = packed_string(pack((*self._head, client, number, int(ordered))))
        return Arguments(1 + len(operations), b"".join((own, *operations)))

    def commit(
        self,
        worker: str,
        done: Sequence[Done | Retry],
        give_back: Sequence[int],
        channels: Sequence[str],
        count: int,
        turn: int,
    ) -> Arguments:
        """For commit.lua."""
        steps = CommitSteps(self._operations)
        for item in done:
            steps.add(item)
        made, strings = steps.packed()
        sources = [list_name(check_channel(channel)) for channel in channels]
        back = struct.pack(f">{len(give_back)}Q", *give_back)
        own = pack((*self._head, worker, count, turn, sources, back, made))
        return Arguments(1 + len(strings), b"".join(map(packed_string, (own, *strings))))

    def receive(self, lists: Sequence[str], turn: int) -> Arguments:
        """For receive.lua."""
        return self._own(lists, turn)

    def inbox(
        self, inbox: str, acknowledge: int, known_epoch: str, count: int, fresh_epoch: str
    ) -> Arguments:
        """For inbox.lua."""
        room = self._capacities.of(inbox)
        own = inbox, acknowledge, count, fresh_epoch, known_epoch, room.messages, room.size_bytes
        return self._own(*own)

    def reclaim(
        self,
        workers: Sequence[str],
        lease_ms: int,
        attempt_limit: int,
        wake: Sequence[str],
    ) -> Arguments:
        """For reclaim.lua."""
        lists = [list_name(channel) for channel in wake]
        return self._own(list(workers), lease_ms, attempt_limit, lists)

    def replay(self, letter: bytes, *, again: bool) -> Arguments:
        """For replay.lua; `letter` as it lies among the dead letters."""
        return self._own(letter, int(again))

    def members(self, group: str) -> Arguments:
        """For members.lua. Raises: InvalidName."""
        return self._own(check_group(group))

    def reap(self, silent_ms: int) -> Arguments:
        """For reap.lua."""
        return self._own(silent_ms)

    def find_lost(self, inbox: str, awaited: Sequence[Awaited]) -> Arguments:
        """For find_lost.lua."""
        return self._own(inbox, awaited)

    def operation(self, operation: Operation) -> bytes:
        """One operation, packed.

        Raises: InvalidName, MessageTooLarge.
        """
        return packed_string(self._operations.of(operation))

    def sign_of_life(self, inbox: str) -> bytes:
        """An operation that says that the owner of an inbox lives, packed."""
        return packed_string(pack((12, inbox)))

    def retirement(self, inbox: str) -> bytes:
        """An operation that forgets an inbox whose owner ended in order, packed."""
        return packed_string(pack((13, inbox)))

    def _own(self, *own: Any) -> Arguments:
        return Arguments(1, packed_string(pack((*self._head, *own))))


def hello(run: str, fresh_epoch: str, *, is_durable: bool) -> Arguments:
    """For hello.lua, which asks for no times and bounds."""
    own = run, int(is_durable), fresh_epoch, KEY_FORMAT
    return Arguments(1, packed_string(pack((0, 0, 0, 0, *own))))


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long until the next delayed entry is due, None without one."""

    next_due_ms: int | None

    def cut(self, wait_ms: int) -> int:
        """`wait_ms`, or less when something is due before."""
        return wait_ms if self.next_due_ms is None else min(wait_ms, self.next_due_ms)


@dataclass(frozen=True, slots=True)
class FoundEmpty:
    """The lists that the last commit looked at in vain, and when something is due on any.

    What comes after that leaves a token, so the next take need not look before it waits.
    """

    channels: tuple[str, ...] = ()
    due_s: float = 0.0

    def wait_ms(self, channels: Sequence[str], now_s: float) -> int:
        """How long a take from `channels` may wait before it looks; 0 or less: it looks first."""
        known = tuple(channels) == self.channels
        return round((self.due_s - now_s) * 1000) if known else 0


def outcomes(reply: Reply) -> tuple[Outcome, ...]:
    """The verdicts of send.lua or commit.lua; a number stands for so many that are done."""
    if isinstance(reply, int):
        return (_DONE,) * reply
    return tuple(map(_outcome, reply))


def committed(reply: Reply) -> Committed:
    """What commit.lua gave."""
    verdicts, taken, due_ms, now_ms = reply
    next_due_ms = None if due_ms < 0 else due_ms
    leased = tuple(map(entries.leased, taken))
    return Committed(outcomes(verdicts), leased, next_due_ms, now_ms)


def received(reply: Reply) -> tuple[Waiting, tuple[str, Entry] | None]:
    """What receive.lua gave: the list and the entry popped from it."""
    waiting = Waiting(None if reply[0] < 0 else reply[0])
    if len(reply) == 1:
        return waiting, None
    return waiting, (reply[1].decode("ascii"), entries.parse(reply[2]))


def inbox_read(reply: Reply, acknowledged: int, count: int) -> tuple[Waiting, InboxBatch, int]:
    """What inbox.lua gave of `count` entries; the last is how many elements were unreadable.

    A bundle that was acknowledged in part comes as a whole, and may bring more than was asked for.
    The reader need not wait where what it did not get is left.
    """
    packed_epoch, due_ms, is_reaped, *packed = reply
    read: list[Entry] = []
    unreadable = 0
    for one in packed:
        try:
            read += entries.parse_element(one)
        except InvalidMessage:
            unreadable += 1
    if read and (read[0].id <= acknowledged or len(read) > count):
        read = [entry for entry in read if entry.id > acknowledged]
        due_ms = 0 if len(read) > count else due_ms
        read = read[:count]
    waiting = Waiting(None if due_ms < 0 else due_ms)
    batch = InboxBatch(packed_epoch.decode("ascii"), tuple(read), is_reaped == 1)
    return waiting, batch, unreadable


def reclaimed(reply: Reply) -> Reclaimed:
    """What reclaim.lua gave."""
    returned, dead, *workers = reply
    return Reclaimed(tuple(worker.decode() for worker in workers), returned, dead)


def reaped(reply: Reply) -> tuple[bool, Reaped]:
    """What reap.lua gave: whether more is left to do now, and what was done."""
    more, disconnects, waiting, *servers = reply
    names = tuple(name.decode("ascii") for name in servers)
    return more == 1, Reaped(names, disconnects, waiting)


def members(reply: Reply) -> tuple[bool, dict[str, int]]:
    """What members.lua gave: whether some must be counted down first, and devices by user."""
    more, *pairs = reply
    users = (user.decode("utf-8", "replace") for user in pairs[::2])
    return more == 1, dict(zip(users, map(int, pairs[1::2]), strict=True))


def held_entries(values: Sequence[bytes]) -> tuple[Entry, ...]:
    """The entries in the values of a lease, in order of id."""
    # In front of some stand the list's name and a NUL; an entry itself begins with a NUL.
    cut = (value[value.find(b"\0") + 1 :] if value[:1] != b"\0" else value for value in values)
    found = (entries.leased(one) for value, one in zip(values, cut, strict=True) if b"\0" in value)
    return tuple(sorted(found, key=lambda entry: entry.id))


def dead_letter(packed: bytes) -> DeadLetter:
    """One item of the list of dead letters."""
    buried_ms, reason, name, entry = msgpack.unpackb(packed, raw=True)
    parsed = entries.parse(entry)
    return DeadLetter(int(buried_ms), reason.decode(errors="replace"), name.decode(), parsed)


def _outcome(verdict: int | bytes) -> Outcome:
    if verdict == 0:
        return _DONE
    if isinstance(verdict, bytes):
        return Outcome(Verdict.FULL, verdict.decode("ascii"))
    return _FENCED if verdict < 0 else Outcome(Verdict.DONE, dropped=verdict)
