"""Turns content into its gzip, Brotli or Zstandard form, whole or piece by piece.

Decides nothing about which content that should be (`response_coding.py`).
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple, Protocol

from shared.errors import ConfigurationError

_GZIP = 16
"""Added to the bits of the window it makes zlib write gzip's head and sum."""


class Encoder(Protocol):
    """The content of one response on its way out."""

    def __call__(self, content: bytes, is_last: bool, /) -> bytes:
        """What a client needs to read all content so far; nothing may follow the last."""


class Coding(NamedTuple):
    """`whole` codes content that is complete; `encoder` makes what codes pieces."""

    whole: Callable[[bytes], bytes]
    encoder: Callable[[], Encoder]


CODINGS = ("gzip", "br", "zstd")
"""The names of all that can be chosen."""


def codings_of(names: Sequence[str]) -> Mapping[str, Coding]:
    """The codings of these names, in their order.

    Raises: ConfigurationError when the library of one is not installed.
    """
    known = {"gzip": _gzip_coding, "br": _brotli_coding, "zstd": _zstandard_coding}
    return {name: known[name]() for name in names}


def _gzip_coding() -> Coding:
    return Coding(lambda content: zlib.compress(content, 4, _GZIP + 15), _gzip_encoder)


def _gzip_encoder() -> Encoder:
    """23 KB; with the largest window 96 KB and 7 % fewer bytes."""
    coder = zlib.compressobj(4, zlib.DEFLATED, _GZIP + 12, 5)

    def encode(content: bytes, is_last: bool) -> bytes:
        coded = coder.compress(content)
        return coded + coder.flush(zlib.Z_FINISH if is_last else zlib.Z_SYNC_FLUSH)

    return encode


def _brotli_coding() -> Coding:
    brotli = _library("br", "brotli")
    return Coding(
        lambda content: bytes(brotli.compress(content, quality=4)), lambda: _brotli_encoder(brotli)
    )


def _brotli_encoder(brotli: Any) -> Encoder:
    """118 KB; quality 4 with a window of 18 bits takes 480 KB and gives 4 % fewer bytes."""
    coder = brotli.Compressor(quality=3, lgwin=14)

    def encode(content: bytes, is_last: bool) -> bytes:
        coded: bytes = coder.process(content)
        rest: bytes = coder.finish() if is_last else coder.flush()
        return coded + rest

    return encode


def _zstandard_coding() -> Coding:
    zstandard = _library("zstd", "zstandard")
    coder = zstandard.ZstdCompressor(level=3)
    return Coding(
        lambda content: bytes(coder.compress(content)), lambda: _zstandard_encoder(zstandard)
    )


def _zstandard_encoder(zstandard: Any) -> Encoder:
    """Some 30 KB; the level's own tables take 780 KB and give 5 % fewer bytes.

    Browsers take windows up to 8 MB. Source: RFC 9659 section 3.
    """
    tables = zstandard.ZstdCompressionParameters(
        window_log=15,
        hash_log=13,
        chain_log=13,
        search_log=1,
        min_match=5,
        strategy=zstandard.STRATEGY_DFAST,
    )
    # One for each response: a second use ends what the first has begun.
    coder = zstandard.ZstdCompressor(compression_params=tables).compressobj()

    def encode(content: bytes, is_last: bool) -> bytes:
        coded: bytes = coder.compress(content)
        mode = zstandard.COMPRESSOBJ_FLUSH_FINISH if is_last else zstandard.COMPRESSOBJ_FLUSH_BLOCK
        rest: bytes = coder.flush(mode)
        return coded + rest

    return encode


def _library(coding: str, name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigurationError(
            f"--compress {coding}: expected the library {name}, which is not installed; "
            "pip install 'channels-board[compression]' has it"
        ) from error
