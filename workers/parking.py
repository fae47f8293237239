"""Handled units whose steps met a full list: when each is tried again, and when given up.

It commits nothing; the worker asks what is due and tells what became of it.
"""

from msgspec import Struct

from channel_layer.layer import Done, Retry
from workers.handling import Unit

Steps = tuple[Done | Retry, ...]

FULL_PATIENCE_S = 3.0
"""How long a full list is tried again. A server that lives empties its list within
milliseconds; after this long the client is better served by an error."""

MOST_PARKED = 50
"""Units that wait for full lists before the worker takes no new ones."""

_FIRST_DELAY_S = 0.01
_LONGEST_DELAY_S = 0.5


class Handled(Struct, frozen=True, gc=False):
    """A unit and the steps it ends with, one for each entry that is not yet settled.

    `full_since_s` is None until a list was full. `delay_s` is the wait before the next try.
    """

    unit: Unit
    steps: Steps
    full_since_s: float | None = None
    due_s: float = 0.0
    delay_s: float = _FIRST_DELAY_S

    def parked(self, now_s: float, steps: Steps) -> "Handled":
        """The same, to be tried again later with the steps that were refused."""
        since_s = now_s if self.full_since_s is None else self.full_since_s
        delay_s = min(2 * self.delay_s, _LONGEST_DELAY_S)
        return Handled(self.unit, steps, since_s, now_s + self.delay_s, delay_s)

    def left(self) -> Unit:
        """The entries that are not yet settled."""
        ids = {step.entry_id for step in self.steps}
        return tuple(entry for entry in self.unit if entry.id in ids)

    def is_given_up(self, now_s: float) -> bool:
        """Whether a list has been full for too long."""
        return self.full_since_s is not None and now_s - self.full_since_s > FULL_PATIENCE_S


class Parking:
    """The handled units of one worker that wait for full lists."""

    def __init__(self) -> None:
        self._waiting: list[Handled] = []

    @property
    def is_crowded(self) -> bool:
        """Whether the worker must wait for these before it takes more."""
        return len(self._waiting) >= MOST_PARKED

    def add(self, handled: Handled) -> None:
        """Keep a unit until it is due."""
        self._waiting.append(handled)

    def due(self, now_s: float) -> tuple[Handled, ...]:
        """The units to try again now; they are no longer kept here."""
        if not self._waiting:
            return ()
        due = tuple(handled for handled in self._waiting if handled.due_s <= now_s)
        self._waiting = [handled for handled in self._waiting if handled.due_s > now_s]
        return due

    def all(self) -> tuple[Handled, ...]:
        """All units, due or not; they are no longer kept here."""
        kept, self._waiting = tuple(self._waiting), []
        return kept

    def next_due_s(self) -> float | None:
        """When the next unit is due, None without one."""
        return min((handled.due_s for handled in self._waiting), default=None)

    def ids(self) -> frozenset[int]:
        """The ids of all entries that are kept here."""
        return frozenset(entry.id for handled in self._waiting for entry in handled.unit)
