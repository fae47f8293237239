"""A gzip answer out of pieces that were compressed before, with a reader's own words between them.

So a page is compressed once and not for each reader. A reader's words stand in it as they are:
what is secret is never compressed beside anything that others choose, so that its size tells
nothing of it (BREACH).
Source: RFC 1951 section 3.2 (blocks), RFC 1952 section 2.3 (the frame around them).
"""

import functools
import re
import zlib
from collections.abc import Iterable

_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
"""No time, no name; compressed well, on an unknown system."""

_LAST_BLOCK = b"\x03\x00"
"""An empty block that says it is the last."""

_CODING = re.compile(r"\s*(gzip|x-gzip|\*)\s*(?:;\s*q\s*=\s*([0-9.]+)\s*)?", re.IGNORECASE)


def deflated(piece: bytes) -> bytes:
    """Whole blocks that stand for the piece, whatever is before and behind them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)


def stored(own: bytes) -> bytes:
    """A block that holds at most 65,535 bytes as they are."""
    size = len(own)
    return b"\x00%b%b%b" % (size.to_bytes(2, "little"), (size ^ 0xFFFF).to_bytes(2, "little"), own)


def gzipped(plain: Iterable[bytes], blocks: Iterable[bytes]) -> bytes:
    """The frame around `blocks`, which stand for `plain`."""
    checksum = size = 0
    for piece in plain:
        checksum = zlib.crc32(piece, checksum)
        size += len(piece)
    end = checksum.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little")
    return b"".join((_HEAD, *blocks, _LAST_BLOCK, end))


@functools.lru_cache(maxsize=64)
def accepts_gzip(accept_encoding: str) -> bool:
    """Whether a client takes gzip by its Accept-Encoding. Source: RFC 9110 section 12.5.3."""
    named: dict[str, bool] = {}
    for part in accept_encoding[:1000].split(","):
        found = _CODING.fullmatch(part)
        if found is not None:
            coding = "*" if found[1] == "*" else "gzip"
            named.setdefault(coding, re.fullmatch(r"0(\.0*)?", found[2] or "1") is None)
    return named.get("gzip", named.get("*", False))
