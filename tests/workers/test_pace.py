"""How much a worker takes and handles at a time."""

import pytest

from workers.pace import Pace


def test_at_hand():
    """Quick handlers have up to two batches at hand: one that is handled, one that is taken."""
    pace = Pace(32, 0.005)
    assert [pace.wanted(waiting) for waiting in (0, 20, 40)] == [32, 12, 0]
    pace.ended(32, 0.001, 0.0001)
    assert [pace.wanted(waiting) for waiting in (0, 20, 40, 64, 70)] == [32, 32, 24, 0, 0]


@pytest.mark.parametrize(
    ("waiting", "alone", "beside", "behind_slow"),
    [(0, 0, 0, 0), (1, 1, 1, 0), (15, 15, 15, 0), (16, 8, 0, 0), (33, 16, 0, 0)],
)
def test_first(waiting, alone, beside, behind_slow):
    """Few are handled before a commit, of many what the time of a commit is not needed for.

    What is handled already does not wait for slow handlers.
    """
    pace = Pace(32, 0.005)
    assert (pace.first(waiting, 0), pace.first(waiting, 3)) == (alone, beside)
    pace.ended(4, 0.006, 0.002)
    assert (pace.first(waiting, 0), pace.first(waiting, 3)) == (alone, behind_slow)


def test_what_the_budget_is_enough_for():
    """No more is taken than was handled within a budget, and twice as much when it was enough."""
    pace = Pace(32, 0.005)
    pace.ended(3, 0.006, 0.002)
    assert [pace.wanted(waiting) for waiting in (0, 2, 3)] == [3, 1, 0]
    pace.ended(3, 0.004, 0.001)
    assert pace.wanted(0) == 6
    pace.ended(0, 0.0, 0.0)
    assert pace.wanted(0) == 6


def test_behind():
    """Others get what waits behind a slow unit, and what is further than two budgets away."""
    pace = Pace(32, 0.005)
    assert not pace.is_behind(40)
    pace.ended(10, 0.006, 0.001)
    assert [pace.is_behind(waiting) for waiting in (0, 20, 21)] == [False, False, True]
    pace.ended(10, 0.006, 0.0055)
    assert [pace.is_behind(waiting) for waiting in (0, 1)] == [False, True]
    pace.ended(10, 0.004, 0.001)
    assert not pace.is_behind(40)
