"""What the encoder of responses makes, read by hpack's decoder."""

from hpack import Decoder
from hypothesis import given
from hypothesis import strategies as st

from interface_server.http2.fields import MAX_KEPT, FieldEncoder, encoded

NAMES = st.sampled_from([b":status", b"server", b"set-cookie", b"x-request-id", b"x-own", b"etag"])
FIELDS = st.lists(st.tuples(NAMES, st.binary(max_size=300)), max_size=20)


@given(st.lists(FIELDS, min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_blocks_are_read_back(blocks: list[list[tuple[bytes, bytes]]], table_size: int) -> None:
    """Whatever table a client allows, also none: each block says the same fields."""
    encoder, decoder = FieldEncoder(), Decoder()
    decoder.max_allowed_table_size = table_size
    encoder.header_table_size = table_size
    for block in blocks:
        assert [tuple(f) for f in decoder.decode(encoder.encode(block), raw=True)] == block


def test_common_fields_are_one_byte() -> None:
    """The static table is used, and Huffman's code where it is shorter."""
    assert encoded(b":status", b"200") == b"\x88"
    assert len(encoded(b"server", b"channels-board")) < 14
    assert encoded(b"set-cookie", b"a")[0] == 0x1F


def test_what_is_kept_is_bounded() -> None:
    """Fields that are never the same push the others out, not the memory up."""
    for number in range(MAX_KEPT + 10):
        encoded(b"x-own", b"%d" % number)
    from interface_server.http2 import fields

    assert len(fields._kept) <= MAX_KEPT
