"""The operations of the memory layer on its lists and groups; knows no lease."""

import itertools
from collections.abc import Sequence

from channel_layer import entries
from channel_layer.capacities import Capacities
from channel_layer.layer import (
    MAX_MESSAGE_BYTES,
    Drop,
    Join,
    Kind,
    Leave,
    Operation,
    Outcome,
    Send,
    SendGroup,
    SendReceipt,
    Verdict,
)
from channel_layer.memory_groups import MemoryGroups
from channel_layer.memory_lists import MemoryLists
from shared.channel_names import check_channel, check_group, is_inbox, list_name
from shared.errors import MessageTooLarge

_DONE = Outcome(Verdict.DONE)


class MemorySteps:
    """Performs operations; the same as operations.lua."""

    def __init__(self, capacities: Capacities, expiry_ms: int, group_expiry_ms: int) -> None:
        self.lists = MemoryLists(capacities, expiry_ms)
        self.groups = MemoryGroups(group_expiry_ms)

    def checked(self, operation: Operation) -> Operation:
        """The operation itself. Raises: InvalidName, MessageTooLarge."""
        if isinstance(operation, SendGroup | Join | Leave):
            check_group(operation.group)
        if not isinstance(operation, SendGroup):
            check_channel(operation.channel)
        if isinstance(operation, Send | SendGroup) and len(operation.payload) > MAX_MESSAGE_BYTES:
            raise MessageTooLarge(len(operation.payload), MAX_MESSAGE_BYTES)
        return operation

    def perform_all(self, operations: Sequence[Operation], now_ms: int) -> tuple[Outcome, ...]:
        """Perform each by itself, in order, but a chain as a whole or not at all."""
        outcomes: list[Outcome] = []
        chain: list[Operation] = []
        for operation, after in itertools.zip_longest(operations, operations[1:]):
            chain.append(operation)
            if after is not None and _goes_on(operation, after):
                continue
            full = self.first_full(tuple(chain), now_ms) if len(chain) > 1 else None
            if full is None:
                outcomes += [self.perform(link, now_ms) for link in chain]
            else:
                outcomes += [Outcome(Verdict.FULL, full)] * len(chain)
            chain = []
        return tuple(outcomes)

    def perform(self, operation: Operation, now_ms: int) -> Outcome:
        """Perform one operation and say what became of it."""
        match operation:
            case Send():
                placed = self.lists.send(operation, now_ms)
                return _DONE if placed else Outcome(Verdict.FULL, operation.channel)
            case SendGroup():
                return self._send_group(operation, now_ms)
            case Join():
                self._join(operation, now_ms)
            case Leave():
                self._forget_member(operation.group, operation.channel, now_ms)
            case SendReceipt():
                channel, payload, order = operation.channel, operation.payload, operation.order
                name = list_name(channel)
                self.lists.place(name, Kind.RECEIPT, channel, payload, order, now_ms)
            case Drop():
                self.lists.drop(list_name(operation.channel))
        return _DONE

    def first_full(self, operations: tuple[Operation, ...], now_ms: int) -> str | None:
        """The first channel that cannot take what all operations together put on it."""
        more: dict[str, tuple[int, int]] = {}
        for operation in operations:
            if isinstance(operation, Send) and not operation.urgent:
                name = list_name(operation.channel)
                count, size_bytes = more.get(name, (0, 0))
                tail = entries.tail(operation.channel, operation.receipt, operation.payload)
                more[name] = count + 1, size_bytes + entries.HEADER.size + len(tail)
                if self.lists.is_full(name, *more[name]):
                    self.lists.count_full(name, now_ms)
                    return operation.channel
        return None

    def _send_group(self, operation: SendGroup, now_ms: int) -> Outcome:
        group, payload = operation.group, operation.payload
        for channel in self.groups.old(group, now_ms):
            self._forget_member(group, channel, now_ms)
        dropped = 0
        for name in self.groups.lists(group):
            kind, channel = (Kind.GROUP, group) if is_inbox(name) else (Kind.MESSAGE, name)
            size_bytes = entries.HEADER.size + len(entries.tail(channel, "", payload))
            if self.lists.is_full(name, 1, size_bytes):
                self.lists.count_full(name, now_ms)
                dropped += 1
            else:
                self.lists.place(name, kind, channel, payload, 0, now_ms)
        return Outcome(Verdict.DONE, dropped=dropped)

    def _join(self, operation: Join, now_ms: int) -> None:
        group, channel = operation.group, operation.channel
        self.groups.add(group, channel, now_ms)
        name = list_name(channel)
        if is_inbox(name) and not operation.is_known:
            self.lists.place(name, Kind.JOIN, channel, group.encode("ascii"), 0, now_ms)

    def _forget_member(self, group: str, channel: str, now_ms: int) -> None:
        name = list_name(channel)
        if self.groups.remove(group, channel) and is_inbox(name):
            self.lists.place(name, Kind.LEAVE, channel, group.encode("ascii"), 0, now_ms)


def _goes_on(operation: Operation, after: Operation) -> bool:
    """Whether `after` is chained to `operation`."""
    return (
        isinstance(operation, Send)
        and isinstance(after, Send)
        and operation.chained
        and list_name(operation.channel) == list_name(after.channel)
    )
