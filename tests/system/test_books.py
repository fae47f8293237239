"""Holds the accounts of the fault bench."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tests.system.books import Sequel, balance, percentile, sequel


def test_an_even_account() -> None:
    """Sent is delivered or refused with a reason; the line says so."""
    made = balance("posts", range(5), [4, 0, 1], {2: "503", 3: "503"})
    assert made.is_even
    line = "posts: sent 5 = delivered 3 + refused 2 (2 503)"
    assert str(made).startswith(line + "; lost 0")


def test_what_does_not_add_up_is_named() -> None:
    """Lost, doubled and unasked messages are listed by number."""
    made = balance("posts", range(5), [0, 0, 7, 2], {2: "503"})
    assert not made.is_even
    assert (made.lost, made.doubled, made.unasked) == ((1, 3, 4), (0,), (2, 7))
    assert "lost 3 [1, 3, 4]; doubled 1 [0]; unasked 2 [2, 7]" in str(made)


def test_a_refusal_that_may_have_happened() -> None:
    """What was refused may have come once where that is said, never twice."""
    assert balance("x", [1], [1], {1: "503"}, may_have_come=True).is_even
    assert not balance("x", [1], [1, 1], {1: "503"}, may_have_come=True).is_even


def test_a_row_of_numbers() -> None:
    """Holes, repetitions and overtaking are told apart."""
    assert sequel([3, 4, 5]).is_exact
    assert sequel([], 1, 2) == Sequel((1, 2))
    assert sequel([1, 3, 2, 2, 5]) == Sequel((4,), (2,), (2, 2))
    assert sequel([2], 1, 3).missing == (1, 3)


@given(st.permutations(range(6)))
def test_only_the_sorted_row_is_exact(row: list[int]) -> None:
    """A row without holes and repetitions is exact exactly when it is in order."""
    assert sequel(row).is_exact == (row == sorted(row))


@given(st.lists(st.integers(0, 9)), st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_every_message_is_accounted_for(
    delivered: list[int], sent: set[int], refused: set[int]
) -> None:
    """An account is even exactly when each sent message came once or was refused."""
    made = balance("x", sent, delivered, dict.fromkeys(refused, "no"))
    came = Counter(delivered)
    fair = all((came[number] == 1) != (number in refused) for number in sent)
    fair = fair and all(came[number] == 0 for number in refused | (came.keys() - sent))
    assert made.is_even == (fair and max(came.values(), default=0) < 2)


def test_percentiles() -> None:
    """The share of values that do not exceed it."""
    assert percentile([5, 1, 4, 2, 3], 0.5) == 3
    assert percentile(range(100), 0.99) == 98
    assert percentile([], 0.5) == 0
