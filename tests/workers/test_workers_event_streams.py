"""What a handler returns for an event stream or a poll, and the steps it becomes."""

from typing import Any

import pytest

from channel_layer.layer import Join, Position, Send, SendGroup, SendReceipt
from shared import codec
from shared.errors import InvalidMessage, InvalidName
from shared.messages import Headers, Hold, HttpRequest, Receipt
from tests.workers.test_workers_handling import REPLY, answered, handling, http
from workers.event_streams import event_stream, last_positions, long_poll
from workers.routing import get
from workers.web import Request


def request(query: bytes = b"", headers: Headers = ()) -> Request:
    """A request for a stream."""
    return Request(HttpRequest(REPLY, "GET", "/", query_string=query, headers=headers))


def test_the_server_hears_of_it_before_the_joins() -> None:
    """Else what is replayed came before the head; what the handler says comes behind both."""

    def page(asked: Request, outbox: Any) -> Any:
        outbox.send_group("g", {"text": "somebody came"})
        return event_stream(asked, ["g", "h", "g"], headers=[("X-A", "b")])

    entry = http(headers=((b"last-event-id", b"g:e:5"),))
    (done,) = handling(get("/", page)).handle((entry,), lambda _: None)
    kinds = [type(step) for step in done.operations]
    assert kinds == [Send, Join, Join, SendGroup, SendReceipt]
    hold, *joins, _, receipt = done.operations
    assert joins == [
        Join("g", REPLY, since=Position("e", 5)),
        Join("h", REPLY, since=Position("", 0)),
    ]
    assert hold.channel == REPLY
    assert codec.decode_http_reply(hold.payload) == Hold(
        "events",
        (
            (b"content-type", b"text/event-stream"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
            (b"x-a", b"b"),
        ),
        b"retry: 2000\n\n",
        (("g", "e", 5), ("h", "", 0)),
    )
    assert codec.decode_receipt(receipt.payload) == Receipt("done", later=True)


def test_a_poll_says_how_long_it_waits() -> None:
    """In milliseconds, and its answer is JSON."""
    hold = long_poll(request(b"last_event_id=g:e:5"), ["g"], wait_s=1.5).hold
    assert (hold.hold, hold.wait_ms, hold.since) == ("poll", 1500, (("g", "e", 5),))
    assert dict(hold.headers)[b"content-type"] == b"application/json"


@pytest.mark.parametrize(
    ("query", "header", "positions"),
    [
        (b"", b"", {}),
        (b"last_event_id=g%3Ae%3A5,h:e:6", b"", {"g": ("e", 5), "h": ("e", 6)}),
        (b"last_event_id=g:e:5", b"g:e:7", {"g": ("e", 7)}),
        (b"last_event_id=g:e:5", b"nonsense", None),
        (b"last_event_id=%00", b"", None),
    ],
)
def test_where_a_client_left_off(query: bytes, header: bytes, positions: object) -> None:
    """The header is newer than the query; an id that is none of ours is known to be none."""
    headers = ((b"last-event-id", header),) if header else ()
    assert last_positions(request(query, headers)) == positions


def test_a_foreign_id_is_a_gap_and_a_new_group_is_not() -> None:
    """No history has the epoch that is asked for; the group joins from now on."""
    assert event_stream(request(b"last_event_id=7"), ["g"]).hold.since == (("g", "?", 0),)
    assert event_stream(request(b"last_event_id=h:e:1"), ["g"]).hold.since == (("g", "", 0),)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: event_stream(request(), ["g!"]), InvalidName),
        (lambda: event_stream(request(), [f"g{no}" for no in range(21)]), InvalidMessage),
        (lambda: event_stream(request(), ["g"], retry_s=-1), InvalidMessage),
        (lambda: event_stream(request(), ["g"], headers=[("a", "b\r\nc: d")]), InvalidMessage),
        (lambda: long_poll(request(), []), InvalidMessage),
        (lambda: long_poll(request(), ["g"], wait_s=0), InvalidMessage),
    ],
)
def test_what_is_refused(make: Any, error: type[Exception]) -> None:
    """Where it is made, so that the traceback shows the handler's line."""
    with pytest.raises(error):
        make()


def test_a_handler_that_fails_holds_nothing() -> None:
    """The client gets the page of the error."""

    def page(asked: Request, _: Any) -> Any:
        return event_stream(asked, ["not a group"])

    status, *_ = answered(handling(get("/", page)), http())
    assert status == 500
