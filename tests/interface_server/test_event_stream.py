"""One event stream against a reader, whatever is doubled, missing or begun anew."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channel_layer.layer import Position
from interface_server.broadcasts import GAP, JOINED, SKIPPED, Broadcast
from interface_server.event_stream import EventStream
from shared import codec
from shared.errors import InvalidMessage
from shared.messages import Event, Hold
from tests.event_reader import EventParser, Seen


def said(group: str, offset: int, epoch: str = "e", **message: object) -> Broadcast:
    """A group's message at a position."""
    packed = codec.pack(message or {"text": f"{group}{offset}"})
    return Broadcast(group, packed, Position(epoch, offset))


def stream(*since: tuple[str, str, int]) -> EventStream:
    """A stream whose client is there."""
    return EventStream(Hold("events", since=since))


def read(*pieces: bytes) -> EventParser:
    """What a reader makes of them."""
    parser = EventParser()
    for piece in pieces:
        parser.feed(piece)
    return parser


def test_events_carry_the_positions_of_all_groups() -> None:
    """The last id brings each group back to its own place."""
    made = stream(("a", "e", 4), ("b", "", 0))
    parser = read(
        made.broadcast(said("a", 5)),
        made.positioned("b", Position("e", 7), JOINED),
        made.broadcast(said("b", 8)),
    )
    assert list(parser.events) == [
        Seen("a5", id="a:e:5"),
        Seen("b", "joined", "a:e:5,b:e:7"),
        Seen("b8", id="a:e:5,b:e:8"),
    ]


def test_a_stream_of_one_group_shares_its_lines() -> None:
    """They are made once for all members, as frames are."""
    broadcast = said("g", 1)
    assert broadcast.event_lines is broadcast.event_lines
    assert broadcast.id_line is broadcast.id_line
    one, two = (stream(("g", "e", 0)).broadcast(broadcast) for _ in range(2))
    assert one == two == b"id: g:e:1\ndata: g1\n\n"


def test_a_message_without_a_position_has_no_id() -> None:
    """It moves no reader."""
    assert stream().broadcast(Broadcast("g", codec.pack({"text": "x"}))) == b"data: x\n\n"


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(1, 9), st.sampled_from("ef")), max_size=60
    )
)
def test_once_and_in_order_or_a_gap(course: list[tuple[str, int, str]]) -> None:
    """Whatever comes, a reader sees ascending offsets without a hole, or a gap before them."""
    made, parser = stream(("a", "e", 0), ("b", "e", 0)), EventParser()
    for group, offset, epoch in course:
        parser.feed(made.broadcast(said(group, offset, epoch, text=f"{group} {epoch} {offset}")))
    at = {"a": ("e", 0), "b": ("e", 0)}
    told: set[str] = set()
    for event in parser.events:
        if event.type == "gap":
            told.add(event.data)
            continue
        group, epoch, offset = event.data.split(" ")
        here = (epoch, int(offset))
        assert here == (at[group][0], at[group][1] + 1) or group in told
        told.discard(group)
        at[group] = here


@pytest.mark.parametrize(
    ("position", "word", "events", "last_id"),
    [
        (Position("e", 5), JOINED, ["joined"], "g:e:5"),
        (Position("e", 4), SKIPPED, [], ""),
        (Position("e", 6), SKIPPED, [], "g:e:6"),
        (Position("e", 9), JOINED, ["joined"], "g:e:9"),
        (Position("e", 7), SKIPPED, ["gap"], "g:e:7"),
        (Position("f", 1), SKIPPED, ["gap"], "g:f:1"),
        (Position("f", 3), GAP, ["gap"], "g:f:3"),
        (Position("e", 6), GAP, ["gap"], "g:e:6"),
        (Position("e", 5), GAP, [], ""),
        (Position("e", 9), "a later word", [], "g:e:9"),
    ],
)
def test_positions_without_a_message(
    position: Position, word: str, events: list[str], last_id: str
) -> None:
    """They move the reader, and say whether something is lost to it."""
    parser = read(stream(("g", "e", 5)).positioned("g", position, word))
    assert ([event.type for event in parser.events], parser.last_id) == (events, last_id)


def test_raw_content_goes_out_as_it_is() -> None:
    """With an id behind it where it has a position; the last piece ends the stream."""
    made = stream(("g", "e", 0))
    raw = made.broadcast(said("g", 1, content=b"data: raw\n\n", more_content=True))
    assert raw == b"data: raw\n\nid: g:e:1\n\n"
    assert not made.is_over
    bare = Broadcast("g", codec.pack({"content": b": end\n\n"}))
    assert made.broadcast(bare) == b": end\n\n"
    assert made.is_over


def test_a_close_ends_the_stream_behind_its_text() -> None:
    """A group's, or one to this stream alone."""
    made = stream()
    assert made.broadcast(said("g", 1, text="bye", close=True)) == b"id: g:e:1\ndata: bye\n\n"
    assert made.is_over
    alone = stream()
    assert alone.event(Event("bye", "name", is_last=True)) == b"event: name\ndata: bye\n\n"
    assert alone.is_over


def test_what_is_no_event_moves_nobody() -> None:
    """It is refused before the position is taken; the pump then says that it was skipped."""
    made = stream(("g", "e", 5))
    for message in ({"bytes": b"x"}, {"status": 200}, {"hold": "events"}):
        with pytest.raises(InvalidMessage):
            made.broadcast(said("g", 6, **message))
    assert made.broadcast(said("g", 6)) == b"id: g:e:6\ndata: g6\n\n"
