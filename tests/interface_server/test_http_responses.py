"""Responses as bytes."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interface_server.http_responses import (
    DateAndServer,
    FramingBroken,
    ResponseFraming,
    own_page,
)
from shared.messages import HttpResponse

FIXED = b"Date: now\r\n"


def understood(raw: bytes, method: str = "GET") -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, headers and content, as another program reads them; nothing is left over."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(raw)
    head = client.next_event()
    assert isinstance(head, h11.Response)
    content = b""
    while isinstance(event := client.next_event(), h11.Data):
        content += bytes(event.data)
    if event is h11.NEED_DATA:
        client.receive_data(b"")
        event = client.next_event()
    assert isinstance(event, h11.EndOfMessage)
    assert client.trailing_data[0] == b""
    return head.status_code, list(head.headers), content


def test_headers_of_one_connection_are_not_the_workers_to_give() -> None:
    """A worker's framing cannot break ours; all else is kept, duplicates in order."""
    given_ = (
        (b"Content-Length", b"99"),
        (b"Transfer-Encoding", b"chunked"),
        (b"connection", b"upgrade"),
        (b"keep-alive", b"1"),
        (b"date", b"yesterday"),
        (b"Set-Cookie", b"a"),
        (b"Set-Cookie", b"b"),
    )
    raw = ResponseFraming("1.1", False, False).whole(HttpResponse(200, given_, b"abc"), FIXED)
    status, headers, content = understood(raw)
    assert (status, content) == (200, b"abc")
    assert headers == [
        (b"date", b"now"),
        (b"set-cookie", b"a"),
        (b"set-cookie", b"b"),
        (b"content-length", b"3"),
    ]


def test_the_answer_to_head_keeps_the_length_that_a_worker_knows() -> None:
    """Without content the worker's Content-Length stands."""
    response = HttpResponse(200, ((b"content-length", b"99"),))
    raw = ResponseFraming("1.1", True, False).whole(response, FIXED)
    assert b"Content-Length: 99\r\n" in raw
    assert raw.endswith(b"\r\n\r\n")


@given(
    st.lists(st.binary(max_size=20), min_size=1),
    st.sampled_from(["1.0", "1.1"]),
    st.booleans(),
    st.sampled_from([200, 204, 205, 304, 404]),
    st.booleans(),
)
def test_pieces_arrive_as_what_they_are(
    pieces: list[bytes], version: str, is_head: bool, status: int, has_length: bool
) -> None:
    """For either version, with and without a length, for every kind of status."""
    whole = b"".join(pieces)
    headers = ((b"content-length", b"%d" % len(whole)),) if has_length else ()
    framing = ResponseFraming(version, is_head, False)
    raw = framing.start(status, headers, pieces[0], FIXED)
    raw += b"".join(framing.more(piece, False) for piece in pieces[1:]) + framing.more(b"", True)
    no_content = is_head or status in (204, 205, 304)
    found = understood(raw, "HEAD" if is_head else "GET")
    assert found[0] == status
    assert found[2] == (b"" if no_content else whole)
    if version == "1.0" and not has_length and status not in (204, 205, 304):
        assert framing.closes


@pytest.mark.parametrize("pieces", [(b"abcde",), (b"abc", b"de"), (b"abc",)])
def test_another_length_than_announced_is_noticed(pieces: tuple[bytes, ...]) -> None:
    """Too much at once, too little at the end."""
    framing = ResponseFraming("1.1", False, False)
    framing.start(200, ((b"content-length", b"4"),), b"", FIXED)
    for piece in pieces[:-1]:
        framing.more(piece, False)
    with pytest.raises(FramingBroken):
        framing.more(pieces[-1], True)


def test_an_unknown_status_is_written_too() -> None:
    """299 has no phrase."""
    raw = ResponseFraming("1.1", False, False).whole(HttpResponse(299), FIXED)
    assert raw.startswith(b"HTTP/1.1 299 Unknown\r\n")


def test_the_date_is_written_once_a_second() -> None:
    """Source: RFC 9110 section 5.6.7."""
    lines = DateAndServer("s")
    first = lines.at(784111777.2)
    assert first == b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: s\r\n"
    assert lines.at(784111777.9) is first
    assert DateAndServer("").at(784111777.0).count(b"\r\n") == 1


def test_our_own_pages_are_readable() -> None:
    """Status, phrase and reason in plain text."""
    assert own_page(503, "Why.").content == b"503 Service Unavailable\n\nWhy.\n"
    assert own_page(499, "Why.").content.startswith(b"499 Unknown")
