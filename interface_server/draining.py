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


class Crowd:
    """The sockets and the held exchanges of a process, which stay for hours and end together.

    `per_second`, `within_s` and `random` are those of their drain.
    """

    def __init__(self, clock: Clock, per_second: float, within_s: float, random: Random) -> None:
        self._clock = clock
        self._per_second = per_second
        self._within_s = within_s
        self._random = random
        self._sockets: set[Stoppable] = set()
        self._held: set[Stoppable] = set()
        self._sockets_gone: Deferred[None] | None = None

    @property
    def sockets(self) -> int:
        """How many sockets there are."""
        return len(self._sockets)

    @property
    def held(self) -> int:
        """How many event streams and polls there are."""
        return len(self._held)

    def add_socket(self, socket: Stoppable) -> None:
        """A socket came."""
        self._sockets.add(socket)

    def remove_socket(self, socket: Stoppable) -> None:
        """It ended."""
        self._sockets.discard(socket)
        self._check_sockets_gone()

    def hold(self, held: Stoppable) -> None:
        """An event stream or a poll began; while all end it ends in the next turn."""
        self._held.add(held)
        if self._sockets_gone is not None:
            self._clock.callLater(0, held.stop)

    def let_go(self, held: Stoppable) -> None:
        """It is over."""
        self._held.discard(held)

    def drain(self) -> tuple[Deferred[None], Deferred[None]]:
        """End all in their turns; fires when all are told, and when the sockets are gone."""
        gone: Deferred[None] = Deferred()
        self._sockets_gone = gone
        everybody = [*self._sockets, *self._held]
        drain = SocketDrain(self._clock, everybody, self._per_second, self._within_s, self._random)
        self._check_sockets_gone()
        return drain.told, gone

    def _check_sockets_gone(self) -> None:
        gone = self._sockets_gone
        if gone is not None and not self._sockets and not gone.called:
            gone.callback(None)
