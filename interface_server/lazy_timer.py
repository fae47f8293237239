"""One timer for everything that one connection waits for.

Deadlines that move away cost nothing: the timer may fire early, and its owner then says when to
look again. Knows no deadline by itself.
"""

from collections.abc import Callable

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
        if self._call is None:
            self._at = at
            self._call = self._clock.callLater(max(0.0, at - self._clock.seconds()), self._fire)
        elif at < self._at:
            self._at = at
            self._call.reset(max(0.0, at - self._clock.seconds()))

    def stop(self) -> None:
        """Forget the call."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _fire(self) -> None:
        self._call = None
        self._on_time()
