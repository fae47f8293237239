"""Whose figures lie where on a pool's board, and what became of those of processes that are gone.

The supervisor keeps it; the metrics process reads it. Sums never fall when a process dies.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgpack

from shared.logs import get_logger
from workers.figure_board import FigureBoard
from workers.figures import Figures

_RECORD = 0
_REAPER = 1
_FIRST_CHILD = 2
_SPARE = 16
"""Places beside two for each process: children may take hours to leave after a reload."""

_TRIES = 10

Leave = Callable[[bytes], object]
"""Leaves the packed figures of one process where others find them."""

log = get_logger("workers.supervisor")


class PoolNow(NamedTuple):
    """All figures of a pool, how many children are ready, which channels are consumed."""

    figures: Figures
    ready: int = 0
    channels: tuple[str, ...] = ()


class PoolFigures:
    """The board of a pool of so many processes, and the supervisor's own counts."""

    def __init__(self, processes: int) -> None:
        self.board = FigureBoard(_FIRST_CHILD + 2 * processes + _SPARE)
        self._own = Figures()
        self._gone = Figures()
        self._free = list(range(self.board.places - 1, _FIRST_CHILD - 1, -1))
        self._places: dict[int, int] = {}
        self._ready: set[int] = set()
        self._channels: set[str] = set()
        self._publish()

    def count(self, event: str) -> None:
        """Something happened in the pool."""
        self._own.events[event] += 1
        self._publish()

    def reaper_place(self) -> Leave:
        """Where a reaper leaves its figures; those of the one before are kept."""
        self._fold(_REAPER)
        return self._leave(_REAPER)

    def next_place(self) -> tuple[int, Leave | None]:
        """A place for a child that is about to start; none when all are taken."""
        if not self._free:
            log.warning("no_place_for_figures", places=self.board.places)
            return _RECORD, None
        place = self._free.pop()
        return place, self._leave(place)

    def started(self, pid: int, place: int) -> None:
        """The child that got this place is there."""
        if place != _RECORD:
            self._places[pid] = place
        self._publish()

    def ready(self, pid: int, channels: list[str]) -> None:
        """A child works on these channels."""
        self._ready.add(pid)
        self._channels.update(channels)
        self._publish()

    def ended(self, pid: int) -> None:
        """A child is gone; what it did is not forgotten."""
        self._ready.discard(pid)
        place = self._places.pop(pid, None)
        if place is None:
            self._publish()
            return
        self._fold(place)
        self._free.append(place)

    def _fold(self, place: int) -> None:
        self._gone = Figures.sum((self._gone, Figures.unpacked(self.board.get(place))))
        # In this order nobody who reads meets the same figures twice.
        self._publish(without=place)
        self.board.put(place, b"")
        self._publish()

    def _leave(self, place: int) -> Leave:
        return lambda packed: self.board.put(place, packed)

    def _publish(self, without: int | None = None) -> None:
        places = [one for one in (_REAPER, *self._places.values()) if one != without]
        packed = Figures.sum((self._own, self._gone)).packed()
        record = [packed, places, len(self._ready), sorted(self._channels)]
        self.board.put(_RECORD, bytes(msgpack.packb(record)))


def pool_now(board: FigureBoard) -> PoolNow:
    """All figures of a pool together."""
    for _ in range(_TRIES):
        packed = board.get(_RECORD)
        own, places, ready, channels = msgpack.unpackb(packed)
        parts = [Figures.unpacked(one) for one in (own, *map(board.get, places))]
        if board.get(_RECORD) == packed:
            break
    return PoolNow(Figures.sum(parts), ready, tuple(channels))
