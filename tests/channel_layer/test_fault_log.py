"""Holds channel_layer/fault_log.py: nobody injects faults without the log's saying so."""

from structlog.testing import capture_logs

from channel_layer.fault_log import REPORT_EACH_S, FaultLog, opened_faults
from channel_layer.faults import Fault
from channel_layer.layer import Send
from shared.fault_rules import fault_rule
from shared.settings import LayerSettings


def test_without_rules_there_is_nothing() -> None:
    """By default there are no faults, and no line about them."""
    with capture_logs() as lines:
        assert opened_faults(LayerSettings("redis://h")) is None
    assert lines == []


def test_it_begins_with_a_warning() -> None:
    """With rules there is one warning that names them."""
    rules = tuple(map(fault_rule, ("a:drop=1", "b.*:delay=50ms")))
    with capture_logs() as lines:
        made = opened_faults(LayerSettings("redis://h", faults=rules))
    assert made is not None
    assert made.decide(Send("a", b"")).is_dropped
    (line,) = lines
    assert (line["event"], line["log_level"]) == ("faults_on", "warning")
    assert line["rules"] == "a:drop=1 b.*:delay=50ms"


def test_the_counts_come_seldom() -> None:
    """Faults are counted and told together, each 10 s at most, none left out."""
    now_s = 100.0
    log = FaultLog(lambda: now_s)
    with capture_logs() as lines:
        for number in range(41):
            log.count((Fault(is_dropped=True), Fault(is_full=True), Fault(delay_ms=1))[number % 3])
            now_s += REPORT_EACH_S / 20
    assert [(one["dropped"], one["delayed"], one["full"]) for one in lines] == [
        (7, 7, 7),
        (7, 6, 7),
    ]
    assert {one["event"] for one in lines} == {"faults_injected"}
