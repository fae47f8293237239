"""Answers put together from compressed pieces, read back by zlib."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.gzipping import accepts_gzip, deflated, gzipped, stored


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=300)), max_size=8))
def test_pieces_and_own_words_come_back(parts: list[tuple[bool, bytes]]) -> None:
    """In whatever order compressed pieces and a reader's own stand, empty ones too."""
    plain = [part for _, part in parts]
    blocks = [stored(part) if is_own else deflated(part) for is_own, part in parts]
    assert gzip.decompress(gzipped(plain, blocks)) == b"".join(plain)


def test_own_words_are_not_compressed() -> None:
    """A reader's words make an answer longer by themselves and five bytes, whatever they are."""
    page = b"the token of the page, " * 99
    sizes = {
        len(gzipped([page, own, page], [deflated(page), stored(own), deflated(page)]))
        for own in (page[:40], b"x" * 40, bytes(range(40)))
    }
    assert len(sizes) == 1


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        ("gzip", True),
        ("GZIP;q=0.5", True),
        ("br, gzip ; q=1.0, zstd", True),
        ("x-gzip", True),
        ("*", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, *", False),
        ("*;q=0", False),
        ("gzipped", False),
        ("gzip;q=x", False),
    ],
)
def test_who_takes_gzip(header: str, takes: bool) -> None:
    """As Accept-Encoding says; without it nobody."""
    assert accepts_gzip(header) is takes
