"""When a request's head counts as begun, and that each of its bytes is looked at once."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interface_server import http_reader
from interface_server.head_memory import HeadMemory
from interface_server.http_messages import RequestRefused, incomplete_head_fault
from interface_server.http_reader import RequestReader

LINES = st.sampled_from(
    [b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"GET / HTTP/1.1\r\n", b"Host: x\r\n", b"A: b\r\n"]
)


def test_blank_bytes_alone_begin_no_head() -> None:
    """A line's end that came in two pieces leaves the connection idle; a head begins anew."""
    reader = RequestReader(1000, HeadMemory(10))
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


@given(st.lists(LINES, max_size=12), st.lists(st.integers(0, 200)))
def test_what_is_read_does_not_depend_on_the_pieces(lines: list[bytes], places: list[int]) -> None:
    """Read whole or in pieces: the same heads, or refused both times."""

    def verdict(pieces: list[bytes]) -> object:
        reader = RequestReader(1000, HeadMemory(10))
        heads = []
        try:
            for piece in pieces:
                reader.feed(piece)
                while (head := reader.next_head(0.0)) is not None:
                    heads.append(head)
        except RequestRefused:
            return heads, "refused"
        return heads, reader.unread

    whole = b"".join(lines)
    edges = [0, *sorted(place % (len(whole) + 1) for place in places), len(whole)]
    assert verdict([whole]) == verdict([whole[a:b] for a, b in itertools.pairwise(edges)])


def test_each_byte_of_a_head_in_pieces_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A head that comes byte by byte costs in proportion to its size, not to its square."""
    looked = 0

    def counting(raw: bytes) -> str | None:
        nonlocal looked
        looked += len(raw)
        return incomplete_head_fault(raw)

    monkeypatch.setattr(http_reader, "incomplete_head_fault", counting)
    reader = RequestReader(32768, HeadMemory(100))
    whole = b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 4000
    for at in range(len(whole)):
        reader.feed(whole[at : at + 1])
        assert reader.next_head(0.0) is None
    assert looked <= 2 * len(whole)


def test_a_flood_of_empty_lines_is_refused() -> None:
    """A few line ends before a request are read over, no more."""
    reader = RequestReader(1000, HeadMemory(10))
    reader.feed(b"\r\n" * http_reader.MAX_EMPTY_LINES)
    assert reader.next_head(0.0) is None
    reader.feed(b"\r\n")
    with pytest.raises(RequestRefused):
        reader.next_head(0.0)
