"""What a worker may say to an exchange that waits for events."""

from typing import Any

import pytest

from shared import codec
from shared.errors import InvalidMessage
from shared.messages import Event, Hold, HttpReply, http_reply, ws_reply


@pytest.mark.parametrize(
    ("message", "typed"),
    [
        ({"text": "a"}, Event("a")),
        ({"text": "", "event": "name"}, Event("", "name")),
        ({"text": "bye", "close": True}, Event("bye", "", is_last=True)),
        ({"close": 4000}, Event(None, "", is_last=True)),
        ({"text": "a", "accept": True, "close": False}, Event("a")),
        ({"hold": "events"}, Hold("events")),
        (
            {"hold": "poll", "since": [["g", "e", 5]], "wait_ms": 9, "headers": [[b"a", b"b"]]},
            Hold("poll", ((b"a", b"b"),), b"", (("g", "e", 5),), 9),
        ),
    ],
)
def test_messages_to_held_exchanges(message: dict[str, Any], typed: HttpReply) -> None:
    """An event looks as it does for sockets; a hold says which kind, and where its client is."""
    assert http_reply(message) == typed


@pytest.mark.parametrize(
    ("message", "key"),
    [
        ({"text": 5}, "text"),
        ({"text": "a", "event": "a\nid: 5"}, "event"),
        ({"text": "a", "event": "a\rb"}, "event"),
        ({"text": "a", "event": "\0"}, "event"),
        ({"text": "a", "event": "gap"}, "event"),
        ({"text": "a", "event": "error"}, "event"),
        ({"text": "a", "event": "x" * 101}, "event"),
        ({"text": "a", "status": 200}, "status"),
        ({"text": "a", "close": 5}, "close"),
        ({"bytes": b"a"}, "bytes"),
        ({"event": "alone"}, "event"),
        ({"hold": "forever"}, "hold"),
        ({"hold": "events", "status": 200}, "status"),
        ({"hold": "events", "content": "text"}, "content"),
        ({"hold": "events", "headers": [[b"a", b"b\r\nc: d"]]}, "headers"),
        ({"hold": "poll", "since": [["g", 5]]}, "since"),
        ({"hold": "poll", "since": [["g", "e", "5"]]}, "since"),
        ({"hold": "events", "since": [["ä", "e", 5]]}, "since"),
        ({"hold": "events", "since": [["g\ndata: x", "e", 5]]}, "since"),
        ({"hold": "events", "since": [["g", "e,f", 5]]}, "since"),
        ({"hold": "events", "since": [["g", "", -5]]}, "since"),
        ({"hold": "poll", "wait_ms": 1.5}, "wait_ms"),
    ],
)
def test_what_is_refused(message: dict[str, Any], key: str) -> None:
    """The error names the key; bytes have no place in a stream of text."""
    with pytest.raises(InvalidMessage) as refused:
        http_reply(message)
    assert refused.value.key == key


def test_a_hold_travels() -> None:
    """What is packed is what comes out."""
    hold = Hold("events", ((b"a", b"b"),), b"retry: 5\n\n", (("g", "", 0), ("h", "e", 7)), 3)
    assert codec.decode_http_reply(codec.encode(hold)) == hold


def test_the_name_of_an_event_means_nothing_to_sockets() -> None:
    """So one message serves both."""
    assert ws_reply({"text": "a", "event": "name"}) == ws_reply({"text": "a"})
