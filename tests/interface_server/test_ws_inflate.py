"""Compressed messages, inflated piece by piece under a bound."""

import tracemalloc
import zlib

import pytest
from autobahn.exception import PayloadCorruptError, PayloadExceededError

from interface_server.ws_inflate import Inflater

LIMIT = 10_000


def deflated(payload: bytes, tail: int = zlib.Z_SYNC_FLUSH) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    packed = stream.compress(payload) + stream.flush(tail)
    return packed.removesuffix(b"\0\0\xff\xff")


def message(*pieces: bytes, inflater: Inflater | None = None) -> bytes:
    """What a message in these pieces says."""
    inflater = inflater or Inflater(LIMIT)
    inflater.start_decompress_message()
    content = b"".join(inflater.decompress_message_data(piece) for piece in pieces)
    inflater.end_decompress_message()
    return content


@pytest.mark.parametrize("payload", [b"", b"a", b"ab" * 5000, bytes(range(256)) * 30])
def test_a_message_comes_back_whatever_its_pieces(payload: bytes) -> None:
    """Whole, byte by byte, and with empty pieces; one at the limit passes."""
    packed = deflated(payload)
    assert message(packed) == payload
    assert message(*(packed[at : at + 1] for at in range(len(packed)))) == payload
    assert message(b"", packed, b"") == payload


def test_each_message_stands_for_itself() -> None:
    """The context of one is not the next one's."""
    inflater = Inflater(LIMIT)
    assert [message(deflated(b"abc" * 50), inflater=inflater) for _ in range(3)] == [
        b"abc" * 50
    ] * 3


def test_a_last_block_may_end_a_message() -> None:
    """Source: RFC 7692 section 7.2.3.4."""
    assert message(deflated(b"Hello", zlib.Z_FINISH) + b"\0") == b"Hello"
    assert message(b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00") == b"Hello"


@pytest.mark.parametrize("over", [1, 2, 258, 30_000_000])
def test_a_bomb_is_not_inflated(over: int) -> None:
    """The message is refused one byte past the limit, in one piece or many, and not held."""
    stream = zlib.compressobj(9, wbits=-15)
    packed = stream.compress(bytes(LIMIT + over % 10_000_000))
    packed += b"".join(stream.compress(bytes(10_000_000)) for _ in range(over // 10_000_000))
    packed += stream.flush(zlib.Z_SYNC_FLUSH)[:-4]
    tracemalloc.start()
    with pytest.raises(PayloadExceededError):
        message(packed)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 200_000
    with pytest.raises(PayloadExceededError):
        message(*(packed[at : at + 7] for at in range(0, len(packed), 7)))


@pytest.mark.parametrize(
    "packed",
    [
        b"\xff\xff\xff",
        b"",
        deflated(b"some text that is long enough" * 9)[:-6],
        deflated(b"x", zlib.Z_FINISH) + b"more",
        deflated(b"x", zlib.Z_FINISH) + b"\0\0",
        b"\x03\x00" * 5000,
    ],
)
def test_what_is_no_whole_stream_is_refused(packed: bytes) -> None:
    """Garbage, a stream that was cut, and bytes behind its end: nothing is passed on silently."""
    with pytest.raises(PayloadCorruptError):
        message(packed)
