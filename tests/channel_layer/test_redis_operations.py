"""The bytes that operations become for the functions, without a broker."""

from typing import Any

import msgpack
import pytest

from channel_layer import entries
from channel_layer.capacities import Capacities
from channel_layer.layer import (
    MAX_MESSAGE_BYTES,
    MAX_SEND_BYTES,
    Capacity,
    CloseSocket,
    Drop,
    History,
    Join,
    Kind,
    Leave,
    OpenSocket,
    Operation,
    Position,
    Send,
    SendGroup,
    SendReceipt,
)
from channel_layer.redis_operations import PackedOperations, Part
from shared.errors import InvalidName, MessageTooLarge

PACKED = PackedOperations(60_000, Capacities(Capacity(10, 20), {"tight": 1}))


def whole(
    channel: str, receipt: str = "", order: int = 0, attempt: int = 1, flags: int = 0
) -> bytes:
    """A message `p` without its stamp."""
    return entries.unstamped(Kind.MESSAGE, channel, receipt, b"p", order, attempt, flags)


def receipt(channel: str) -> bytes:
    """A receipt `p` of order 3 without its stamp."""
    return entries.unstamped(Kind.RECEIPT, channel, "", b"p", 3)


def array(operation: Operation) -> list[Any]:
    """What an operation is that is no entry as it stands."""
    found: list[Any] = msgpack.unpackb(PACKED.of(operation), raw=True)
    return found


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (Send("a", b"p"), whole("a")),
        (Send("P!c", b"p", "R!d"), whole("P!c", "R!d")),
        (Send("a", b"p", order=3), whole("a", order=3)),
        (Send("a", b"p", chained=True), whole("a", flags=1)),
        (Send("a", b"p", attempt=2), whole("a", attempt=2)),
        (SendReceipt("a", b"p", 3), receipt("a")),
    ],
)
def test_most_are_entries_that_lack_their_stamp(operation: Operation, expected: bytes) -> None:
    """A send with the usual life and bounds, and a receipt, are written as they will lie there."""
    assert PACKED.of(operation) == expected
    assert expected[:1] == b"\0"


@pytest.mark.parametrize(
    ("send", "expected"),
    [
        (Send("a", b"p", ttl_ms=0), [1, b"a", whole("a"), 1, 0, 10, 20]),
        (Send("a", b"p", delay_ms=5), [1, b"a", whole("a"), 60_000, 5, 10, 20]),
        (Send("a", b"p", urgent=True), [1, b"a", whole("a"), 60_000, 0, 0, 20]),
        (Send("tight", b"p"), [1, b"tight", whole("tight"), 60_000, 0, 1, 20]),
    ],
)
def test_a_send_with_more_to_tell(send: Send, expected: list[object]) -> None:
    """Another life, another time or other bounds stand beside the entry."""
    assert array(send) == expected


@pytest.mark.parametrize(
    ("operation", "part"),
    [
        (Send("P!c", b"p", order=2), Part("P!", whole("P!c", order=2), False)),
        (SendReceipt("P!c", b"p", 3), Part("P!", receipt("P!c"), True, "P!c")),
        (SendReceipt("P!c", b"p", 3, b"bye"), Part("P!", receipt("P!c"), True, "P!c", b"bye")),
        *((Send("P!c", b"p", "R!d"), None), (Send("a", b"p"), None)),
        *((Send("P!c", b"p", urgent=True), None), (Send("P!c", b"p", delay_ms=1), None)),
        *((SendReceipt("a", b"p", 3), None), (Leave("g", "P!c"), None)),
    ],
)
def test_what_goes_to_an_inbox_together(operation: Operation, part: Part | None) -> None:
    """Replies as usual and receipts, and what else a receipt changes."""
    assert PACKED.part_of(operation) == part


