"""Per-second figures from counts in windows."""

from hypothesis import given
from hypothesis import strategies as st

from channel_layer.answers import Statistics
from channel_layer.figures import SLOT_MS, Tally, Windows, as_dict, statistics, summed


def test_rates_over_time() -> None:
    """The rate rises with what is counted and falls to nothing two windows later."""
    windows = Windows(slot=100, now=50, before=20)
    begin = 100 * SLOT_MS
    assert windows.per_second(begin) == 7.0
    assert windows.per_second(begin + SLOT_MS // 2) == 6.0
    assert windows.per_second(begin + SLOT_MS) == 5.0
    assert windows.per_second(begin + SLOT_MS * 3 // 2) == 2.5
    assert windows.per_second(begin + SLOT_MS * 2) == 0.0


@given(st.lists(st.integers(0, 200), min_size=1, max_size=200))
def test_a_steady_flow_shows_its_rate(gaps: list[int]) -> None:
    """Whatever the times of the messages, the rate is never above all of them in one window."""
    tally, now_ms = Tally(), 1_700_000_000_000
    for gap_ms in gaps:
        now_ms += gap_ms
        tally.count("sent", now_ms)
    rate = statistics(tally.counters, 0, None, now_ms).messages_count_per_second
    assert 0 < rate <= len(gaps) * 1000 / SLOT_MS
    assert tally.counters["sent"] == len(gaps)


def test_sums() -> None:
    """Figures add up; the age is that of the oldest message; no lists give zeros."""
    one = Statistics(1, 0.5, 2, 3.0, 4, 0.1)
    two = Statistics(10, 1.5, 20, 1.0, 40, 0.2)
    both = summed([one, two])
    assert (both.messages_count, both.messages_pending, both.messages_max_age) == (11, 22, 3.0)
    assert set(as_dict(summed([])).values()) == {0}
