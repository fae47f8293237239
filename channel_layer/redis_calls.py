"""What goes into the scripts of `lua/` and what comes out, as bytes and values.

The shapes of the arguments are told at the head of each script. It speaks to no broker.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgpack

from channel_layer import entries
from channel_layer.capacities import Capacities
from channel_layer.layer import (
    MAX_MESSAGE_BYTES,
    Committed,
    DeadLetter,
    Done,
    Drop,
    Entry,
    InboxBatch,
    Join,
    Leave,
    Operation,
    Outcome,
    Reclaimed,
    Retry,
    Send,
    SendGroup,
    SendReceipt,
    Verdict,
)
from shared.channel_names import check_channel, check_group, list_name
from shared.errors import MessageTooLarge

Reply = Any
"""What a script gives, as the Redis clients parse it: int, bytes or a list of these."""

_DONE = Outcome(Verdict.DONE)
_FENCED = Outcome(Verdict.FENCED)
# Lua's cmsgpack does not know msgpack's bin type; its strings are bytes anyway. One packer serves
# all threads: it packs what is made of plain values without letting another thread in.
_PACKER = msgpack.Packer(use_bin_type=False)
_NAMELESS = ""


@dataclass(frozen=True, slots=True)
class ScriptArguments:
    """Packs the one argument of each script for layers with these times and bounds."""

    expiry_ms: int
    group_expiry_ms: int
    capacities: Capacities

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
        self, inbox: str, acknowledge: int, read: "ReadBefore", count: int, epoch: str
    ) -> bytes:
        """For inbox.lua; `read` tells the size of the batch that ends with `acknowledge`."""
        known = read if read.last_id == acknowledge else ReadBefore()
        return b"\x9a" + self._packed(
            (inbox, acknowledge, known.count, known.size_bytes, count, epoch)
        )

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

    def replay(self, count: int, *, again: bool) -> bytes:
        """For replay.lua."""
        return b"\x96" + self._packed((count, int(again)))

    def operation(self, operation: Operation) -> bytes:
        """One operation, packed.

        Raises: InvalidName, MessageTooLarge.
        """
        return _pack(self._array(operation))

    def _packed(self, own: Sequence[Any]) -> bytes:
        usual = self.capacities.usual
        times_and_bounds = self.expiry_ms, self.group_expiry_ms, usual.messages, usual.size_bytes
        return b"".join(_pack(part) for part in (*times_and_bounds, *own))

    def _item(self, item: Done | Retry) -> list[Any]:
        if isinstance(item, Retry):
            return [2, item.entry_id, item.delay_ms, item.attempt_limit, item.reason]
        operations = [self._array(operation) for operation in item.operations]
        return [1, item.entry_id, int(item.force), operations]

    def _array(self, operation: Operation) -> list[Any]:
        match operation:
            case Send():
                return self._send(operation)
            case SendGroup():
                return [2, check_group(operation.group), _sized(operation.payload)]
            case Join():
                channel = check_channel(operation.channel)
                own = self.capacities.of(list_name(channel))
                bounds = [0, 0]
                if own is not self.capacities.usual:
                    bounds = [own.messages, own.size_bytes]
                known = int(operation.is_known)
                return [3, check_group(operation.group), channel, *bounds, known]
            case Leave():
                return [4, check_group(operation.group), check_channel(operation.channel)]
            case SendReceipt():
                channel = check_channel(operation.channel)
                tail = entries.tail(channel, _NAMELESS, operation.payload)
                return [5, list_name(channel), tail, operation.order]
            case Drop():
                return [6, list_name(check_channel(operation.channel))]

    def _send(self, send: Send) -> list[Any]:
        channel = check_channel(send.channel)
        name = list_name(channel)
        capacity = self.capacities.of(name)
        receipt = check_channel(send.receipt) if send.receipt else _NAMELESS
        tail = entries.tail(channel, receipt, _sized(send.payload))
        is_usual = capacity is self.capacities.usual and send.ttl_ms is None
        if is_usual and not (send.order or send.chained or send.delay_ms or send.urgent):
            return [7, name, tail]
        return [
            *(1, name, tail, send.order, entries.CHAINED if send.chained else 0),
            self.expiry_ms if send.ttl_ms is None else max(1, send.ttl_ms),
            send.delay_ms,
            0 if send.urgent else capacity.messages,
            capacity.size_bytes,
        ]


@dataclass(frozen=True, slots=True)
class ReadBefore:
    """The size of an inbox's last batch, and the id it ends with."""

    last_id: int = 0
    count: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long until the next delayed entry is due, None without one."""

    next_due_ms: int | None

    def cut(self, wait_ms: int) -> int:
        """`wait_ms`, or less when something is due before."""
        return wait_ms if self.next_due_ms is None else min(wait_ms, self.next_due_ms)


def outcomes(reply: Reply) -> tuple[Outcome, ...]:
    """The verdicts of send.lua or commit.lua."""
    return tuple(map(_outcome, reply))


def committed(reply: Reply) -> Committed:
    """What commit.lua gave."""
    verdicts, taken, due_ms = reply
    return Committed(
        outcomes(verdicts), tuple(map(entries.parse, taken)), None if due_ms < 0 else due_ms
    )


def received(reply: Reply) -> tuple[Waiting, tuple[str, Entry] | None]:
    """What receive.lua gave: the list and the entry popped from it."""
    waiting = Waiting(None if reply[0] < 0 else reply[0])
    if len(reply) == 1:
        return waiting, None
    return waiting, (reply[1].decode("ascii"), entries.parse(reply[2]))


def inbox_read(reply: Reply) -> tuple[Waiting, InboxBatch, ReadBefore]:
    """What inbox.lua gave."""
    epoch, due_ms, *packed = reply
    parsed = tuple(map(entries.parse, packed))
    before = ReadBefore()
    if parsed:
        before = ReadBefore(parsed[-1].id, len(packed), sum(map(len, packed)))
    waiting = Waiting(None if due_ms < 0 else due_ms)
    return waiting, InboxBatch(epoch.decode("ascii"), parsed), before


def reclaimed(reply: Reply) -> Reclaimed:
    """What reclaim.lua gave."""
    returned, dead, *workers = reply
    return Reclaimed(tuple(worker.decode() for worker in workers), returned, dead)


def leased_entry(value: bytes) -> Entry:
    """The entry in one value of a lease."""
    return entries.parse(value[value.index(b"\0") + 1 :])


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


def _sized(payload: bytes) -> bytes:
    if len(payload) > MAX_MESSAGE_BYTES:
        raise MessageTooLarge(len(payload), MAX_MESSAGE_BYTES)
    return payload


def _pack(value: Any) -> bytes:
    return bytes(_PACKER.pack(value))


def _array_head(length: int) -> bytes:
    return b"\xdd" + struct.pack(">I", length)
