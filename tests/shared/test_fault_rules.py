"""Holds shared/fault_rules.py: the form of a rule, and what is said about a wrong one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ConfigurationError
from shared.fault_rules import FaultRule, fault_rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("http.request:drop=0.1,delay=50ms", FaultRule("http.request", 0.1, 50)),
        ("*:full=0.05", FaultRule("*", full=0.05)),
        ("a*:delay=1.5s", FaultRule("a*", delay_ms=1500)),
        (" a : drop = 1 , full = 0 ", FaultRule("a", 1.0)),
    ],
)
def test_a_rule_is_read(text: str, rule: FaultRule) -> None:
    """Any of drop, delay and full may stand behind the glob, in any order."""
    assert fault_rule(text) == rule


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("http.request", "GLOB:drop=P,delay=TIME,full=P, got 'http.request'"),
        (":drop=1", "GLOB:drop=P,delay=TIME,full=P"),
        ("a:", "GLOB:drop=P,delay=TIME,full=P"),
        ("a:drop", "a probability from 0 to 1 for drop, got ''"),
        ("a:drop=2", "a probability from 0 to 1 for drop, got '2'"),
        ("a:full=-1", "a probability from 0 to 1 for full, got '-1'"),
        ("a:full=nan", "a probability from 0 to 1 for full, got 'nan'"),
        ("a:delay=5", "as in 50ms or 1.5s, got '5'"),
        ("a:delay=-5ms", "as in 50ms or 1.5s, got '-5ms'"),
        ("a:delay=3601s", "at most an hour for delay"),
        ("a:drop=0.1,late=1", "drop=, delay= or full= in a fault, got 'late=1'"),
        ("a:drop=0.1,drop=0.2", "expected 'drop' once"),
        ("a:drop=0.6,full=0.6", "drop and full of at most 1 together"),
    ],
)
def test_a_wrong_rule_is_refused_by_its_part(text: str, words: str) -> None:
    """The error names the part of the rule that is wrong and what was expected there."""
    with pytest.raises(ConfigurationError) as caught:
        fault_rule(text)
    assert words in str(caught.value)


@given(
    st.builds(
        FaultRule,
        st.text("abc.*?[]!-_", min_size=1),
        st.sampled_from((0.0, 0.25, 0.5)),
        st.integers(0, 3_600_000),
        st.sampled_from((0.0, 0.125, 0.5)),
    ).filter(lambda rule: rule.drop or rule.delay_ms or rule.full)
)
def test_a_rule_reads_what_it_writes(rule: FaultRule) -> None:
    """The text of a rule, as the log shows it, is that rule again."""
    assert fault_rule(str(rule)) == rule
