"""The lists of the memory layer: entries with their lives, bounds, delays and counters.

Knows no lease and no group; the time comes in with every call.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from channel_layer import entries
from channel_layer.capacities import Capacities
from channel_layer.figures import Tally
from channel_layer.layer import Entry, Kind, Send
from shared import codec
from shared.channel_names import list_name
from shared.messages import Receipt

MAX_DUE = 100
"""Delayed entries that are moved at once."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An entry on a list and when it dies unread, 0 for never."""

    list_name: str
    entry: Entry
    expires_ms: int

    @property
    def size_bytes(self) -> int:
        """What it counts against its list's bound in bytes."""
        entry = self.entry
        tail = entries.tail(entry.channel, entry.receipt, entry.payload)
        return entries.HEADER.size + len(tail)

    def renewed(self, now_ms: int, attempts: int, wait_ms: int = 0) -> "Stored":
        """The same with its whole life before it and `attempts` more counted."""
        life_ms = self.expires_ms - self.entry.sent_ms
        return replace(
            self,
            entry=self.entry._replace(attempt=self.entry.attempt + attempts),
            expires_ms=now_ms + wait_ms + life_ms if self.expires_ms else 0,
        )


@dataclass(slots=True)
class _List:
    entries: deque[Stored] = field(default_factory=deque)
    tally: Tally = field(default_factory=Tally)
    size_bytes: int = 0
    waiting: int = 0
    waiting_bytes: int = 0


