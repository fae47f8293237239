"""What is written while a batch of replies is handed on goes out behind all of it.

A write wakes its reader. With the work for the next reply between two writes, a reader on this
machine, a proxy say, is asleep again each time, and waking it costs more than the write; one
behind the other they find it awake. What one connection gets in a turn goes out together, too.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from shared.logs import get_logger

SMALL_BYTES = 16 * 1024
"""Only so much of a connection is held back; what is more is written at once."""

MOST = 32
"""Outputs that are held back at a time."""

log = get_logger("interface_server")


class Coalescer:
    """Outputs `join` while it `is_on` and are flushed at the end of the turn, in their order.

    When `MOST` have joined they are flushed at once: the first of a crowd waits for few.
    """

    __slots__ = ("_flushes", "is_on")

    def __init__(self) -> None:
        self._flushes: list[Callable[[], None]] = []
        self.is_on = False
        """Whether writes may be held back."""

    def join(self, flush: Callable[[], None]) -> None:
        """Call `flush` at the end of this turn or before; what is held back is known already."""
        self._flushes.append(flush)
        if len(self._flushes) >= MOST:
            self._flush()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold writes back meanwhile."""
        self.is_on = True
        try:
            yield
        finally:
            self.is_on = False
            self._flush()

    def _flush(self) -> None:
        flushes, self._flushes = self._flushes, []
        for flush in flushes:
            try:
                flush()
            except Exception:
                log.exception("flush_failed")
