"""What goes into the scripts and what comes out, without a broker."""

import msgpack
import pytest

from channel_layer import entries, redis_calls
from channel_layer.capacities import Capacities
from channel_layer.layer import (
    MAX_MESSAGE_BYTES,
    Capacity,
    Done,
    Kind,
    Operation,
    Outcome,
    Retry,
    Send,
    SendGroup,
    Verdict,
)
from channel_layer.redis_calls import ReadBefore, ScriptArguments, Waiting
from shared.errors import InvalidName, MessageTooLarge

ARGUMENTS = ScriptArguments(60_000, 3_600_000, Capacities(Capacity(10, 20), {"tight": 1}))
HEAD = [60_000, 3_600_000, 10, 20]


def unpacked(packed: bytes) -> list[object]:
    value: list[object] = msgpack.unpackb(packed, raw=False, strict_map_key=False)
    return value


@pytest.mark.parametrize(
    ("send", "expected"),
    [
        (Send("a", b"p"), [7, "a", "\x01a\x00p"]),
        (Send("P!c", b"p", "R!d"), [7, "P!", "\x03P!c\x03R!dp"]),
        (Send("a", b"p", order=3), [1, "a", "\x01a\x00p", 3, 0, 60_000, 0, 10, 20]),
        (Send("a", b"p", chained=True), [1, "a", "\x01a\x00p", 0, 1, 60_000, 0, 10, 20]),
        (Send("a", b"p", ttl_ms=0), [1, "a", "\x01a\x00p", 0, 0, 1, 0, 10, 20]),
        (Send("a", b"p", delay_ms=5), [1, "a", "\x01a\x00p", 0, 0, 60_000, 5, 10, 20]),
        (Send("a", b"p", urgent=True), [1, "a", "\x01a\x00p", 0, 0, 60_000, 0, 0, 20]),
        (Send("tight", b"p"), [1, "tight", "\x05tight\x00p", 0, 0, 60_000, 0, 1, 20]),
    ],
)
def test_sends_are_as_short_as_they_can_be(send: Send, expected: list[object]) -> None:
    """A send with all as usual has the short form, any other the whole one."""
    assert unpacked(ARGUMENTS.operation(send)) == expected


def test_arguments_are_one_array() -> None:
    """Each script's argument is one array, with times and bounds in front."""
    operation = ARGUMENTS.operation(Send("a", b"p"))
    assert unpacked(ARGUMENTS.send([operation], "c", 3, ordered=True)) == [
        *(*HEAD, "c", 3, 1, [[7, "a", "\x01a\x00p"]])
    ]
    done = [Done(7, (Send("a", b"p"),), force=True), Retry(8, 10, 2, "why")]
    assert unpacked(ARGUMENTS.commit("w", done, [9], ["a", "P!x"], 5, 1)) == [
        *(*HEAD, "w", [[1, 7, 1, [[7, "a", "\x01a\x00p"]]], [2, 8, 10, 2, "why"]], [9]),
        *(["a", "P!"], 5, 1),
    ]
    assert unpacked(ARGUMENTS.receive(["a"], 4)) == [*HEAD, ["a"], 4]
    assert unpacked(ARGUMENTS.replay(4, again=True)) == [*HEAD, 4, 1]
    assert unpacked(ARGUMENTS.reclaim(["w"], 5, 6, ["P!x"])) == [*HEAD, ["w"], 5, 6, ["P!"]]


def test_only_the_last_batch_is_trimmed_by_count() -> None:
    """The size of the last batch counts only where its last entry is what is acknowledged."""
    before = ReadBefore(5, 3, 100)
    assert unpacked(ARGUMENTS.inbox("P!", 5, before, 9, "e")) == [*HEAD, "P!", 5, 3, 100, 9, "e"]
    assert unpacked(ARGUMENTS.inbox("P!", 4, before, 9, "e")) == [*HEAD, "P!", 4, 0, 0, 9, "e"]


@pytest.mark.parametrize("kind", [Send, SendGroup])
def test_what_is_too_large(kind: type[Send] | type[SendGroup]) -> None:
    """A payload over the limit is refused with both sizes, one at the limit is not."""
    ARGUMENTS.operation(kind("a", b"x" * MAX_MESSAGE_BYTES))
    with pytest.raises(MessageTooLarge) as caught:
        ARGUMENTS.operation(kind("a", b"x" * (MAX_MESSAGE_BYTES + 1)))
    assert caught.value.limit_bytes == MAX_MESSAGE_BYTES


@pytest.mark.parametrize("operation", [Send("a", b"", receipt="not good"), Send("", b"")])
def test_wrong_names(operation: Operation) -> None:
    """Every name in an operation is checked, that of the receipt too."""
    with pytest.raises(InvalidName):
        ARGUMENTS.operation(operation)


def test_replies() -> None:
    """Numbers are drops, minus one is a lost lease, a name is a full channel."""
    assert redis_calls.outcomes([0, 3, -1, b"a!b"]) == (
        *(Outcome(Verdict.DONE), Outcome(Verdict.DONE, dropped=3), Outcome(Verdict.FENCED)),
        Outcome(Verdict.FULL, "a!b"),
    )
    packed = entries.header(5, 1, 0, 2, 1, Kind.RECEIPT, 0) + entries.tail("P!c", "", b"x")
    committed = redis_calls.committed([[0], [packed], -1])
    assert (committed.next_due_ms, committed.taken[0].id) == (None, 5)
    assert redis_calls.received([7]) == (Waiting(7), None)
    waiting, batch, before = redis_calls.inbox_read([b"e.1", -1, packed, packed])
    assert (waiting.cut(9), batch.epoch, len(batch.entries)) == (9, "e.1", 2)
    assert before == ReadBefore(5, 2, 2 * len(packed))
    assert Waiting(4).cut(9) == 4
