"""How an entry of a list looks in bytes; the scripts in `lua/` build the same.

An entry is a stamp that the script writes at send time, and what its sender packed:

    stamp   id u64 | sent ms u64 | expires ms u64 (0: never)        (24 bytes, big endian)
    rest    order u64 | attempt u16 | kind u8 | flags u8 |
            length u8, channel | length u8, receipt channel | payload

All up to the channel is called its header, all from there on its tail. What one commit says to one
inbox lies there as one element, a bundle. It looks like an entry of kind 7 with two empty names,
its order is the number of entries, its id that of the last one, and its payload those entries
without stamps, each behind its size (u32). Their ids follow on each other; receipts among them
never expire, which the flag 2 says of the bundle.

The payloads that a script writes itself, numbers in big endian again, names as in a tail:

    JOIN        group, and for somebody's device behind it: NUL, presence channel, NUL, user
    GROUP_MORE  epoch, empty without history | offset u64 | number u16, excluded channels | message
    REPLAY      group | epoch | offset u64 | flags u8 (1 gap, 2 end) | first offset u64 |
                number u16, of (size u32, message) each

Knows no list, no lease and no message.
"""

import struct
from collections.abc import Sequence

from channel_layer.layer import Entry, GroupMessage, Joining, Kind, Position, Replay
from shared.errors import InvalidMessage

HEADER = struct.Struct(">QQQQHBB")
STAMP_BYTES = 24
CHAINED = 1
"""The flag of an entry whose successor must be taken with it."""

MAX_ORDER = 2**53
"""The highest order of an event: scripts count in doubles."""

BUNDLE = 7
"""What stands in the place of a kind; readers see the entries in it."""

HOLDS_RECEIPTS = 2
"""The flag of a bundle with something that never expires."""

_REST = struct.Struct(">QHBBB")
_SIZED_REST = struct.Struct(">IQHBBB")

_KINDS = tuple(Kind)
"""By their numbers, which are 0 and up; calling `Kind` costs as much as the rest of `parse`."""

_KIND = HEADER.size - 2
_NAME = HEADER.size + 1
"""Where the channel's name begins."""

GAP, END = 1, 2
"""Flags of a replay."""

_OFFSET_AND_NUMBER = struct.Struct(">QH")
_REPLAY = struct.Struct(">QBQH")
_SIZE = struct.Struct(">I")

_unpack_header = HEADER.unpack_from
_unpack_sized = _SIZED_REST.unpack_from
_new = tuple.__new__
"""Makes an Entry at half the cost of calling it."""


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


def unstamped(
    kind: int,
    channel: str,
    receipt: str,
    payload: bytes,
    order: int = 0,
    attempt: int = 1,
    flags: int = 0,
) -> bytes:
    """An entry without its stamp; names are ASCII and at most 100 long.

    It begins with a NUL, which tells it from an operation in msgpack; so orders have a bound.
    """
    name = channel.encode("ascii")
    to = receipt.encode("ascii")
    return b"%b%b%c%b%b" % (
        _REST.pack(min(order, MAX_ORDER), attempt, kind, flags, len(name)),
        *(name, len(to), to, payload),
    )


def bundled(parts: Sequence[bytes], *, holds_receipts: bool) -> bytes:
    """A bundle of entries without stamps and receipt channels, itself without stamp."""
    flags = HOLDS_RECEIPTS if holds_receipts else 0
    pieces = [_REST.pack(len(parts), 1, BUNDLE, flags, 0), b"\0"]
    for part in parts:
        pieces += (_SIZE.pack(len(part)), part)
    return b"".join(pieces)


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
            packed[_NAME:name_end].decode("ascii", "ignore"),
            packed[receipt_end:],
            packed[name_end + 1 : receipt_end].decode("ascii", "ignore"),
            order,
            attempt,
            flags & CHAINED != 0,
            sent_ms,
        )
    except (struct.error, IndexError, ValueError) as error:
        raise InvalidMessage("entry", "a list entry", packed) from error


def parse_element(packed: bytes) -> list[Entry]:
    """What an element of a list holds: one entry, or those of a bundle.

    Raises: InvalidMessage when the bytes are neither.
    """
    if len(packed) <= _NAME or packed[_KIND] != BUNDLE:
        return [parse(packed)]
    try:
        last_id, sent_ms, _, number, *_ = _unpack_header(packed)
        return _parts(packed, last_id - number, sent_ms, number)
    except (struct.error, IndexError, ValueError) as error:
        raise InvalidMessage("entry", "a bundle of entries", packed) from error


def size_bytes(packed: bytes) -> int:
    """What an element of a list counts against its bound: as much as its entries would alone."""
    if len(packed) <= _NAME or packed[_KIND] != BUNDLE:
        return len(packed)
    number: int = _unpack_header(packed)[3]
    return len(packed) - _NAME - 1 + number * (STAMP_BYTES - _SIZE.size)


