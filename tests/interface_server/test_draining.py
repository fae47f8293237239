"""The end of many sockets: all of them, spread, in time."""

import itertools
from random import Random
from typing import Any

from twisted.internet.task import Clock

from interface_server.draining import TICK_S, Crowd, SocketDrain, handful_size


class Socket:
    """Notes when it was told."""

    def __init__(self, clock: Clock, fault: bool = False) -> None:
        self.told_at: list[float] = []
        self._clock = clock
        self._fault = fault

    def stop(self) -> None:
        self.told_at.append(self._clock.seconds())
        if self._fault:
            raise RuntimeError("a fault of ours")


def drain(sockets: list[Socket], clock: Clock, per_second: float, within_s: float) -> SocketDrain:
    made: Any = clock
    return SocketDrain(made, sockets, per_second, within_s, Random(7))


def test_the_pace_is_the_given_one_or_what_the_time_needs() -> None:
    """Few sockets go at the rate, more go as fast as they must."""
    assert handful_size(100, per_second=500, within_s=5) == 25
    assert handful_size(10_000, per_second=500, within_s=5) == 100
    assert handful_size(1, per_second=1, within_s=5) == 1


def test_each_socket_is_told_once_spread_over_the_time() -> None:
    """Not all at one moment, no two waits alike, and the end is known."""
    clock = Clock()
    sockets = [Socket(clock) for _ in range(5000)]
    made = drain(sockets, clock, per_second=500, within_s=5)
    ends: list[float] = []
    made.told.addCallback(lambda _: ends.append(clock.seconds()))
    while not ends:
        clock.advance(0.001)
    assert all(len(socket.told_at) == 1 for socket in sockets)
    times = sorted({socket.told_at[0] for socket in sockets})
    waits = {round(after - before, 3) for before, after in itertools.pairwise(times)}
    assert len(waits) > 20
    assert max(waits) <= TICK_S * 1.5 + 0.002
    assert 4.0 < ends[0] < 6.0
    assert clock.getDelayedCalls() == []


def test_a_handful_goes_at_once_and_a_failing_socket_stops_nobody() -> None:
    """A server with few sockets does not wait for anything."""
    clock = Clock()
    sockets = [Socket(clock, fault=number == 1) for number in range(3)]
    made = drain(sockets, clock, per_second=500, within_s=5)
    assert made.told.called
    assert all(len(socket.told_at) == 1 for socket in sockets)


def test_a_drain_that_is_cancelled_tells_no_more() -> None:
    """When the grace is over, what is left is left."""
    clock = Clock()
    sockets = [Socket(clock) for _ in range(100)]
    made = drain(sockets, clock, per_second=100, within_s=50)
    made.told.addErrback(lambda _: None)
    made.told.cancel()
    clock.advance(10)
    assert sum(len(socket.told_at) for socket in sockets) == 5


def test_a_crowd_ends_together() -> None:
    """All are told; the sockets' end is waited for, and latecomers go at once."""
    clock = Clock()
    made: Any = clock
    crowd = Crowd(made, 1000, 5, Random(7))
    socket, held, gone, late = (Socket(clock) for _ in range(4))
    crowd.add_socket(socket)
    for one in (held, gone):
        crowd.hold(one)
    crowd.let_go(gone)
    assert (crowd.sockets, crowd.held) == (1, 1)
    told, ended = crowd.drain()
    clock.pump([TICK_S] * 10)
    assert told.called
    assert not ended.called
    assert [len(one.told_at) for one in (socket, held, gone)] == [1, 1, 0]
    crowd.hold(late)
    assert not late.told_at
    clock.advance(0)
    assert len(late.told_at) == 1
    crowd.remove_socket(socket)
    assert ended.called


def test_a_drain_without_sockets_is_over_at_once() -> None:
    """Nothing is waited for."""
    made: Any = Clock()
    _, ended = Crowd(made, 1000, 5, Random(7)).drain()
    assert ended.called
