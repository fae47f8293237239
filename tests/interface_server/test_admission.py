"""Who may come in: counts and rates."""

from collections.abc import Callable

from interface_server.listening.admission import CROWD, Admission


def door(
    most: int = 0,
    each: int = 0,
    rate: float = 0.0,
    crowd_left: Callable[[], object] = lambda: None,
) -> Admission:
    return Admission(most, each, rate, lambda host: host == "10.0.0.1", crowd_left)


def test_a_crowd_that_leaves_is_told_with_each_halving() -> None:
    """Not with every connection, and never where few come and go."""
    told: list[int] = []
    bounded = door(crowd_left=lambda: told.append(bounded.count))
    for _ in range(CROWD - 1):
        bounded.enter()
    for _ in range(CROWD - 1):
        bounded.leave()
    assert told == []
    for _ in range(4 * CROWD):
        bounded.enter()
    for _ in range(4 * CROWD):
        bounded.leave()
    assert told == [2 * CROWD, CROWD, 0]
    for _ in range(CROWD):
        bounded.enter()
    bounded.leave()
    assert len(told) == 3


def test_no_more_than_the_most_are_in() -> None:
    """Whoever leaves makes room; 0 is no bound."""
    bounded = door(most=2)
    assert [bounded.enter(), bounded.enter(), bounded.enter()] == [True, True, False]
    bounded.leave()
    assert bounded.enter()
    assert all(door().enter() for _ in range(100))


def test_an_address_has_its_own_bound() -> None:
    """IPv6 counts by /64; proxies and peers without an address are not counted."""
    bounded = door(each=2)
    key = bounded.enter_from("192.0.2.1")
    assert key
    assert bounded.enter_from("192.0.2.1") == key
    assert bounded.enter_from("192.0.2.1") is None
    assert bounded.enter_from("192.0.2.2")
    bounded.leave_from(key)
    assert bounded.enter_from("192.0.2.1") == key
    assert bounded.enter_from("2001:db8::1") == bounded.enter_from("2001:db8::ffff:0:0:2%eth0")
    assert bounded.enter_from("2001:db8::3") is None
    assert bounded.enter_from("2001:db8:0:1::3")
    assert [bounded.enter_from("10.0.0.1") for _ in range(3)] == ["", "", ""]
    assert bounded.enter_from(None) == ""


def test_a_seconds_worth_may_come_at_once_and_then_only_the_rate() -> None:
    """The wait is as long as until the next one may come."""
    bounded = door(rate=4)
    assert [next_wait_s(bounded, 100.0) for _ in range(5)] == [0.0] * 4 + [0.25]
    assert next_wait_s(bounded, 100.25) == 0.0
    assert next_wait_s(bounded, 100.25) == 0.25
    assert [next_wait_s(bounded, 200.0) for _ in range(5)] == [0.0] * 4 + [0.25]


def test_only_what_was_accepted_uses_up_the_rate() -> None:
    """Looking whether somebody waits costs nothing."""
    bounded = door(rate=1)
    assert [bounded.wait_s(100.0) for _ in range(9)] == [0.0] * 9


def test_a_rate_below_one_lets_one_in_at_a_time() -> None:
    """Half a connection a second is one every two seconds."""
    bounded = door(rate=0.5)
    assert next_wait_s(bounded, 10.0) == 0.0
    assert next_wait_s(bounded, 10.0) == 2.0
    assert next_wait_s(bounded, 12.0) == 0.0


def next_wait_s(bounded: Admission, now: float) -> float:
    """Accept somebody if that may be; the wait else."""
    wait_s = bounded.wait_s(now)
    if not wait_s:
        bounded.accepted()
    return wait_s