def _parts(packed: bytes, entry_id: int, sent_ms: int, number: int) -> list[Entry]:
    found: list[Entry] = []
    at = _NAME + 1
    for _ in range(number):
        size, order, attempt, kind, flags, name_bytes = _unpack_sized(packed, at)
        name_at = at + _SIZED_REST.size
        at += _SIZE.size + size
        name_end = name_at + name_bytes
        entry_id += 1
        found.append(
            _new(
                Entry,
                (
                    *(entry_id, _KINDS[kind], packed[name_at:name_end].decode("ascii", "ignore")),
                    *(packed[name_end + 1 : at], "", order, attempt, flags & CHAINED != 0, sent_ms),
                ),
            )
        )
    if at != len(packed):
        raise IndexError(f"expected the end at {at}, got {len(packed)} bytes")
    return found


def leased(packed: bytes) -> Entry:
    """As `parse`, but what is no entry behind its header has no channel and is all payload.

    Whoever leased it must know its id to end the lease. Raises: InvalidMessage without a header.
    """
    try:
        return parse(packed)
    except InvalidMessage:
        if len(packed) < HEADER.size:
            raise
        entry_id, sent_ms, _, order, attempt, _, _ = _unpack_header(packed)
        return Entry(entry_id, Kind.MESSAGE, "", packed, "", order, attempt, False, sent_ms)


def joining(entry: Entry) -> Joining:
    """What an entry of kind JOIN holds. Raises: InvalidMessage."""
    group, _, device = entry.payload.partition(b"\0")
    presence, _, user = device.partition(b"\0")
    try:
        return Joining(group.decode("ascii"), user.decode(), presence.decode("ascii"))
    except UnicodeDecodeError as error:
        raise InvalidMessage("join", "a JOIN payload", entry.payload) from error


def group_message(entry: Entry) -> GroupMessage:
    """What an entry of kind GROUP or GROUP_MORE holds. Raises: InvalidMessage."""
    payload = entry.payload
    if entry.kind is Kind.GROUP:
        return GroupMessage(payload, None, frozenset())
    try:
        epoch, at = _name_at(payload, 0)
        offset, number = _OFFSET_AND_NUMBER.unpack_from(payload, at)
        at += _OFFSET_AND_NUMBER.size
        excluded = []
        for _ in range(number):
            name, at = _name_at(payload, at)
            excluded.append(name)
    except (struct.error, IndexError, ValueError) as error:
        raise InvalidMessage("group message", "a GROUP_MORE payload", payload) from error
    position = Position(epoch, offset) if epoch else None
    return GroupMessage(payload[at:], position, frozenset(excluded))


def replay(entry: Entry) -> Replay:
    """What an entry of kind REPLAY holds. Raises: InvalidMessage."""
    payload = entry.payload
    try:
        group, at = _name_at(payload, 0)
        epoch, at = _name_at(payload, at)
        offset, flags, first, number = _REPLAY.unpack_from(payload, at)
        at += _REPLAY.size
        messages = []
        for index in range(number):
            (size,) = _SIZE.unpack_from(payload, at)
            at += _SIZE.size
            messages.append((first + index, _part(payload, at, size)))
            at += size
    except (struct.error, IndexError, ValueError) as error:
        raise InvalidMessage("replay", "a REPLAY payload", payload) from error
    position = Position(epoch, offset)
    return Replay(group, position, tuple(messages), flags & GAP != 0, flags & END != 0)


def pack_joining(joined: Joining) -> bytes:
    """The payload of a JOIN entry; what `joining` reads."""
    group, user, presence = joined
    return (f"{group}\0{presence}\0{user}" if user else group).encode()


def pack_group_message(payload: bytes, position: Position | None, exclude: Sequence[str]) -> bytes:
    """The payload of a GROUP_MORE entry; what `group_message` reads."""
    epoch, offset = position or ("", 0)
    names = b"".join(map(_packed_name, exclude))
    numbers = _OFFSET_AND_NUMBER.pack(offset, len(exclude))
    return b"".join((_packed_name(epoch), numbers, names, payload))


def pack_replay(replayed: Replay) -> bytes:
    """The payload of a REPLAY entry; what `replay` reads. The offsets follow on each other."""
    group, (epoch, offset), messages, is_gap, is_end = replayed
    flags = (GAP if is_gap else 0) | (END if is_end else 0)
    first = messages[0][0] if messages else 0
    numbers = _REPLAY.pack(offset, flags, first, len(messages))
    parts = [part for _, message in messages for part in (_SIZE.pack(len(message)), message)]
    return b"".join((_packed_name(group), _packed_name(epoch), numbers, *parts))


def _packed_name(name: str) -> bytes:
    """A name behind its length."""
    return bytes((len(name),)) + name.encode("ascii")


def _name_at(packed: bytes, at: int) -> tuple[str, int]:
    """The name that begins at `at` with its length, and where it ends."""
    length = packed[at]
    return _part(packed, at + 1, length).decode("ascii"), at + 1 + length


def _part(packed: bytes, at: int, length: int) -> bytes:
    """So many bytes from `at` on. Raises: IndexError when they are not all there."""
    if at + length > len(packed):
        raise IndexError(f"expected {length} bytes at {at}, got {len(packed) - at}")
    return packed[at : at + length]
