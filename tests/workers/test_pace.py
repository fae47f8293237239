"""How much a worker takes and handles at a time."""

import pytest

from workers.pace import Pace


def test_at_hand():
    """Quick handlers have up to two batches at hand: one that is handled, one that is taken."""
    pace = Pace(32, 0.005)
    assert [pace.wanted(waiting) for waiting in (0, 20, 40)] == [32, 12, 0]
    pace.ended(32, 0.001, 0.0001)
    assert [pace.wanted(waiting) for waiting in (0, 32, 64, 70)] == [64, 32, 0, 0]


@pytest.mark.parametrize(
    ("waiting", "handled", "first"),
    [
        *((0, 0, 0), (1, 0, 1), (32, 0, 32), (33, 0, 32), (64, 0, 32)),
        *((15, 16, 15), (16, 15, 16), (16, 16, 0), (32, 32, 0)),
        *((5, 30, 2), (5, 32, 0), (30, 5, 27)),
    ],
)
def test_first(waiting, handled, first):
    """A commit carries up to a batch; half of one is enough where as much is left to handle."""
    assert Pace(32, 0.005).first(waiting, handled) == first


@pytest.mark.parametrize(("waiting", "handled", "first"), [(5, 0, 5), (5, 1, 0), (32, 1, 0)])
def test_first_behind_slow_ones(waiting, handled, first):
    """What is handled already does not wait for slow handlers."""
    pace = Pace(32, 0.005)
    pace.ended(4, 0.006, 0.002)
    assert pace.first(waiting, handled) == first


def test_meanwhile():
    """While a commit is under way, up to a batch is handled."""
    assert [Pace(32, 0.005).meanwhile(waiting) for waiting in (0, 32, 33)] == [0, 32, 32]


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
