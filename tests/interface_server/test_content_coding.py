"""gzip, Brotli and Zstandard: whole, piece by piece, and without their libraries."""

import sys
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from interface_server.content_coding import CODINGS, codings_of
from shared.errors import ConfigurationError

TEXT = b"<p>The rest of this page is the same for everybody.</p>\n" * 1000


def reader(coding: str) -> Callable[[bytes], bytes]:
    """Another program's decoder, which takes pieces."""
    made: dict[str, Callable[[], Callable[[bytes], bytes]]] = {
        "gzip": lambda: zlib.decompressobj(31).decompress,
        "br": lambda: brotli.Decompressor().process,
        "zstd": lambda: (
            zstandard.ZstdDecompressor(max_window_size=2**23).decompressobj().decompress
        ),
    }
    return made[coding]()


@pytest.mark.parametrize("coding", CODINGS)
def test_whole_content_comes_back(coding: str) -> None:
    """And is smaller on its way."""
    coded = codings_of([coding])[coding].whole(TEXT)
    assert reader(coding)(coded) == TEXT
    assert len(coded) < len(TEXT) / 10


@pytest.mark.parametrize("coding", CODINGS)
def test_each_piece_can_be_read_when_it_comes(coding: str) -> None:
    """A reader need not wait for the next; two responses do not touch each other."""
    made = codings_of([coding])[coding]
    encoders, readers = [made.encoder(), made.encoder()], [reader(coding), reader(coding)]
    for piece in (b"data: 1\n\n", b"data: 2\n\n", TEXT):
        for encode, read in zip(encoders, readers, strict=True):
            assert read(encode(piece, False)) == piece
    assert [read(encode(b"", True)) for encode, read in zip(encoders, readers, strict=True)]


@given(
    st.sampled_from(CODINGS),
    st.lists(st.binary(max_size=2000), max_size=5),
    st.binary(max_size=100),
)
def test_any_pieces_come_back(coding: str, pieces: list[bytes], last: bytes) -> None:
    """Empty ones, too, and whatever the last is."""
    encode, read = codings_of([coding])[coding].encoder(), reader(coding)
    coded = [encode(piece, False) for piece in pieces] + [encode(last, True)]
    assert b"".join(map(read, coded)) == b"".join(pieces) + last


@pytest.mark.parametrize(("coding", "library"), [("br", "brotli"), ("zstd", "zstandard")])
def test_a_missing_library_is_named(
    coding: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Together with what to install; gzip needs none."""
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigurationError, match=rf"{library}.*pip install.*\[compression\]"):
        codings_of(["gzip", coding])
    assert list(codings_of(["gzip"])) == ["gzip"]
