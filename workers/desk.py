"""What one worker has before it: entries not begun, the one in hand, and those just handled.

The worker's thread and the watchdog's share it, so that an entry is either begun or handed back,
and committed by one of them. What the worker does with each unit takes no lock: it is one step of a
deque, from which the other thread takes one by one, too. It knows no layer and no clock; times are
seconds of a monotonic one.
"""

import threading
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from channel_layer.layer import Entry
from workers.handling import Unit
from workers.parking import Handled

_MOST_BEGUN = 10_000
"""Of so many entries a worker knows that it has begun them: what it can do in a second or two."""

_Item = TypeVar("_Item")


class InHand(NamedTuple):
    """A unit whose handler runs since `since_s`, for at most `timeout_s`."""

    unit: Unit
    since_s: float
    timeout_s: float

    def has_run_for(self, seconds: float, now_s: float) -> bool:
        """Whether it is in hand for longer than that."""
        return now_s - self.since_s > seconds

    def is_overdue(self, now_s: float) -> bool:
        """Whether the handler has had its time."""
        return self.has_run_for(self.timeout_s, now_s)


@dataclass(frozen=True, slots=True)
class Relief:
    """What is taken off a desk whose worker is in a long handler: to commit, and to give back."""

    handled: tuple[Handled, ...] = ()
    back: tuple[int, ...] = ()


class Desk:
    """The entries leased to one worker that it did not yet commit."""

    def __init__(self) -> None:
        self.settling = threading.Lock()
        """Held while what was taken off is told to the layer, which must not be asked meanwhile."""
        self._lock = threading.Lock()
        self._waiting: deque[Unit] = deque()
        self._in_hand: tuple[Unit, float, float] | None = None
        self._handled: deque[Handled] = deque()
        self._back: set[int] = set()
        self._relieved: set[int] = set()
        self._begun: deque[tuple[int, int]] = deque(maxlen=_MOST_BEGUN)

    def put(self, entries: Iterable[Entry]) -> None:
        """Add taken entries; what is chained becomes one unit."""
        units = chained(entries)
        with self._lock:
            self._waiting.extend(units)
            if self._back:
                self._back.difference_update(_ids(units))

    def put_held(self, entries: Iterable[Entry], elsewhere: Collection[int]) -> None:
        """Add what the layer says is held here and is neither on the desk nor `elsewhere`.

        What was begun here before comes with its attempt raised: it had ended, and came back with
        the past of a broker that lost its end.
        """
        known, begun = self.knows().union(elsewhere), frozenset(self._begun)
        unknown = (entry for entry in entries if entry.id not in known)
        self.put(
            entry._replace(attempt=entry.attempt + ((entry.id, entry.attempt) in begun))
            for entry in unknown
        )

    def claim(self, now_s: float, timeout_s: float) -> Unit | None:
        """The next unit, now in hand; None when nothing waits."""
        try:
            unit = self._waiting.popleft()
        except IndexError:
            return None
        self._in_hand = unit, now_s, timeout_s
        return unit

    def begin(self, now_s: float, timeout_s: float) -> None:
        """A handler of the unit in hand starts to run."""
        busy = self._in_hand
        if busy is not None:
            self._in_hand = busy[0], now_s, timeout_s

    def finish(self, handled: Handled) -> None:
        """The unit in hand was handled."""
        self._handled.append(handled)
        self._in_hand = None

    def collect(self) -> list[Handled]:
        """The handled units, to be committed by the caller; they are no longer here."""
        with self._lock:
            return self._collected()

    def restore(self, handled: Iterable[Handled]) -> None:
        """Put units back that were not committed after all."""
        with self._lock:
            self._handled.extendleft(reversed(tuple(handled)))
            self._relieved.difference_update(_ids(unit.unit for unit in self._handled))

    def waiting(self) -> int:
        """How many units are not begun."""
        return len(self._waiting)

    def handled(self) -> int:
        """How many units are handled and not yet collected."""
        return len(self._handled)

    def in_hand(self) -> InHand | None:
        """The unit whose handler runs, None when none does."""
        busy = self._in_hand
        return None if busy is None else InHand(*busy)

    def empty(self) -> tuple[int, ...]:
        """The ids of all entries not begun, in order; this worker will not handle them."""
        with self._lock:
            return _ids(_drained(self._waiting))

    def relieve(self, now_s: float, longer_than_s: float) -> Relief:
        """What to take off a worker whose unit is in hand for longer than that, if it is.

        What is given back counts as known here until `confirm`, and is named again until then.
        """
        with self._lock:
            busy, handled = self.in_hand(), []
            if busy is not None and busy.has_run_for(longer_than_s, now_s):
                self._back.update(_ids(_drained(self._waiting)))
                handled = self._collected()
                self._relieved.update(_ids(unit.unit for unit in handled))
            return Relief(tuple(handled), tuple(sorted(self._back)))

    def confirm(self, relief: Relief) -> None:
        """The layer has settled what was taken off."""
        with self._lock:
            self._back.difference_update(relief.back)
            self._relieved.difference_update(_ids(unit.unit for unit in relief.handled))

    def is_unsettled(self) -> bool:
        """Whether the layer could not be told of something that was taken off."""
        with self._lock:
            return bool(self._back) and self._in_hand is None

    def forget_back(self) -> None:
        """What was taken off to be given back and is still held counts as unknown again."""
        with self._lock:
            self._back.clear()

    def forget_lost(self, held: Collection[int]) -> None:
        """Forget units not begun of which the layer says that they are leased no more."""
        with self._lock:
            kept = [unit for unit in self._waiting if all(entry.id in held for entry in unit)]
            self._waiting = deque(kept)

    def knows(self) -> frozenset[int]:
        """The ids of all entries that are here or on their way back."""
        with self._lock:
            units = [*self._waiting, *(handled.unit for handled in self._handled)]
            if self._in_hand is not None:
                units.append(self._in_hand[0])
            return frozenset((*_ids(units), *self._back, *self._relieved))

    def _collected(self) -> list[Handled]:
        handled = _drained(self._handled)
        self._begun.extend([(one.id, one.attempt) for each in handled for one in each.unit])
        return handled


def _drained(units: deque[_Item]) -> list[_Item]:
    """All that was in it, each taken by itself: the other thread may take some, too."""
    taken = []
    while True:
        try:
            taken.append(units.popleft())
        except IndexError:
            return taken


def chained(entries: Iterable[Entry]) -> tuple[Unit, ...]:
    """The entries as units: one that is chained belongs with the next of its channel."""
    units: list[Unit] = []
    chain: list[Entry] = []
    for entry in entries:
        if chain and chain[-1].channel != entry.channel:
            units.append(tuple(chain))
            chain = []
        chain.append(entry)
        if not entry.chained:
            units.append(tuple(chain))
            chain = []
    if chain:
        units.append(tuple(chain))
    return tuple(units)


def _ids(units: Iterable[Unit]) -> tuple[int, ...]:
    return tuple(entry.id for unit in units for entry in unit)