class MemoryLists:
    """All lists of one layer."""

    def __init__(self, capacities: Capacities, expiry_ms: int) -> None:
        self._capacities = capacities
        self._expiry_ms = expiry_ms
        self._lists: dict[str, _List] = {}
        self._delayed: list[tuple[int, Stored]] = []
        self._last_id = 0

    @property
    def names(self) -> list[str]:
        """The lists that anything was ever counted on."""
        return list(self._lists)

    def length(self, name: str) -> int:
        """How many entries can be taken from a list."""
        known = self._lists.get(name)
        return 0 if known is None else len(known.entries)

    def size_bytes(self, name: str) -> int:
        """What lies on a list, in bytes."""
        known = self._lists.get(name)
        return 0 if known is None else known.size_bytes

    def oldest_sent_ms(self, name: str) -> int | None:
        """When the head of a list was sent."""
        known = self._lists.get(name)
        return known.entries[0].entry.sent_ms if known and known.entries else None

    def counters(self, name: str) -> dict[str, int]:
        """What `figures.statistics` reads."""
        known = self._lists.get(name)
        return {} if known is None else known.tally.counters

    def entries(self, name: str) -> tuple[Entry, ...]:
        """All entries of a list, left where they are."""
        known = self._lists.get(name)
        return () if known is None else tuple(stored.entry for stored in known.entries)

    def is_full(self, name: str, more: int, more_bytes: int) -> bool:
        """Whether a list has no room for so many more entries and bytes."""
        known = self._list(name)
        capacity = self._capacities.of(name)
        return (
            len(known.entries) + known.waiting + more > capacity.messages
            or known.size_bytes + known.waiting_bytes + more_bytes > capacity.size_bytes
        )

    def count_full(self, name: str, now_ms: int) -> None:
        """Count a refusal."""
        self._list(name).tally.count("full", now_ms)

    def send(self, send: Send, now_ms: int) -> bool:
        """Place a message, now or later; False when its list is full."""
        stored = self._stored_send(send, now_ms)
        known = self._list(stored.list_name)
        if not send.urgent and self.is_full(stored.list_name, 1, stored.size_bytes):
            self.count_full(stored.list_name, now_ms)
            return False
        known.tally.count("sent", now_ms)
        if send.delay_ms:
            self.delay(stored, now_ms + send.delay_ms)
        else:
            self._append(stored)
        return True

    def place(
        self, name: str, kind: Kind, channel: str, payload: bytes, order: int, now_ms: int
    ) -> None:
        """Append an entry whatever the bounds; only group messages and messages expire."""
        lives = kind in (Kind.MESSAGE, Kind.GROUP, Kind.GROUP_MORE)
        entry = Entry(self.next_id(), kind, channel, payload, order=order, sent_ms=now_ms)
        self._list(name).tally.count("sent", now_ms)
        self._append(Stored(name, entry, now_ms + self._expiry_ms if lives else 0))

    def say(self, entry: Entry, kind: str, now_ms: int) -> None:
        """Send a receipt of `kind` where the entry asks for one."""
        if entry.receipt:
            payload = codec.encode(Receipt(kind))
            name = list_name(entry.receipt)
            self.place(name, Kind.RECEIPT, entry.receipt, payload, entry.order, now_ms)

    def delay(self, stored: Stored, due_ms: int) -> None:
        """Keep an entry away until it is due."""
        known = self._list(stored.list_name)
        known.waiting += 1
        known.waiting_bytes += stored.size_bytes
        self._delayed.append((due_ms, stored))
        self._delayed.sort(key=lambda pair: (pair[0], pair[1].list_name, pair[1].entry.id))

    def send_again(self, stored: Stored, now_ms: int) -> None:
        """Append an entry as if it were new, whatever the bounds."""
        life_ms = stored.expires_ms - stored.entry.sent_ms
        entry = stored.entry._replace(id=self.next_id(), attempt=1, chained=False, sent_ms=now_ms)
        self._list(stored.list_name).tally.count("sent", now_ms)
        self._append(Stored(stored.list_name, entry, now_ms + life_ms if stored.expires_ms else 0))

    def move_due(self, now_ms: int) -> None:
        """Put what is due on its list."""
        due = [pair for pair in self._delayed if pair[0] <= now_ms][:MAX_DUE]
        del self._delayed[: len(due)]
        for _, stored in due:
            known = self._list(stored.list_name)
            known.waiting = max(0, known.waiting - 1)
            known.waiting_bytes = max(0, known.waiting_bytes - stored.size_bytes)
            self._append(replace(stored, entry=stored.entry._replace(id=self.next_id())))

    def delayed(self, glob: str) -> tuple[Entry, ...]:
        """All entries that are not due yet, of lists whose names fit."""
        waiting = (stored for _, stored in self._delayed)
        return tuple(one.entry for one in waiting if fnmatchcase(one.list_name, glob))

    def next_due_ms(self, now_ms: int) -> int | None:
        """How long until the next delayed entry is due."""
        return max(0, self._delayed[0][0] - now_ms) if self._delayed else None

    def pop(self, name: str, want: int, *, chains: bool, now_ms: int) -> list[Stored]:
        """Up to `want` living entries from the head; with `chains` what is chained to the last."""
        known = self._list(name)
        found: list[Stored] = []
        last_is_chained = False
        while known.entries and (len(found) < want or (chains and last_is_chained)):
            stored = known.entries.popleft()
            known.size_bytes -= stored.size_bytes
            last_is_chained = stored.entry.chained
            if 0 < stored.expires_ms <= now_ms:
                self.say(stored.entry, "dead", now_ms)
            else:
                found.append(stored)
        return found

    def put_back(self, items: list[Stored]) -> None:
        """Put entries back at the heads of their lists, in order of id."""
        for stored in sorted(items, key=lambda item: item.entry.id, reverse=True):
            known = self._list(stored.list_name)
            known.entries.appendleft(stored)
            known.size_bytes += stored.size_bytes

    def drop(self, name: str) -> None:
        """Forget a list and its counters."""
        self._lists.pop(name, None)

    def next_id(self) -> int:
        """A number above all that it gave before."""
        self._last_id += 1
        return self._last_id

    def _list(self, name: str) -> _List:
        return self._lists.setdefault(name, _List())

    def _append(self, stored: Stored) -> None:
        known = self._list(stored.list_name)
        known.entries.append(stored)
        known.size_bytes += stored.size_bytes

    def _stored_send(self, send: Send, now_ms: int) -> Stored:
        entry = Entry(
            self.next_id(),
            Kind.MESSAGE,
            send.channel,
            send.payload,
            send.receipt,
            send.order,
            send.attempt,
            chained=send.chained,
            sent_ms=now_ms,
        )
        life_ms = self._expiry_ms if send.ttl_ms is None else max(1, send.ttl_ms)
        return Stored(list_name(send.channel), entry, now_ms + send.delay_ms + life_ms)
