"""When a request's head counts as begun."""

from interface_server.http_reader import RequestReader


def test_blank_bytes_alone_begin_no_head() -> None:
    """A line's end that came in two pieces leaves the connection idle; a head begins anew."""
    reader = RequestReader(1000, 10)
    reader.feed(b"\r")
    assert reader.next_head(1.0) is None
    reader.feed(b"\n")
    assert reader.next_head(2.0) is None
    assert (reader.partial_since, reader.is_empty) == (None, True)
    reader.feed(b"GET / HT")
    assert reader.next_head(3.0) is None
    assert reader.partial_since == 3.0
    reader.feed(b"TP/1.1\r\nHost: a\r\n\r\n")
    head = reader.next_head(4.0)
    assert head is not None
    assert reader.partial_since is None
