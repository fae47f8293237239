"""What goes into the functions and what comes out, without a broker."""

from typing import Any

import hiredis
import msgpack

from channel_layer import entries, redis_calls
from channel_layer.answers import Outcome, Verdict
from channel_layer.capacities import Capacities
from channel_layer.layer import Capacity, Done, Entry, Kind, Retry, Send
from channel_layer.redis_calls import ScriptArguments, Waiting
from channel_layer.redis_commands import Arguments, packed_call

ARGUMENTS = ScriptArguments(60_000, 3_600_000, Capacities(Capacity(10, 20), {"tight": 1}))
HEAD = [60_000, 3_600_000, 10, 20]
A = entries.unstamped(Kind.MESSAGE, "a", "", b"p")


def sent(arguments: Arguments) -> list[bytes]:
    """The strings behind the key, as the broker reads them."""
    reader = hiredis.Reader()
    reader.feed(packed_call(b"f", b"k", arguments))
    command, function, number, key, *strings = reader.gets()
    assert (command, function, number, key) == (b"FCALL", b"f", b"1", b"k")
    assert len(strings) == arguments.number
    return strings


def unpacked(packed: bytes) -> list[object]:
    value: list[object] = msgpack.unpackb(packed, raw=True, strict_map_key=False)
    return value


def own(arguments: Arguments) -> list[Any]:
    """What stands behind times and bounds in the first string, which is the only one."""
    (only,) = sent(arguments)
    head, rest = unpacked(only)[:4], unpacked(only)[4:]
    assert head == HEAD
    return rest


def test_the_first_string_is_an_array() -> None:
    """It has times and bounds in front; operations are strings of their own behind it."""
    operation = ARGUMENTS.operation(Send("a", b"p"))
    first, *rest = sent(ARGUMENTS.send([operation, operation], "c", 3, ordered=True))
    assert unpacked(first) == [*HEAD, b"c", 3, 1]
    assert rest == [A, A]
    assert own(ARGUMENTS.receive(["a"], 4)) == [[b"a"], 4]
    assert own(ARGUMENTS.replay(b"l", again=True)) == [b"l", 1]
    assert own(ARGUMENTS.reclaim(["w"], 5, 6, ["P!x"])) == [[b"w"], 5, 6, [b"P!"]]
    assert own(ARGUMENTS.inbox("P!", 5, "k", 9, "e")) == [b"P!", 5, 9, b"e", b"k", *HEAD[2:]]


def test_a_commit() -> None:
    """Ids are 8 bytes each; the operations of the items are strings behind the array."""
    done = [Done(7, (Send("a", b"p"),), force=True), Retry(8, 10, 2, "why")]
    first, *rest = sent(ARGUMENTS.commit("w", done, [9, 10], ["a", "P!x"], 5, 1))
    seven, eight, nine, ten = (number.to_bytes(8, "big") for number in (7, 8, 9, 10))
    assert unpacked(first) == [
        *(*HEAD, b"w", 5, 1, [b"a", b"P!"], nine + ten),
        [[2, seven, 1, 1], [3, eight, 10, 2, b"why"]],
    ]
    assert rest == [A]


def test_replies() -> None:
    """Numbers are drops, minus one is a lost lease, a name is a full channel; one alone is all."""
    assert redis_calls.outcomes([0, 3, -1, b"a!b"]) == (
        *(Outcome(Verdict.DONE), Outcome(Verdict.DONE, dropped=3), Outcome(Verdict.FENCED)),
        Outcome(Verdict.FULL, "a!b"),
    )
    assert redis_calls.outcomes(2) == (Outcome(Verdict.DONE),) * 2
    packed = entries.header(5, 1, 0, 2, 1, Kind.RECEIPT, 0) + entries.tail("P!c", "", b"x")
    committed = redis_calls.committed([1, [packed], -1, 9])
    assert (committed.next_due_ms, committed.taken[0].id, committed.now_ms) == (None, 5, 9)
    assert redis_calls.received([7]) == (Waiting(7), None)
    assert Waiting(4).cut(9) == 4


def stamped(unstamped: bytes, last_id: int) -> bytes:
    return last_id.to_bytes(8, "big") + (1).to_bytes(8, "big") + bytes(8) + unstamped


def test_a_read_inbox() -> None:
    """The entries of bundles come singly; what was acknowledged is left out, the rest is cut."""
    parts = [entries.unstamped(Kind.MESSAGE, f"P!{n}", "", b"x") for n in range(4)]
    bundle = stamped(entries.bundled(parts, holds_receipts=False), 13)
    reply = [b"e.1", -1, 1, b"none", stamped(A, 9), bundle, stamped(A, 14), b"none"]

    def ids(acknowledged: int, count: int) -> tuple[int, ...]:
        return tuple(
            one.id for one in redis_calls.inbox_read(reply, acknowledged, count)[1].entries
        )

    waiting, batch, unreadable = redis_calls.inbox_read(reply, 0, 100)
    assert (waiting.cut(9), batch.epoch, batch.is_reaped, unreadable) == (9, "e.1", True, 2)
    assert ids(0, 100) == (9, 10, 11, 12, 13, 14)
    assert ids(11, 100) == (12, 13, 14)
    assert ids(11, 2) == (12, 13)
    assert redis_calls.inbox_read(reply, 11, 2)[0].cut(9) == 0, "there is more"
    assert batch.entries[1] == Entry(10, Kind.MESSAGE, "P!0", b"x", sent_ms=1)


def test_what_a_worker_holds() -> None:
    """A lease has entries alone, or behind the name of their list; its mark is none."""
    group = stamped(entries.unstamped(Kind.GROUP, "g", "", b"x"), 3)
    held = redis_calls.held_entries([b"P!\0" + group, b"1", stamped(A, 2)])
    assert [(entry.id, entry.kind) for entry in held] == [(2, Kind.MESSAGE), (3, Kind.GROUP)]
