"""Where bodies end, whatever pieces they come in."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interface_server.http_bodies import BodyFraming, ChunkedFraming, LengthFraming
from interface_server.http_messages import RequestRefused
from interface_server.settings import MIB


def read(framing: BodyFraming, pieces: list[bytes]) -> tuple[bytes, bytes]:
    """Content, and what is left over when all pieces came."""
    content, waiting = b"", b""
    for piece in pieces:
        waiting += piece
        if not framing.is_complete:
            found, used = framing.feed(waiting)
            content += found
            waiting = waiting[used:]
    return content, waiting


def cut(whole: bytes, places: list[int]) -> list[bytes]:
    """The bytes in pieces."""
    edges = [0, *sorted(place % (len(whole) + 1) for place in places), len(whole)]
    return [whole[start:end] for start, end in itertools.pairwise(edges)]


@given(st.lists(st.binary(min_size=1, max_size=40)), st.lists(st.integers(0, 500)), st.booleans())
def test_chunks_are_read_whatever_the_pieces(
    chunks: list[bytes], places: list[int], trailers: bool
) -> None:
    """Content comes out whole, and the next request's bytes are left alone."""
    whole = b"".join(b"%X;e\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    whole += b"0\r\n" + (b"A: b\r\n" if trailers else b"") + b"\r\nGET next"
    framing = ChunkedFraming(MIB)
    assert read(framing, cut(whole, places)) == (b"".join(chunks), b"GET next")
    assert framing.is_complete


@given(st.binary(max_size=100), st.lists(st.integers(0, 500)))
def test_a_length_is_read_whatever_the_pieces(body: bytes, places: list[int]) -> None:
    """The same for Content-Length."""
    framing = LengthFraming(len(body))
    assert read(framing, cut(body + b"next", places)) == (body, b"next")
    assert framing.is_complete


@given(st.binary(max_size=200), st.lists(st.integers(0, 500)))
def test_the_verdict_on_any_bytes_does_not_depend_on_the_pieces(
    noise: bytes, places: list[int]
) -> None:
    """Read whole or in pieces: the same content, or refused both times."""

    def verdict(pieces: list[bytes]) -> object:
        framing = ChunkedFraming(MIB)
        try:
            content, _ = read(framing, pieces)
        except RequestRefused as refused:
            return refused.status
        return content, framing.is_complete

    whole = b"2\r\nab\r\n" + noise
    assert verdict([whole]) == verdict(cut(whole, places))


@pytest.mark.parametrize(
    ("extension", "is_one"),
    [
        (b"", True),
        (b";a", True),
        (b" ; a = b", True),
        (b';a="b;\\"c\xe9";d=e', True),
        (b";", False),
        (b";=b", False),
        (b";a=", False),
        (b";;a", False),
        (b";a b", False),
        (b';a="b', False),
        (b';a="b"c', False),
        (b';a="b\\', False),
        (b";\x80", False),
    ],
)
def test_an_extension_is_a_name_with_or_without_a_value(extension: bytes, is_one: bool) -> None:
    """What other parsers may end elsewhere is refused. Source: RFC 9112 section 7.1.1."""
    sent = b"1" + extension + b"\r\na\r\n0\r\n\r\n"
    if is_one:
        assert read(ChunkedFraming(MIB), [sent]) == (b"a", b"")
        return
    with pytest.raises(RequestRefused) as refused:
        ChunkedFraming(MIB).feed(sent)
    assert refused.value.status == 400


def test_a_chunk_past_the_largest_body_is_refused_before_it_comes() -> None:
    """Its size line is enough."""
    ChunkedFraming(10).feed(b"a\r\n")
    with pytest.raises(RequestRefused) as refused:
        ChunkedFraming(10).feed(b"b\r\n")
    assert refused.value.status == 413


def test_long_lines_are_refused_before_they_end() -> None:
    """A size line or a trailer cannot grow for ever."""
    for start in (b"1;", b"0\r\nA: "):
        with pytest.raises(RequestRefused):
            ChunkedFraming(MIB).feed(start + b"x" * 1100)
