"""Events as lines, read back by a reader of its own."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interface_server.event_lines import (
    BEATS,
    FIRST_RETRY_MS,
    HEARTBEAT,
    RETRY_SPREAD_MS,
    event_lines,
    first_beat_at,
    id_line,
    jittered_ms,
    retry_lines,
    word_lines,
)
from shared.messages import Event
from tests.event_reader import EventParser, Seen

TEXTS = st.text(
    st.one_of(st.sampled_from("\r\n: adtvi\0\u2028\x85\ufeff"), st.characters(codec="utf-8"))
)


@given(st.lists(st.tuples(TEXTS, st.sampled_from(["", "name", "id: 5"]))))
def test_what_goes_in_comes_out(events: list[tuple[str, str]]) -> None:
    """Each text is one event with that text, its line ends as LF, and touches no other field."""
    parser = EventParser()
    for no, (text, name) in enumerate(events):
        parser.feed(id_line(f"g:e:{no}") + event_lines(Event(text, name)) + HEARTBEAT)
    assert list(parser.events) == [
        Seen(re.sub("\r\n?", "\n", text), name or "message", f"g:e:{no}")
        for no, (text, name) in enumerate(events)
    ]


def test_what_the_server_says_itself() -> None:
    """A gap is an event with the group's name; an id alone, a comment and a time are none."""
    parser = EventParser()
    parser.feed(HEARTBEAT + retry_lines(1500) + id_line("g:e:1") + b"\n")
    assert (parser.comments, parser.retry_ms, parser.last_id) == (1, 1500, "g:e:1")
    assert not parser.events
    parser.feed(word_lines("gap", "g:e:2", "g"))
    assert parser.events.popleft() == Seen("g", "gap", "g:e:2")


def test_an_end_without_text_has_no_lines() -> None:
    """No event is made of it."""
    assert event_lines(Event(None, is_last=True)) == b""


@pytest.mark.parametrize("channel", [f"server.response.p!{no:x}" for no in range(20)])
def test_readers_come_back_at_different_moments(channel: str) -> None:
    """Within the bounds, and the same one always at the same."""
    assert FIRST_RETRY_MS <= jittered_ms(channel) < FIRST_RETRY_MS + RETRY_SPREAD_MS
    others = {jittered_ms(f"{channel}{no}") for no in range(100)}
    assert len(others) > 90


@given(st.floats(0, 1e7), st.sampled_from([0.05, 1.0, 15.0, 3600.0]))
def test_streams_share_the_moments_of_their_heartbeats(now: float, interval_s: float) -> None:
    """Within the interval, never at once, and few moments for however many streams."""
    at = first_beat_at(now, interval_s)
    assert now + interval_s * (1 - 1.5 / BEATS) < at <= now + interval_s * (1 + 1e-6)
    assert abs(at / (interval_s / BEATS) - round(at / (interval_s / BEATS))) < 1e-3
