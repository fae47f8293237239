"""What goes into the scripts and what comes out, without a broker."""

import msgpack

from channel_layer import entries, redis_calls
from channel_layer.answers import Outcome, Verdict
from channel_layer.capacities import Capacities
from channel_layer.layer import Capacity, Done, Kind, Retry, Send
from channel_layer.redis_calls import ReadBefore, ScriptArguments, Waiting

ARGUMENTS = ScriptArguments(60_000, 3_600_000, Capacities(Capacity(10, 20), {"tight": 1}))
HEAD = [60_000, 3_600_000, 10, 20]


def unpacked(packed: bytes) -> list[object]:
    value: list[object] = msgpack.unpackb(packed, raw=False, strict_map_key=False)
    return value


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
    assert unpacked(ARGUMENTS.replay([b"l"], again=True)) == [*HEAD, ["l"], 1]
    assert unpacked(ARGUMENTS.reclaim(["w"], 5, 6, ["P!x"])) == [*HEAD, ["w"], 5, 6, ["P!"]]


def test_only_the_last_batch_is_trimmed_by_count() -> None:
    """The size of the last batch counts only where its last entry is what is acknowledged."""
    before = ReadBefore(5, 3, 100, "k")
    tail = [9, "e", "k"]
    assert unpacked(ARGUMENTS.inbox("P!", 5, before, 9, "e")) == [*HEAD, "P!", 5, 3, 100, *tail]
    assert unpacked(ARGUMENTS.inbox("P!", 4, before, 9, "e")) == [*HEAD, "P!", 4, 0, 0, *tail]


def test_replies() -> None:
    """Numbers are drops, minus one is a lost lease, a name is a full channel."""
    assert redis_calls.outcomes([0, 3, -1, b"a!b"]) == (
        *(Outcome(Verdict.DONE), Outcome(Verdict.DONE, dropped=3), Outcome(Verdict.FENCED)),
        Outcome(Verdict.FULL, "a!b"),
    )
    packed = entries.header(5, 1, 0, 2, 1, Kind.RECEIPT, 0) + entries.tail("P!c", "", b"x")
    committed = redis_calls.committed([[0], [packed], -1, 9])
    assert (committed.next_due_ms, committed.taken[0].id, committed.now_ms) == (None, 5, 9)
    assert redis_calls.received([7]) == (Waiting(7), None)
    reply = [b"e.1", -1, 1, b"none", packed, packed, b"none"]
    waiting, batch, before, unreadable = redis_calls.inbox_read(reply)
    assert (waiting.cut(9), batch.epoch, len(batch.entries)) == (9, "e.1", 2)
    assert batch.is_reaped
    assert before == ReadBefore(5, 3, 2 * len(packed) + 4, "e.1")
    assert unreadable == 2
    assert Waiting(4).cut(9) == 4
