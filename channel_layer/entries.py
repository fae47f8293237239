"""How an entry of a list looks in bytes; the scripts in `lua/` build the same.

An entry is a header that the script writes at send time, and a tail that the sender packed:

    header  id u64 | sent ms u64 | expires ms u64 (0: never) | order u64 | attempt u16 |
            kind u8 | flags u8                                     (36 bytes, big endian)
    tail    length u8, channel | length u8, receipt channel | payload

Knows no list, no lease and no message.
"""

import struct

from channel_layer.layer import Entry, Kind
from shared.errors import InvalidMessage

HEADER = struct.Struct(">QQQQHBB")
CHAINED = 1
"""The flag of an entry whose successor must be taken with it."""

_KINDS = tuple(Kind)
"""By their numbers, which are 0 and up; calling `Kind` costs as much as the rest of `parse`."""

_NAME = HEADER.size + 1
"""Where the channel's name begins."""

_unpack_header = HEADER.unpack_from


def tail(channel: str, receipt: str, payload: bytes) -> bytes:
    """The part of an entry that its sender packs; names are ASCII and at most 100 long."""
    name = channel.encode("ascii")
    to = receipt.encode("ascii")
    return b"".join((bytes((len(name),)), name, bytes((len(to),)), to, payload))


def header(
    entry_id: int, sent_ms: int, expires_ms: int, order: int, attempt: int, kind: Kind, flags: int
) -> bytes:
    """The part of an entry that is written when it is placed."""
    return HEADER.pack(entry_id, sent_ms, expires_ms, order, attempt, kind, flags)


def expires_ms(packed: bytes) -> int:
    """When an unread entry dies, in the broker's milliseconds; 0 for never."""
    return int(HEADER.unpack_from(packed)[2])


def parse(packed: bytes) -> Entry:
    """The entry in `packed`.

    Raises: InvalidMessage when the bytes are none.
    """
    try:
        entry_id, sent_ms, _, order, attempt, kind, flags = _unpack_header(packed)
        name_end = _NAME + packed[_NAME - 1]
        receipt_end = name_end + 1 + packed[name_end]
        return Entry(
            entry_id,
            _KINDS[kind],
            packed[_NAME:name_end].decode("ascii"),
            packed[receipt_end:],
            packed[name_end + 1 : receipt_end].decode("ascii"),
            order,
            attempt,
            flags & CHAINED != 0,
            sent_ms,
        )
    except (struct.error, IndexError, ValueError) as error:
        raise InvalidMessage("entry", "a list entry", packed) from error
