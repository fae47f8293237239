"""The end of many sockets and event streams at a stop: told in small handfuls, so that their peers
do not all come back at the same moment.

Chooses order and times; what a socket does when it is told is its session's own.
"""

import math
from collections.abc import Collection, Iterator
from random import Random
from typing import Protocol

from twisted.internet.defer import Deferred

from interface_server.wires import Call, Clock
from shared.logs import get_logger

TICK_S = 0.05
"""The usual time between two handfuls; each wait is half of it to one and a half."""

log = get_logger("interface_server")


class Stoppable(Protocol):
    """A socket, an event stream or a poll."""

    def stop(self) -> None:
        """Begin its end."""


def handful_size(sockets: int, per_second: float, within_s: float) -> int:
    """How many sockets are told in each tick: `per_second`, or more to be done `within_s`."""
    needed = sockets / within_s
    return max(1, math.ceil(max(per_second, needed) * TICK_S))


class SocketDrain:
    """Stops `sockets` in an order and at times that `random` chooses; `told` fires with the last.

    `per_second` of them, or faster when all would not be told `within_s` seconds.
    """

    def __init__(
        self,
        clock: Clock,
        sockets: Collection[Stoppable],
        per_second: float,
        within_s: float,
        random: Random,
    ) -> None:
        self._clock = clock
        self._random = random
        self._size = handful_size(len(sockets), per_second, within_s)
        self._left: Iterator[Stoppable] = iter(random.sample(list(sockets), len(sockets)))
        self._call: Call | None = None
        self.told: Deferred[None] = Deferred(lambda _: self._cancel())
        self._next()

    def _next(self) -> None:
        self._call = None
        for _ in range(self._size):
            socket = next(self._left, None)
            if socket is None:
                self.told.callback(None)
                return
            try:
                socket.stop()
            except Exception:
                log.exception("socket_not_stopped")
        wait_s = TICK_S * self._random.uniform(0.5, 1.5)
        self._call = self._clock.callLater(wait_s, self._next)

    def _cancel(self) -> None:
        if self._call is not None:
            self._call.cancel()
