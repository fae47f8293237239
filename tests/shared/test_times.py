"""Holds shared/times.py: durations in bounds that double."""

import pytest

from shared.times import BOUNDS, FIRST_BOUND_S, Times


@pytest.mark.parametrize(
    ("seconds", "bound"),
    [(0.0, 0.00025), (0.0002, 0.00025), (0.0003, 0.0005), (0.9, 1.024), (100.0, 131.072)],
)
def test_a_duration_counts_from_its_bound_on(seconds: float, bound: float) -> None:
    """Each bound counts what was shorter, so a duration is in its own and all later ones."""
    times = Times()
    times.add(seconds)
    assert [n for at, n in times.cumulative() if at < bound] == [0] * sum(
        at < bound for at, _ in times.cumulative()
    )
    assert all(n == 1 for at, n in times.cumulative() if at >= bound)


def test_what_is_past_all_bounds_counts_at_infinity() -> None:
    """A duration of years, and one of a clock that was set back, are counted all the same."""
    times = Times()
    times.add(1e9)
    times.add(-5.0)
    *finite, (infinity, total) = times.cumulative()
    assert (infinity, total, times.count) == (float("inf"), 2, 2)
    assert [n for _, n in finite] == [1] * BOUNDS
    assert finite[0][0] == FIRST_BOUND_S
    assert times.total_s == 1e9
