"""The contract of every channel layer: the steps, their arguments, what comes back.

Holds no broker and no bytes on the wire (`entries.py`). The ASGI draft's calls (`send`, `receive`,
`new_channel`, groups, `flush`, statistics) and our extension `leases` speak these values. What
each request needs several of is a named tuple or a msgspec struct, made at half and a quarter of a
frozen dataclass's cost.
"""

import enum
from dataclasses import dataclass
from typing import NamedTuple

from msgspec import Struct

MAX_MESSAGE_BYTES = 1024 * 1024 + 64 * 1024
"""One message's limit: the 1 MiB that every ASGI layer carries, and room for its framing."""

MAX_SEND_BYTES = 16 * 1024 * 1024 + 64 * 1024
"""The limit of one `Send`, for servers whose sockets are set to larger messages than usual: the
largest that the Autobahn test-suite sends (its case 9.1.6)."""

NO_LIMIT = 2**31 - 1
"""An attempt limit that nothing reaches."""

EXTENSIONS = ("groups", "flush", "statistics", "leases")


class Kind(enum.IntEnum):
    """What an entry of a list is."""

    MESSAGE = 0
    GROUP = 1
    """A message to all members of group `channel` that the list's owner holds."""
    JOIN = 2
    """`channel` is a member of a group from here on: `entries.joining`."""
    LEAVE = 3
    RECEIPT = 4
    """What became of an event that the list's owner sent; see `shared.messages.Receipt`."""
    GROUP_MORE = 5
    """GROUP with a position in the group's history or members left out: `entries.group_message`."""
    REPLAY = 6
    """What `channel` missed of a group, or that it cannot be told: `entries.replay`."""


class Position(NamedTuple):
    """A place in a group's history: `offset` messages were kept since its `epoch` began.

    The first kept message has offset 1. Another epoch means that the history began anew. As a
    `since`, the empty epoch says "from now on".
    """

    epoch: str
    offset: int


class History(NamedTuple):
    """How much of a group is kept: the last `messages` ones, each for `ttl_ms`."""

    messages: int
    ttl_ms: int


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
    `attempt` above 1: it was sent before and that was lost.
    """

    channel: str
    payload: bytes
    receipt: str = ""
    order: int = 0
    chained: bool = False
    ttl_ms: int | None = None
    delay_ms: int = 0
    urgent: bool = False
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class SendGroup:
    """One packed message to every member of a group, one entry a server; drops are counted.

    `exclude`: full names of members that do not get it. With a `history` it is kept and has a
    position, which members see, the excluded ones too.
    """

    group: str
    payload: bytes
    exclude: tuple[str, ...] = ()
    history: History | None = None


@dataclass(frozen=True, slots=True)
class Join:
    """Make `channel` a member of `group`, or refresh its membership.

    `is_known`: the owner of the channel's list says so itself and need not be told; a user that
    the layer knows of the channel stays. `is_refresh`: the same, and where the layer knows of no
    membership there is none: a leave is on its way. `since`: in the same step a REPLAY goes to the
    channel, of what the history holds behind that position, or of a gap when it does not reach
    back, when that is more than about 1 MiB, or when no room is left for it. `user`: whom the
    channel counts as a device of. When a user's first device joins or the last one leaves, the
    channel `presence` is sent
    `{"group", "user", "event": "join" | "leave", "devices": how many are left}`.
    """

    group: str
    channel: str
    is_known: bool = False
    since: Position | None = None
    user: str = ""
    presence: str = ""
    is_refresh: bool = False


@dataclass(frozen=True, slots=True)
class Leave:
    """End the membership of `channel` in `group`; no error when there is none."""

    group: str
    channel: str


class SendReceipt(Struct, frozen=True, gc=False):
    """A packed `shared.messages.Receipt` to `channel`; passes full lists, never expires.

    `farewell`: takes the place of the one of `OpenSocket`, since the socket's state changed; no
    error when the socket is not registered.
    """

    channel: str
    payload: bytes
    order: int = 0
    farewell: bytes | None = None


@dataclass(frozen=True, slots=True)
class OpenSocket:
    """Register a socket; it is placed together with its `websocket.connect`.

    `farewell` is the packed `WsDisconnect` that the reaper sends should the server die; it also
    takes the place of a former one.
    """

    channel: str
    farewell: bytes


@dataclass(frozen=True, slots=True)
class CloseSocket:
    """End a socket's registration; where there was one, and only then, send `disconnect`.

    So a socket has one disconnect, whether its server or the reaper says it. None sends nothing
    (a refused handshake). `epoch`: the one that the server knows of; when the present one is
    another, a missing registration was lost with the data and `disconnect` is sent all the same.
    """

    channel: str
    disconnect: Send | None = None
    epoch: str = ""


@dataclass(frozen=True, slots=True)
class Drop:
    """Forget the list of `channel` and all on it (a request's body after its commit)."""

    channel: str


Operation = Send | SendGroup | Join | Leave | SendReceipt | OpenSocket | CloseSocket | Drop


class Done(Struct, frozen=True, gc=False):
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


class Awaited(NamedTuple):
    """A placed event whose answer or receipt for `channel` did not come yet.

    `list_name` is where it was sent, `order` the one it was sent with.
    """

    list_name: str
    channel: str
    order: int = 0


class Joining(NamedTuple):
    """What a JOIN entry holds: the group, and whom its channel is a device of, `""` for unsaid."""

    group: str
    user: str = ""
    presence: str = ""


class GroupMessage(NamedTuple):
    """What a GROUP_MORE entry holds; `position` is None for a group without history."""

    payload: bytes
    position: Position | None
    exclude: frozenset[str]


class Replay(NamedTuple):
    """What a REPLAY entry holds: messages of `group` that its channel missed, oldest first.

    `messages`: (offset, payload) pairs. `is_end`: the channel now is at `position` (a long
    replay takes several entries). `is_gap`: what lies before `position` is lost to it.
    """

    group: str
    position: Position
    messages: tuple[tuple[int, bytes], ...]
    is_gap: bool
    is_end: bool


@dataclass(frozen=True, slots=True)
class Capacity:
    """Bounds of one list: entries and bytes."""

    messages: int = 5000
    size_bytes: int = 64 * 1024 * 1024
