"""What the steps of a channel layer give back: verdicts, batches, reports, figures.

Holds no rule of how a step is done; `layer.py` has the steps and what lies on lists.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass, field

from channel_layer.layer import Entry


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
class Committed:
    """The answer to a commit.

    `outcomes` stand in the order of `done`. `taken` are the next entries, leased. `next_due_ms`:
    how long until the next delayed message is due on any channel, None without one. `now_ms`: the
    broker's clock, by which entries were sent; 0 where it was not told.
    """

    outcomes: tuple[Outcome, ...]
    taken: tuple[Entry, ...]
    next_due_ms: int | None = None
    now_ms: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A commit that was sent and not heard of.

    `has_come` says whether its answer, or what there is instead of one, is here. `answer` waits
    for it and is to be called once; it raises what a commit raises.
    """

    has_come: Callable[[], bool]
    answer: Callable[[], Committed]


@dataclass(frozen=True, slots=True)
class Reclaimed:
    """What a reclaim did: workers found dead, entries put back, entries given up."""

    workers: tuple[str, ...] = ()
    returned: int = 0
    dead: int = 0


@dataclass(frozen=True, slots=True)
class InboxBatch:
    """What an inbox holds behind the acknowledged entry; `epoch` changes when data was lost.

    `is_reaped`: the process was silent for so long that it was taken for dead; its sockets had
    their disconnects. It is said once.
    """

    epoch: str
    entries: tuple[Entry, ...]
    is_reaped: bool = False


@dataclass(frozen=True, slots=True)
class Reaped:
    """What a reaping did: inboxes of dead servers, disconnects sent, sockets whose last event is
    still being handled and which must wait for the next reaping."""

    servers: tuple[str, ...] = ()
    disconnects: int = 0
    waiting: int = 0


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
