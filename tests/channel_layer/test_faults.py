"""Holds channel_layer/faults.py: which send meets which fault."""

import random
from collections.abc import Sequence

from channel_layer.faults import NO_FAULT, Fault, FaultCounts, Faults
from channel_layer.layer import Send
from shared.fault_rules import fault_rule

DROPPED, FULL = Fault(is_dropped=True), Fault(is_full=True)


def faults(*rules: str, dice: Sequence[float] = (0.0,)) -> Faults:
    """Faults with dice that show these numbers, the last one for ever."""
    left = list(dice)
    return Faults(
        [fault_rule(rule) for rule in rules], lambda: left.pop(0) if left[1:] else left[0]
    )


def test_the_first_rule_that_fits_counts() -> None:
    """A channel meets the first rule whose glob fits its full name, others meet none."""
    made = faults("a.b:drop=1", "a.*:delay=5ms", "p.Q!x:full=1")
    for channel, expected in (
        ("a.b", DROPPED),
        ("a.c", Fault(delay_ms=5)),
        ("p.Q!x", FULL),
        ("p.Q!y", NO_FAULT),
        ("b", NO_FAULT),
    ):
        assert [made.decide(Send(channel, b"")) for _ in range(2)] == [expected] * 2


def test_dice_decide() -> None:
    """Below the share of drop a send is lost, then refused, and the rest is late."""
    made = faults("a:drop=0.2,full=0.3,delay=7ms", dice=(0.19, 0.2, 0.49, 0.5, 0.99))
    found = [made.decide(Send("a", b"")) for _ in range(5)]
    assert found == [DROPPED, FULL, FULL, Fault(delay_ms=7), Fault(delay_ms=7)]


def test_shares_come_out() -> None:
    """Over many sends the shares are those of the rule."""
    counts = FaultCounts()

    def count(fault: Fault) -> None:
        nonlocal counts
        counts = counts.with_one(fault)

    made = Faults([fault_rule("*:drop=0.1,full=0.2,delay=1ms")], random.Random(1).random, count)
    for _ in range(10_000):
        made.decide(Send("a", b""))
    assert 900 < counts.dropped < 1100
    assert 1900 < counts.full < 2100
    assert counts.dropped + counts.full + counts.delayed == 10_000


def test_an_urgent_send_is_never_refused() -> None:
    """What passes full lists meets no fault of fulness, but may be lost."""
    assert faults("a:full=1").decide(Send("a", b"", urgent=True)) is NO_FAULT
    assert faults("a:drop=1").decide(Send("a", b"", urgent=True)) == DROPPED


def test_a_chain_shares_its_fault() -> None:
    """Chained sends are lost or kept as a whole, so nothing is chained to a stranger."""
    made = faults("a:drop=0.5", dice=(0.9, 0.1, 0.9))
    chain = [Send("a", b"", chained=True), Send("a", b"", chained=True), Send("a", b"")]
    found = [made.decide(send) for send in chain * 3]
    assert found == [NO_FAULT] * 3 + [DROPPED] * 3 + [NO_FAULT] * 3


def test_faults_are_told() -> None:
    """Whoever wants to know hears of each fault and of nothing else."""
    heard: list[Fault] = []
    made = Faults([fault_rule("a:drop=1")], lambda: 0.0, heard.append)
    for channel in ("a", "b", "a"):
        made.decide(Send(channel, b""))
    assert heard == [DROPPED, DROPPED]
