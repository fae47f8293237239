"""Holds that a schedule of faults is told by its seed alone."""

from hypothesis import given
from hypothesis import strategies as st

from tests.system.faults import schedule

KINDS = ("kill worker", "cut")


@given(st.integers(0, 2**32))
def test_a_seed_repeats_its_schedule(seed: int) -> None:
    """The same seed gives the same faults, in order, within the time, about as often as asked."""
    made = schedule(seed, 20, 2, KINDS)
    assert made == schedule(seed, 20, 2, KINDS)
    times = [fault.at_s for fault in made]
    assert times == sorted(times)
    assert all(0 < at_s < 20 for at_s in times)
    assert 7 <= len(made) <= 16
    assert {fault.what for fault in made} <= set(KINDS)


def test_another_seed_gives_another_schedule() -> None:
    """So the long runs do not repeat each other."""
    assert schedule(1, 60, 2, KINDS) != schedule(2, 60, 2, KINDS)
