"""The fields of responses as HPACK, at a tenth of what the hpack library takes for it.

Uses the static table and no dynamic one, as nginx does: what a field is encoded to does not depend
on what went before, so it is kept for all connections, and none has a table in memory.
"""

from collections.abc import Iterable
from typing import Any

from hpack.hpack import encode_integer
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.table import HeaderTable

MAX_KEPT = 4096
"""Encoded fields that are kept, half a megabyte or so; ours."""

MAX_KEPT_VALUE = 128
"""The longest value of a kept field; ours."""

_NEVER_THE_SAME = frozenset({b"x-request-id", b"set-cookie", b"location"})
"""Fields that are not worth a place."""

_NO_TABLE = b"\x20"
"""The dynamic table has no size: said once, it fits whatever a client allows. Source: RFC 7541
section 6.3."""

_INDEXED, _PLAIN, _NEVER_INDEXED = 0x80, 0x00, 0x10
"""How a field is represented. Source: RFC 7541 section 6."""

_HUFFMAN = 0x80

_huffman = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)
_kept: dict[tuple[bytes, bytes], bytes] = {}


class FieldEncoder:
    """The encoder of one connection, in the place of hpack's."""

    __slots__ = ("_is_begun", "header_table_size")

    def __init__(self) -> None:
        self._is_begun = False
        self.header_table_size = 4096
        """What the client allows, of which nothing is used."""

    def encode(self, fields: Iterable[Any], huffman: bool = True) -> bytes:
        """The block of these fields, each a tuple of name and value in bytes."""
        block = b"".join([_kept.get(field) or encoded(*field) for field in fields])
        if self._is_begun:
            return block
        self._is_begun = True
        return _NO_TABLE + block


def encoded(name: bytes, value: bytes) -> bytes:
    """One field."""
    if name in _NEVER_THE_SAME or len(value) > MAX_KEPT_VALUE:
        return _literal(name, _string(value))
    found = HeaderTable.STATIC_TABLE_MAPPING.get(name)
    whole = None if found is None else found[1].get(value)
    made = _literal(name, _shortest(value)) if whole is None else _integer(whole, 7, _INDEXED)
    if len(_kept) >= MAX_KEPT:
        _kept.clear()
    _kept[name, value] = made
    return made


def _literal(name: bytes, value: bytes) -> bytes:
    found = HeaderTable.STATIC_TABLE_MAPPING.get(name)
    kind = _NEVER_INDEXED if name == b"set-cookie" else _PLAIN
    index = 0 if found is None else found[0]
    return _integer(index, 4, kind) + (_shortest(name) if found is None else b"") + value


def _shortest(text: bytes) -> bytes:
    packed: bytes = _huffman.encode(text)
    if len(packed) < len(text):
        return _integer(len(packed), 7, _HUFFMAN) + packed
    return _string(text)


def _string(text: bytes) -> bytes:
    return _integer(len(text), 7, 0) + text


def _integer(number: int, prefix_bits: int, kind: int) -> bytes:
    made = encode_integer(number, prefix_bits)
    made[0] |= kind
    return bytes(made)
