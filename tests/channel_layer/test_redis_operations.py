"""The arrays that operations become for the scripts, without a broker."""

from typing import Any

import pytest

from channel_layer.capacities import Capacities
from channel_layer.layer import (
    MAX_MESSAGE_BYTES,
    MAX_SEND_BYTES,
    Capacity,
    CloseSocket,
    Drop,
    History,
    Join,
    Leave,
    OpenSocket,
    Operation,
    Position,
    Send,
    SendGroup,
    SendReceipt,
)
from channel_layer.redis_operations import OperationArrays
from shared.errors import InvalidName, MessageTooLarge

ARRAYS = OperationArrays(60_000, Capacities(Capacity(10, 20), {"tight": 1}))
A = b"\x01a\x00p"
"""A tail of channel `a` with the payload `p`."""


@pytest.mark.parametrize(
    ("send", "expected"),
    [
        (Send("a", b"p"), [7, "a", A]),
        (Send("P!c", b"p", "R!d"), [7, "P!", b"\x03P!c\x03R!dp"]),
        (Send("a", b"p", order=3), [1, "a", A, 3, 0, 60_000, 0, 10, 20]),
        (Send("a", b"p", chained=True), [1, "a", A, 0, 1, 60_000, 0, 10, 20]),
        (Send("a", b"p", ttl_ms=0), [1, "a", A, 0, 0, 1, 0, 10, 20]),
        (Send("a", b"p", delay_ms=5), [1, "a", A, 0, 0, 60_000, 5, 10, 20]),
        (Send("a", b"p", urgent=True), [1, "a", A, 0, 0, 60_000, 0, 0, 20]),
        (Send("a", b"p", attempt=2), [1, "a", A, 0, 0, 60_000, 0, 10, 20, 2]),
        (Send("tight", b"p"), [1, "tight", b"\x05tight\x00p", 0, 0, 60_000, 0, 1, 20]),
    ],
)
def test_sends_are_as_short_as_they_can_be(send: Send, expected: list[object]) -> None:
    """A send with all as usual has the short form, any other the whole one."""
    assert ARRAYS.of(send) == expected


def test_too_many_excluded_are_refused() -> None:
    """More names than an entry can hold are refused before anything is done."""
    names = tuple(f"s.P!{number}" for number in range(65_536))
    with pytest.raises(MessageTooLarge):
        ARRAYS.of(SendGroup("g", b"", names))
    assert len(ARRAYS.of(SendGroup("g", b"", names[:30_000]))[3]) == 30_000


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (SendGroup("g", b"p"), [2, "g", b"p"]),
        (SendGroup("g", b"p", ("P!c", "a", "P!c")), [8, "g", b"p", ["P!c", "a"], 0, 1]),
        (SendGroup("g", b"p", history=History(3, 5)), [8, "g", b"p", [], 3, 5]),
        (Join("g", "P!c"), [3, "g", "P!c", 0, 0, 0]),
        (Join("g", "tight", is_known=True), [3, "g", "tight", 1, 20, 1]),
        (
            Join("g", "a", since=Position("e", 7)),
            [9, "g", "a", 0, 0, 0, 1, "e", 7, "", ""],
        ),
        (
            Join("g", "a", since=Position("", 7), user="u", presence="p"),
            [9, "g", "a", 0, 0, 0, 1, "", 0, "u", "p"],
        ),
        (Join("g", "a", user="u"), [9, "g", "a", 0, 0, 0, 0, "", 0, "u", ""]),
        (Leave("g", "a"), [4, "g", "a"]),
        (SendReceipt("a", b"p", 3), [5, "a", A, 3]),
        (SendReceipt("a", b"p", 3, b"bye"), [5, "a", A, 3, b"bye"]),
        (Drop("a"), [6, "a"]),
        (OpenSocket("P!c", b"bye"), [10, "P!c", b"bye"]),
        (CloseSocket("P!c"), [11, "P!c"]),
        (CloseSocket("P!c", Send("a", b"p")), [11, "P!c", [7, "a", A]]),
        (CloseSocket("P!c", Send("a", b"p"), "e.1"), [11, "P!c", [7, "a", A], "e.1"]),
    ],
)
def test_each_operation_has_its_array(operation: Operation, expected: list[object]) -> None:
    """What is as usual is left out, so common operations stay short."""
    assert ARRAYS.of(operation) == expected


@pytest.mark.parametrize(
    ("epoch", "offset"),
    [
        *(("e", -1), ("e", 2**60), ("ö", 1), ("x" * 201, 1), (7, 1), (None, 1)),
        *(("e", True), ("e", 1.5), ("e", float("nan")), ("e", float("inf")), ("e", "1")),
    ],
)
def test_a_position_that_cannot_be_is_nowhere(epoch: Any, offset: Any) -> None:
    """Scripts get whole numbers that they can count with and epochs of ASCII."""
    array = ARRAYS.of(Join("g", "a", since=Position(epoch, offset)))
    assert array[6:9] == [1, "?", 0]
    assert type(array[8]) is int


@pytest.mark.parametrize(
    ("kind", "limit"), [(Send, MAX_SEND_BYTES), (SendGroup, MAX_MESSAGE_BYTES)]
)
def test_what_is_too_large(kind: type[Send] | type[SendGroup], limit: int) -> None:
    """A payload over the limit is refused with both sizes, one at the limit is not."""
    ARRAYS.of(kind("a", b"x" * limit))
    with pytest.raises(MessageTooLarge) as caught:
        ARRAYS.of(kind("a", b"x" * (limit + 1)))
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
        ARRAYS.of(operation)
