"""Where a socket stands, what can happen to it (inputs) and what must be done (actions): values.

The words between `ws_session.py`, which decides, and `ws_protocol.py`, which acts; no rules here.
Those of each frame are named tuples, which are made at a quarter of the cost.
"""

import enum
from dataclasses import dataclass
from typing import NamedTuple

from channel_layer.layer import Operation
from shared.errors import InvalidMessage
from shared.messages import Receipt, WsConnect, WsReply


class State(enum.Enum):
    """Where a socket stands."""

    NEW = "nothing happened yet"
    CONNECTING = "the handshake waits for a worker"
    OPEN = "accepted"
    CLOSING = "accepted, and this server ends the connection"
    ABANDONED = "the handshake is over without an answer, which may still come"
    GONE = "accepted, the connection ended, events of it are still to be handled"
    LEAVING = "the end of its registration was handed to the layer"
    ENDED = "nothing is left to do"

    __hash__ = object.__hash__
    """Python 3.11's own is a function that hashes the name, each time that a table is asked."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Bounds of one socket: times in seconds, sizes in bytes."""

    connect_timeout_s: float = 5.0
    event_timeout_s: float = 120.0
    queue_frames: int = 64
    queue_bytes: int = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Started:
    """A valid handshake came; nobody was asked about it yet."""

    connect: WsConnect


class Replied(NamedTuple):
    """A worker, or a group's message, says what to do with the socket."""

    reply: WsReply


@dataclass(frozen=True, slots=True)
class Garbled:
    """A reply came that breaks the rules of replies."""

    error: InvalidMessage


class Receipted(NamedTuple):
    """The event `order` was taken, done or given up."""

    order: int
    receipt: Receipt


class FrameCame(NamedTuple):
    """The peer sent one whole message, text or bytes."""

    content: str | bytes


@dataclass(frozen=True, slots=True)
class Placed:
    """The layer has the events up to `order`."""

    order: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The layer took none of the events whose last one is `order`.

    `reason`: "full" (a list is at its capacity), "away" (it cannot be reached and too much
    waits already), "too_large" (no list would ever take them).
    """

    order: int
    reason: str


@dataclass(frozen=True, slots=True)
class Overflowed:
    """The peer does not read: too much waits to be written to it."""


@dataclass(frozen=True, slots=True)
class PeerFailed:
    """The peer broke a rule, or was silent: it was told why, and its wire ends by itself."""


@dataclass(frozen=True, slots=True)
class PeerGone:
    """The connection ended. `code`: 1005 when the peer gave none, 1006 when it vanished."""

    code: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """This server is shutting down."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The layer lost its data, and the awaited event `order` with it."""

    order: int


@dataclass(frozen=True, slots=True)
class Reaped:
    """This server was silent for so long that the socket's disconnect may have been sent."""


@dataclass(frozen=True, slots=True)
class TimePassed:
    """It is the session's deadline, or later."""


Input = (
    Started
    | Replied
    | Garbled
    | Receipted
    | FrameCame
    | Placed
    | Refused
    | Overflowed
    | PeerFailed
    | PeerGone
    | Stopped
    | Lost
    | Reaped
    | TimePassed
)


class PlaceEvents(NamedTuple):
    """Hand these to the layer, all in one step; answer with `Placed` or `Refused`.

    `order` is that of the last of them. The first flight registers the socket, the last one ends
    that.
    """

    operations: tuple[Operation, ...]
    order: int


@dataclass(frozen=True, slots=True)
class Accept:
    """Complete the handshake; `subprotocol` is one that the peer offered, or None."""

    subprotocol: str | None


@dataclass(frozen=True, slots=True)
class RefuseHandshake:
    """Answer the handshake with this HTTP status and close; `cause`: why, as a word."""

    status: int
    cause: str


class Write(NamedTuple):
    """Write these bytes, one whole frame, to the peer."""

    frame: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Begin the closing handshake. `code`: RFC 6455 section 7.4; `cause`: why, as a word."""

    code: int
    cause: str


@dataclass(frozen=True, slots=True)
class PauseReading:
    """Read no more from the peer, so that TCP slows it down."""


@dataclass(frozen=True, slots=True)
class ResumeReading:
    """Read again."""


@dataclass(frozen=True, slots=True)
class Report:
    """Write one log line: `level` is "warning" or "error"."""

    level: str
    event: str
    facts: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class Count:
    """Raise a counter of this process."""

    what: str


@dataclass(frozen=True, slots=True)
class End:
    """Nothing more will be asked or done: forget this socket."""


Action = (
    PlaceEvents
    | Accept
    | RefuseHandshake
    | Write
    | Close
    | PauseReading
    | ResumeReading
    | Report
    | Count
    | End
)
