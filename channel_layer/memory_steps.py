"""The operations of the memory layer on its lists, groups and registry; knows no lease."""

import itertools
from collections.abc import Sequence

from channel_layer import entries
from channel_layer.answers import Outcome, Verdict
from channel_layer.capacities import Capacities
from channel_layer.layer import (
    CloseSocket,
    Drop,
    Join,
    Joining,
    Kind,
    Leave,
    OpenSocket,
    Operation,
    Position,
    Replay,
    Send,
    SendGroup,
    SendReceipt,
)
from channel_layer.memory_groups import MemoryGroups, PresenceChange
from channel_layer.memory_history import MAX_LOG_BYTES, MemoryHistory
from channel_layer.memory_lists import MemoryLists
from channel_layer.memory_registry import EPOCH, MemoryRegistry
from channel_layer.redis_operations import PackedOperations, possible_position
from shared import codec
from shared.channel_names import is_inbox, list_name

_ID_DIGITS = 16
"""Of an id in an epoch: as many as on Redis, since it counts against the bounds of lists."""

PRESENCE_TTL_MS = 86_400_000
"""What is told of a user waits a day for a worker, as jobs do."""

_DONE = Outcome(Verdict.DONE)


class MemorySteps:
    """Performs operations; the same as operations.lua."""

    def __init__(self, capacities: Capacities, expiry_ms: int, group_expiry_ms: int) -> None:
        self.lists = MemoryLists(capacities, expiry_ms)
        self.groups = MemoryGroups(group_expiry_ms)
        self.registry = MemoryRegistry(self.lists)
        self._history = MemoryHistory(group_expiry_ms)
        self._packed = PackedOperations(expiry_ms, capacities)

    def checked(self, operation: Operation) -> Operation:
        """The operation itself. Raises: InvalidName, MessageTooLarge."""
        self._packed.of(operation)
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
                self._send_receipt(operation, now_ms)
            case OpenSocket():
                self.registry.open(operation, now_ms)
            case CloseSocket():
                return self.registry.close(operation, now_ms)
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

    def users(self, group: str, now_ms: int) -> dict[str, int]:
        """How many devices each user has in a group, after those whose time is over left."""
        for channel in self.groups.old(group, now_ms):
            self._forget_member(group, channel, now_ms)
        return self.groups.users(group)

    def forget_members_of(self, name: str, now_ms: int) -> bool:
        """End all memberships of a list whose owner is dead, untold; whether it had some."""
        members = self.groups.of_list(name)
        for group, channel in members:
            self._tell(self.groups.remove(group, channel) or [], now_ms)
        return bool(members)

    def _send_receipt(self, operation: SendReceipt, now_ms: int) -> None:
        channel, order = operation.channel, operation.order
        name = list_name(channel)
        self.lists.place(name, Kind.RECEIPT, channel, operation.payload, order, now_ms)
        if operation.farewell is not None:
            self.registry.change(channel, operation.farewell)

    def _send_group(self, operation: SendGroup, now_ms: int) -> Outcome:
        group = operation.group
        for channel in self.groups.old(group, now_ms):
            self._forget_member(group, channel, now_ms)
        position = None
        if operation.history is not None and operation.history.messages > 0:
            fresh, kept = self._fresh_epoch(), operation.history
            position = self._history.add(group, operation.payload, kept, fresh, now_ms)
        dropped = 0
        for name in self.groups.lists(group):
            entry = self._group_entry(operation, name, position)
            if entry is not None and not self._placed(name, *entry, now_ms):
                dropped += 1
        return Outcome(Verdict.DONE, dropped=dropped)

    def _group_entry(
        self, operation: SendGroup, name: str, position: Position | None
    ) -> tuple[Kind, str, bytes] | None:
        """What one list with members gets; None when it is left out."""
        group, payload = operation.group, operation.payload
        excluded = [one for one in dict.fromkeys(operation.exclude) if list_name(one) == name]
        is_told = position is not None and is_inbox(name)
        if excluded and not is_told and self.groups.on_list(group, name) <= set(excluded):
            return None
        if not is_inbox(name):
            return Kind.MESSAGE, name, payload
        if position is None and not excluded:
            return Kind.GROUP, group, payload
        return Kind.GROUP_MORE, group, entries.pack_group_message(payload, position, excluded)

    def _join(self, operation: Join, now_ms: int) -> None:
        group, channel = operation.group, operation.channel
        name = list_name(channel)
        if self.registry.is_dead(name):
            return
        is_known = operation.is_known or operation.is_refresh
        if operation.is_refresh and channel not in self.groups.on_list(group, name):
            return
        changes = self.groups.add(operation, now_ms)
        if is_inbox(name) and not is_known:
            joining = Joining(group, operation.user, operation.presence)
            payload = entries.pack_joining(joining)
            self.lists.place(name, Kind.JOIN, channel, payload, 0, now_ms)
        if operation.since is not None:
            self._replay(operation, possible_position(operation.since), now_ms)
        self._tell(changes, now_ms)

    def _replay(self, operation: Join, since: Position, now_ms: int) -> None:
        group, channel = operation.group, operation.channel
        name = list_name(channel)

        def has_room(size_bytes: int) -> bool:
            return not is_inbox(name) or self._has_room(name, size_bytes, now_ms)

        replays = self._history.replays(group, since, self._fresh_epoch(), has_room, now_ms)
        if is_inbox(name):
            self._place_replays(name, channel, replays, now_ms)
            return
        for part in replays:
            for _, payload in part.messages:
                self._placed(name, Kind.MESSAGE, channel, payload, now_ms)

    def _has_room(self, name: str, size_bytes: int, now_ms: int) -> bool:
        """Whether an inbox has room for a replay of about that size; what has not is counted."""
        has_room = self.lists.size_bytes(name) + size_bytes <= MAX_LOG_BYTES
        if has_room and not self.lists.is_full(name, 1, size_bytes):
            return True
        self.lists.count_full(name, now_ms)
        return False

    def _place_replays(
        self, name: str, channel: str, replays: Sequence[Replay], now_ms: int
    ) -> None:
        """Tell an inbox what its channel missed; what finds no room there is a gap."""
        payloads = [entries.pack_replay(part) for part in replays]
        sizes = [_size_bytes(channel, payload) for payload in payloads]
        if replays[0].messages and self.lists.is_full(name, len(sizes), sum(sizes)):
            self.lists.count_full(name, now_ms)
            gap = replays[-1]._replace(messages=(), is_gap=True)
            payloads = [entries.pack_replay(gap)]
        for payload in payloads:
            self.lists.place(name, Kind.REPLAY, channel, payload, 0, now_ms)

    def _placed(self, name: str, kind: Kind, channel: str, payload: bytes, now_ms: int) -> bool:
        """Append an entry where its list has room; whether it had."""
        if self.lists.is_full(name, 1, _size_bytes(channel, payload)):
            self.lists.count_full(name, now_ms)
            return False
        self.lists.place(name, kind, channel, payload, 0, now_ms)
        return True

    def _forget_member(self, group: str, channel: str, now_ms: int) -> None:
        changes = self.groups.remove(group, channel)
        if changes is None:
            return
        name = list_name(channel)
        if is_inbox(name):
            self.lists.place(name, Kind.LEAVE, channel, group.encode("ascii"), 0, now_ms)
        self._tell(changes, now_ms)

    def _tell(self, changes: list[PresenceChange], now_ms: int) -> None:
        for presence, *facts in changes:
            keys = ("group", "user", "event", "devices")
            message = codec.pack(dict(zip(keys, facts, strict=True)))
            self.lists.send(Send(presence, message, ttl_ms=PRESENCE_TTL_MS), now_ms)

    def _fresh_epoch(self) -> str:
        return f"{EPOCH}.{self.lists.next_id():0{_ID_DIGITS}}"


def _size_bytes(channel: str, payload: bytes) -> int:
    """What an entry without a receipt counts against its list's bound."""
    return entries.HEADER.size + len(entries.tail(channel, "", payload))


def _goes_on(operation: Operation, after: Operation) -> bool:
    """Whether `after` is chained to `operation`."""
    return (
        isinstance(operation, Send)
        and isinstance(after, Send)
        and operation.chained
        and list_name(operation.channel) == list_name(after.channel)
    )
