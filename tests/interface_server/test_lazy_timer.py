"""One timer for many deadlines."""

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