def test_too_many_excluded_are_refused() -> None:
    """More names than an entry can hold are refused before anything is done."""
    names = tuple(f"s.P!{number}" for number in range(65_536))
    with pytest.raises(MessageTooLarge):
        PACKED.of(SendGroup("g", b"", names))
    assert len(array(SendGroup("g", b"", names[:30_000]))[3]) == 30_000


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (SendGroup("g", b"p"), [2, b"g", b"p"]),
        (SendGroup("g", b"p", ("P!c", "a", "P!c")), [8, b"g", b"p", [b"P!c", b"a"], 0, 1]),
        (SendGroup("g", b"p", history=History(3, 5)), [8, b"g", b"p", [], 3, 5]),
        (Join("g", "P!c"), [3, b"g", b"P!c", 0, 0, 0]),
        (Join("g", "tight", is_known=True), [3, b"g", b"tight", 1, 20, 1]),
        (
            Join("g", "a", since=Position("e", 7)),
            [9, b"g", b"a", 0, 0, 0, 1, b"e", 7, b"", b""],
        ),
        (
            Join("g", "a", since=Position("", 7), user="u", presence="p"),
            [9, b"g", b"a", 0, 0, 0, 1, b"", 0, b"u", b"p"],
        ),
        (Join("g", "a", user="u"), [9, b"g", b"a", 0, 0, 0, 0, b"", 0, b"u", b""]),
        (Leave("g", "a"), [4, b"g", b"a"]),
        (SendReceipt("a", b"p", 3, b"bye"), [5, receipt("a"), b"bye"]),
        (Drop("a"), [6, b"a"]),
        (OpenSocket("P!c", b"bye"), [10, b"P!c", b"bye"]),
        (CloseSocket("P!c"), [11, b"P!c"]),
        (CloseSocket("P!c", Send("a", b"p")), [11, b"P!c", whole("a")]),
        (CloseSocket("P!c", Send("a", b"p"), "e.1"), [11, b"P!c", whole("a"), b"e.1"]),
    ],
)
def test_each_operation_has_its_array(operation: Operation, expected: list[object]) -> None:
    """What is as usual is left out, so common operations stay short."""
    assert array(operation) == expected


@pytest.mark.parametrize(
    ("epoch", "offset"),
    [
        *(("e", -1), ("e", 2**60), ("ö", 1), ("x" * 201, 1), (7, 1), (None, 1)),
        *(("e", True), ("e", 1.5), ("e", float("nan")), ("e", float("inf")), ("e", "1")),
    ],
)
def test_a_position_that_cannot_be_is_nowhere(epoch: Any, offset: Any) -> None:
    """Scripts get whole numbers that they can count with and epochs of ASCII."""
    join = array(Join("g", "a", since=Position(epoch, offset)))
    assert join[6:9] == [1, b"?", 0]
    assert type(join[8]) is int


@pytest.mark.parametrize(
    ("kind", "limit"), [(Send, MAX_SEND_BYTES), (SendGroup, MAX_MESSAGE_BYTES)]
)
def test_what_is_too_large(kind: type[Send] | type[SendGroup], limit: int) -> None:
    """A payload over the limit is refused with both sizes, one at the limit is not."""
    PACKED.of(kind("a", b"x" * limit))
    with pytest.raises(MessageTooLarge) as caught:
        PACKED.of(kind("a", b"x" * (limit + 1)))
    assert caught.value.limit_bytes == limit


@pytest.mark.parametrize(
    "operation",
    [
        Send("a", b"", receipt="not good"),
        Send("", b""),
        SendGroup("g", b"", ("not good",)),
        Join("g", "a", user="u", presence="P!c"),
        Join("g", "a", user="u" * 500),
        OpenSocket("a", b""),
        CloseSocket("a?b"),
        CloseSocket("P!c", Send("", b"")),
    ],
)
def test_wrong_names(operation: Operation) -> None:
    """Every name in an operation is checked, that of the receipt too."""
    with pytest.raises(InvalidName):
        PACKED.of(operation)
