"""The contract of every channel layer: the steps, their arguments, what comes back.

Holds no broker and no bytes on the wire (`entries.py`). The ASGI draft's calls (`send`, `receive`,
`new_channel`, groups, `flush`, statistics) and our extension `leases` speak these values. The two
that each request needs several of are named tuples, made at a quarter of a dataclass's cost.
"""

import enum
from dataclasses import dataclass
from typing import NamedTuple

MAX_MESSAGE_BYTES = 1024 * 1024 + 64 * 1024
"""One message's limit: the 1 MiB that every ASGI layer carries, and room for its framing."""

NO_LIMIT = 2**31 - 1
"""An attempt limit that nothing reaches."""

EXTENSIONS = ("groups", "flush", "statistics", "leases")


class Kind(enum.IntEnum):
    """What an entry of a list is."""

    MESSAGE = 0
    GROUP = 1
    """A message to all members of group `channel` that the list's owner holds."""
    JOIN = 2
    """`channel` is a member of the group named by the payload from here on."""
    LEAVE = 3
    RECEIPT = 4
    """What became of an event that the list's owner sent; see `shared.messages.Receipt`."""


class Entry(NamedTuple):
    """One entry taken from a list.

    `id` grows with every send under one prefix. `channel` is the full name (for GROUP the
    group's). `receipt` is where to say what became of it, `""` for nowhere; `order` comes back
    with that receipt. `attempt` counts from 1. `chained` says that the next entry of the same
    list belongs behind this one and is taken by the same worker.
    """

    id: int
    kind: Kind
    channel: str
    payload: bytes
    receipt: str = ""
    order: int = 0
    attempt: int = 1
    chained: bool = False
    sent_ms: int = 0


class Send(NamedTuple):
    """One packed message to one channel.

    `ttl_ms`: how long it may stay unread (None: the layer's expiry). `delay_ms`: how long it
    waits before it can be taken. `urgent`: it may pass a full list (disconnects, receipts).
    """

    channel: str
    payload: bytes
    receipt: str = ""
    order: int = 0
    chained: bool = False
    ttl_ms: int | None = None
    delay_ms: int = 0
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class SendGroup:
    """One packed message to every member of a group, one entry a server; drops are counted."""

    group: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Join:
    """Make `channel` a member of `group`, or refresh its membership.

    `is_known`: the owner of the channel's list says so itself and need not be told.
    """

    group: str
    channel: str
    is_known: bool = False


@dataclass(frozen=True, slots=True)
class Leave:
    """End the membership of `channel` in `group`; no error when there is none."""

    group: str
    channel: str


@dataclass(frozen=True, slots=True)
class SendReceipt:
    """A packed `shared.messages.Receipt` to `channel`; passes full lists, never expires."""

    channel: str
    payload: bytes
    order: int = 0


@dataclass(frozen=True, slots=True)
class Drop:
    """Forget the list of `channel` and all on it (a request's body after its commit)."""

    channel: str


Operation = Send | SendGroup | Join | Leave | SendReceipt | Drop


class Verdict(enum.Enum):
    """What became of one step of a batch."""

    DONE = "done"
    FULL = "full"
    """A list was at its capacity; nothing of this step was performed."""
    FENCED = "fenced"
    """The lease was reclaimed meanwhile; nothing of this step was performed."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict on one step; `channel` is the full one, `dropped` group entries not placed."""

    verdict: Verdict
    channel: str = ""
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """A handled entry with everything its handler wants done, all or nothing.

    `force`: sends to full lists are dropped and counted instead of refusing the whole.
    When a chained entry's Done meets a full list, the Done behind it in the same commit is
    refused as FULL too: what is chained keeps its order.
    """

    entry_id: int
    operations: tuple[Operation, ...] = ()
    force: bool = False


@dataclass(frozen=True, slots=True)
class Retry:
    """A failed entry to be taken again after `delay_ms` with its attempt raised by one.

    At `attempt_limit` attempts it goes to the dead letters with `reason` instead, and its
    sender is told by a receipt of kind "dead".
    """

    entry_id: int
    delay_ms: int
    attempt_limit: int
    reason: str


@dataclass(frozen=True, slots=True)
class Committed:
    """The answer to a commit.

    `outcomes` stand in the order of `done`. `taken` are the next entries, leased. `next_due_ms`:
    how long until the next delayed message is due on any channel, None without one.
    """

    outcomes: tuple[Outcome, ...]
    taken: tuple[Entry, ...]
    next_due_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Reclaimed:
    """What a reclaim did: workers found dead, entries put back, entries given up."""

    workers: tuple[str, ...] = ()
    returned: int = 0
    dead: int = 0


@dataclass(frozen=True, slots=True)
class InboxBatch:
    """What an inbox holds behind the acknowledged entry; `epoch` changes when data was lost."""

    epoch: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An entry that was given up at `buried_ms` (since 1970), why, and the list it lay on."""

    buried_ms: int
    reason: str
    list_name: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class Statistics:
    """The ASGI draft's figures for one channel or for the whole layer; age in seconds."""

    messages_count: int = 0
    messages_count_per_second: float = 0.0
    messages_pending: int = 0
    messages_max_age: float = 0.0
    channel_full_count: int = 0
    channel_full_count_per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class Capacity:
    """Bounds of one list: entries and bytes."""

    messages: int = 5000
    size_bytes: int = 64 * 1024 * 1024
