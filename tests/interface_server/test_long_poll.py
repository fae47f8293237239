"""One long poll: what it gathers, and when it has enough."""

import json
from typing import Any

import pytest

from channel_layer.layer import Position
from interface_server.broadcasts import GAP, JOINED, SKIPPED
from interface_server.long_poll import LongPoll
from shared.errors import InvalidMessage
from shared.messages import Event, Hold
from tests.interface_server.test_event_stream import said


def poll(*since: tuple[str, str, int]) -> LongPoll:
    """A poll whose client is there."""
    return LongPoll(Hold("poll", ((b"a", b"b"),), since=since, wait_ms=1000))


def answer(of: LongPoll) -> dict[str, Any]:
    """What its client gets."""
    response = of.answer()
    assert (response.status, response.headers) == (200, ((b"a", b"b"),))
    said_: dict[str, Any] = json.loads(response.content)
    return said_


def test_it_waits_for_the_first_message() -> None:
    """Up to date, so the next one is the answer."""
    made = poll(("g", "e", 5))
    made.positioned("g", Position("e", 5), JOINED)
    assert not made.is_over
    assert made.broadcast(said("g", 6, text="ö", event="name")) == b""
    assert made.is_over
    event = {"group": "g", "event": "name", "data": "ö"}
    assert answer(made) == {"id": "g:e:6", "gap": False, "events": [event]}


def test_what_was_missed_comes_as_a_whole() -> None:
    """It is over only when the replays of all groups are here."""
    made = poll(("a", "e", 1), ("b", "e", 1))
    made.broadcast(said("a", 2))
    made.broadcast(said("a", 3))
    made.positioned("a", Position("e", 3), JOINED)
    assert not made.is_over
    made.broadcast(said("b", 2))
    made.positioned("b", Position("e", 2), JOINED)
    assert made.is_over
    found = answer(made)
    assert [event["data"] for event in found["events"]] == ["a2", "a3", "b2"]
    assert found["id"] == "a:e:3,b:e:2"


def test_a_first_poll_is_told_where_it_is() -> None:
    """At once: else what comes before the second one would be nowhere."""
    made = poll(("g", "", 0))
    assert not made.is_over
    made.positioned("g", Position("e", 5), JOINED)
    assert made.is_over
    assert answer(made) == {"id": "g:e:5", "gap": False, "events": []}


@pytest.mark.parametrize("since", [("g", "e", 1), ("g", "?", 0)])
def test_a_gap_is_an_answer(since: tuple[str, str, int]) -> None:
    """The client reads the state elsewhere and goes on from the new id."""
    made = poll(since)
    made.positioned("g", Position("f", 9), GAP)
    assert made.is_over
    assert answer(made) == {"id": "g:f:9", "gap": True, "events": []}


def test_doubled_messages_come_once_and_holes_are_gaps() -> None:
    """As in an event stream."""
    made = poll(("g", "e", 5))
    made.positioned("g", Position("e", 5), JOINED)
    made.broadcast(said("g", 5))
    assert not made.is_over
    made.positioned("g", Position("e", 6), SKIPPED)
    assert not made.is_over
    made.broadcast(said("g", 8))
    assert (answer(made)["gap"], answer(made)["id"]) == (True, "g:e:8")
    other = poll(("g", "e", 5))
    other.positioned("g", Position("e", 5), JOINED)
    other.broadcast(said("g", 1, "f"))
    assert answer(other)["gap"]


def test_a_worker_may_answer_it_alone() -> None:
    """Without a group, and an end without text brings no event."""
    made = poll(("g", "e", 5))
    made.positioned("g", Position("e", 5), JOINED)
    made.event(Event(None, is_last=True))
    assert not made.is_over
    made.event(Event("x"))
    assert made.is_over
    assert answer(made)["events"] == [{"group": "", "event": "", "data": "x"}]


def test_what_is_no_event_is_refused() -> None:
    """Raw content has no place in JSON."""
    with pytest.raises(InvalidMessage):
        poll(("g", "e", 5)).broadcast(said("g", 6, content=b"x"))
