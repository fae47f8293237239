"""One timer for many deadlines."""

import time

import pytest
from twisted.internet import reactor
from twisted.internet.task import Clock

from interface_server.lazy_timer import LazyTimer


def test_it_fires_no_later_than_the_nearest_deadline() -> None:
    """A nearer deadline moves it, a farther one costs nothing."""
    clock, fired = Clock(), list[float]()
    timer = LazyTimer(clock, lambda: fired.append(clock.seconds()))
    timer.not_after(10)
    timer.not_after(20)
    timer.not_after(5)
    assert len(clock.getDelayedCalls()) == 1
    clock.advance(5)
    assert fired == [5]
    assert clock.getDelayedCalls() == []


def test_it_may_be_set_again_from_its_own_call_and_stopped() -> None:
    """Its owner says when to look again; after a stop nothing is left."""
    clock, fired = Clock(), list[float]()

    def on_time() -> None:
        fired.append(clock.seconds())
        timer.not_after(clock.seconds() + 1)

    timer = LazyTimer(clock, on_time)
    timer.not_after(-1)
    clock.pump([0, 1, 1])
    assert fired == [0, 1, 2]
    timer.stop()
    timer.stop()
    assert clock.getDelayedCalls() == []


@pytest.mark.alone
def test_a_nearer_deadline_costs_the_same_among_thousands() -> None:
    """A server that ends 20,000 idle connections gives each a nearer one, all in one turn."""
    timers = [LazyTimer(reactor, lambda: None) for _ in range(20_000)]
    now = reactor.seconds()
    for timer in timers:
        timer.not_after(now + 600)
    began = time.perf_counter()
    for timer in timers:
        timer.not_after(now + 60)
    took_s = time.perf_counter() - began
    for timer in timers:
        timer.stop()
    assert took_s < 1
