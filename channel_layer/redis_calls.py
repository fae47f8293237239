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
from channel_layer.faults import Faults
from channel_layer.layer import Awaited, Done, Entry, Operation, Retry
from channel_layer.redis_hello import KEY_FORMAT
from channel_layer.redis_operations import OperationArrays
from shared.channel_names import check_channel, check_group, list_name
from shared.errors import InvalidMessage

Reply = Any
"""What a script gives, as the Redis clients parse it: int, bytes or a list of these."""

_DONE = Outcome(Verdict.DONE)
_FENCED = Outcome(Verdict.FENCED)
# Lua's cmsgpack does not know msgpack's bin type; its strings are bytes anyway. One packer serves
# all threads: it packs what is made of plain values without letting another thread in.
_PACKER = msgpack.Packer(use_bin_type=False)


class ScriptArguments:
    """Packs the one argument of each script for layers with these times and bounds."""

    def __init__(
        self,
        expiry_ms: int,
        group_expiry_ms: int,
        capacities: Capacities,
        faults: Faults | None = None,
    ) -> None:
        usual = capacities.usual
        times_and_bounds = expiry_ms, group_expiry_ms, usual.messages, usual.size_bytes
        self._head = b"".join(map(_pack, times_and_bounds))
        self._arrays = OperationArrays(expiry_ms, capacities, faults)

    def send(
        self, operations: Sequence[bytes], client: str, number: int, *, ordered: bool
    ) -> bytes:
        """For send.lua; `operations` as `operation` packs them."""
        head = self._packed((client, number, int(ordered)))
        return b"".join((b"\x98", head, _array_head(len(operations)), *operations))

    def commit(
        self,
        worker: str,
        done: Sequence[Done | Retry],
        give_back: Sequence[int],
        channels: Sequence[str],
        count: int,
        turn: int,
    ) -> bytes:
        """For commit.lua."""
        items = [self._item(item) for item in done]
        sources = [list_name(check_channel(channel)) for channel in channels]
        tail = self._packed((worker, items, list(give_back), sources, count, turn))
        return b"\x9a" + tail

    def receive(self, lists: Sequence[str], turn: int) -> bytes:
        """For receive.lua."""
        return b"\x96" + self._packed((lists, turn))

    def inbox(
        self, inbox: str, acknowledge: int, read: "ReadBefore", count: int, fresh_epoch: str
    ) -> bytes:
        """For inbox.lua; `read` tells of the batch that ends with `acknowledge`."""
        known = read if read.last_id == acknowledge else ReadBefore()
        sizes = known.count, known.size_bytes, count
        return b"\x9b" + self._packed((inbox, acknowledge, *sizes, fresh_epoch, read.epoch))

    def reclaim(
        self,
        workers: Sequence[str],
        lease_ms: int,
        attempt_limit: int,
        wake: Sequence[str],
    ) -> bytes:
        """For reclaim.lua."""
        lists = [list_name(channel) for channel in wake]
        return b"\x98" + self._packed((list(workers), lease_ms, attempt_limit, lists))

    def replay(self, letter: bytes, *, again: bool) -> bytes:
        """For replay.lua; `letter` as it lies among the dead letters."""
        return b"\x96" + self._packed((letter, int(again)))

    def members(self, group: str) -> bytes:
        """For members.lua. Raises: InvalidName."""
        return b"\x95" + self._packed((check_group(group),))

    def reap(self, silent_ms: int) -> bytes:
        """For reap.lua."""
        return b"\x95" + self._packed((silent_ms,))

    def find_lost(self, inbox: str, awaited: Sequence[Awaited]) -> bytes:
        """For find_lost.lua."""
        return b"\x96" + self._packed((inbox, awaited))

    def operation(self, operation: Operation) -> bytes:
        """One operation, packed.

        Raises: InvalidName, MessageTooLarge.
        """
        return _pack(self._arrays.of(operation))

    def sign_of_life(self, inbox: str) -> bytes:
        """An operation that says that the owner of an inbox lives, packed."""
        return _pack((12, inbox))

    def retirement(self, inbox: str) -> bytes:
        """An operation that forgets an inbox whose owner ended in order, packed."""
        return _pack((13, inbox))

    def _packed(self, own: Sequence[Any]) -> bytes:
        return b"".join((self._head, *map(_pack, own)))

    def _item(self, item: Done | Retry) -> list[Any]:
        if isinstance(item, Retry):
            return [2, item.entry_id, item.delay_ms, item.attempt_limit, item.reason]
        operations = list(map(self._arrays.of, item.operations))
        return [1, item.entry_id, int(item.force), operations]


def hello(run: str, fresh_epoch: str, *, is_durable: bool) -> bytes:
    """For hello.lua, which asks for no times and bounds."""
    own = run, int(is_durable), fresh_epoch, KEY_FORMAT
    return b"\x98" + b"".join(map(_pack, (0, 0, 0, 0, *own)))


@dataclass(frozen=True, slots=True)
class ReadBefore:
    """The size of an inbox's last batch, the id it ends with, and the epoch told with it."""

    last_id: int = 0
    count: int = 0
    size_bytes: int = 0
    epoch: str = ""


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
    """The verdicts of send.lua or commit.lua."""
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


def inbox_read(reply: Reply) -> tuple[Waiting, InboxBatch, ReadBefore, int]:
    """What inbox.lua gave; the last is how many entries were passed over as unreadable."""
    packed_epoch, due_ms, is_reaped, *packed = reply
    epoch = packed_epoch.decode("ascii")
    parsed: list[Entry] = []
    read = 0
    for number, one in enumerate(packed, 1):
        try:
            parsed.append(entries.parse(one))
            read = number
        except InvalidMessage:
            continue
    size_bytes = sum(map(len, packed[:read]))
    before = ReadBefore(parsed[-1].id if parsed else 0, read, size_bytes, epoch)
    waiting = Waiting(None if due_ms < 0 else due_ms)
    batch = InboxBatch(epoch, tuple(parsed), is_reaped == 1)
    return waiting, batch, before, len(packed) - len(parsed)


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
    found = [entries.leased(value[value.index(b"\0") + 1 :]) for value in values if b"\0" in value]
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


def _pack(value: Any) -> bytes:
    return bytes(_PACKER.pack(value))


def _array_head(length: int) -> bytes:
    return b"\xdd" + struct.pack(">I", length)
