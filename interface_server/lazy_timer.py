"""One timer for everything that one connection waits for.

Deadlines that move away cost nothing: the timer may fire early, and its owner then says when to
look again. Knows no deadline by itself.
"""

from collections.abc import Callable
from math import inf

from interface_server.wires import Call, Clock


class LazyTimer:
    """Calls `on_time` no later than asked for, and maybe before."""

    __slots__ = ("_at", "_call", "_clock", "_on_time")

    def __init__(self, clock: Clock, on_time: Callable[[], None]) -> None:
        self._clock = clock
        self._on_time = on_time
        self._call: Call | None = None
        self._at = 0.0

    def not_after(self, at: float) -> None:
        """Call at `at`, in the clock's seconds, unless a call is due before it."""
        if self._call is not None:
            if at >= self._at:
                return
            self._call.cancel()
        self._at = at
        self._call = self._clock.callLater(max(0.0, at - self._clock.seconds()), self._fire)

    def stop(self) -> None:
        """Forget the call and who wanted it, for good: nothing is called any more."""
        if self._call is not None:
            self._call.cancel()
        self._call, self._at, self._on_time = _NONE, -inf, _nothing

    def _fire(self) -> None:
        self._call = None
        self._on_time()


class _NoCall:
    """Stands for a call that is always due before any other and never comes."""

    def cancel(self) -> None:
        """See Call."""


_NONE = _NoCall()


def _nothing() -> None:
    """What is called when nobody wants to be."""
