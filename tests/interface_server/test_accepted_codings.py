"""What Accept-Encoding comes to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interface_server.accepted_codings import IDENTITY, MAX_REMEMBERED, best_coding

OFFERED = ("br", "zstd", "gzip")


@pytest.mark.parametrize(
    ("said", "best"),
    [
        (b"gzip, deflate, br, zstd", "br"),
        (b"gzip, deflate", "gzip"),
        (b"GZIP", "gzip"),
        (b"x-gzip", "gzip"),
        (b"deflate", IDENTITY),
        (b"", IDENTITY),
        (b"*", "br"),
        (b"*;q=0.5, br;q=0", "zstd"),
        (b"br;q=0.5, gzip;q=0.8", "gzip"),
        (b"br;q=0.001", "br"),
        (b"br;q=0.5, identity", IDENTITY),
        (b"br;q=0.5, identity;q=0.5", "br"),
        (b"br;q=0, gzip;q=0.000", IDENTITY),
        (b"gzip ; q=0.5 , br\t;Q=0.4", "gzip"),
        (b"gzip;q=2, br;q=x, zstd;level=9", IDENTITY),
        (b"gzip, gzip;q=0", "gzip"),
        (b"identity;q=0, gzip;q=0.1", "gzip"),
        (b"identity;q=0", None),
        (b"*;q=0", None),
        (b"*;q=0, identity;q=0.1", IDENTITY),
        (b"identity;q=0, *", "br"),
        (b",, ,gzip,", "gzip"),
        (b"gzip, " + b"x" * MAX_REMEMBERED, "gzip"),
    ],
)
def test_the_heaviest_coding_counts(said: bytes, best: str | None) -> None:
    """Weights first, then the order of what is offered, plain content last."""
    assert best_coding([said], OFFERED) == best


def test_without_the_header_plain_content_is_meant() -> None:
    """A client that says nothing may know nothing."""
    assert best_coding([], OFFERED) == IDENTITY


def test_several_headers_are_one_list() -> None:
    """Source: RFC 9110 section 5.3."""
    assert best_coding([b"gzip;q=0.5", b"br"], OFFERED) == "br"


def test_only_what_is_offered_is_chosen() -> None:
    """The rest is not at hand."""
    assert best_coding([b"br, gzip"], ("gzip",)) == "gzip"
    assert best_coding([b"br, *;q=0.1"], ()) == IDENTITY
    assert best_coding([b"br, identity;q=0"], ()) is None


@given(st.binary(max_size=60), st.lists(st.sampled_from(OFFERED), unique=True))
def test_any_bytes_have_a_meaning(said: bytes, offered: list[str]) -> None:
    """No header breaks it, and nothing is chosen that is not offered."""
    assert best_coding([said], offered) in {None, IDENTITY, *offered}
