"""A connection before it speaks HTTP: bounded in time, cut at a stop, since nothing was asked for.

What is waited for, and what comes after it, is told by those that inherit.
"""

from typing import Any

from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from interface_server.http_parts import AT_STOP, HttpParts
from interface_server.wires import Call


class Undecided(Protocol):
    """A Drainable from `wait` until `let_go`; `late` counts those whose time passed."""

    late = ""

    def __init__(self, parts: HttpParts) -> None:
        self.parts = parts
        self.deadline: Call | None = None

    def wait(self, seconds: float) -> None:
        """A client is here and has so long."""
        self.deadline = self.parts.clock.callLater(seconds, self._is_late)
        self.parts.opened(self)

    def wait_only(self, seconds: float) -> None:
        """It has so long from now on, unless its time is over."""
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = self.parts.clock.callLater(seconds, self._is_late)

    def let_go(self) -> None:
        """It is known what the connection speaks, or it is over."""
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None
        self.parts.closed(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """The client left, or was cut."""
        self.let_go()

    def drain(self) -> None:
        """Nothing was asked for."""
        self.abort(AT_STOP)

    def refuse_waiting(self) -> None:
        """Nothing waits."""

    def abort(self, counter: str) -> None:
        """Cut the connection now."""
        self.parts.gateway.count(counter)
        wire: Any = self.transport
        wire.abortConnection()

    def time_is_over(self) -> None:
        """What was waited for did not come."""
        self.abort(self.late)

    def _is_late(self) -> None:
        self.deadline = None
        self.time_is_over()
