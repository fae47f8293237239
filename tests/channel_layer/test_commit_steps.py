"""What a worker commits as steps: replies to one inbox together, in order, the rest by itself."""

import pytest

from channel_layer import entries
from channel_layer.capacities import Capacities
from channel_layer.commit_steps import CommitSteps
from channel_layer.layer import Capacity, Done, Drop, Kind, Retry, Send, SendReceipt
from channel_layer.redis_operations import PackedOperations
from shared.errors import InvalidName


def steps(*items: Done | Retry) -> tuple[list[list[object]], list[bytes]]:
    capacities = Capacities(Capacity(10, 20), {"Q!": 3})
    made = CommitSteps(PackedOperations(60_000, capacities))
    for item in items:
        made.add(item)
    return made.packed()


def ids(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(8, "big") for number in numbers)


def reply(channel: str, payload: bytes = b"p") -> bytes:
    return entries.unstamped(Kind.MESSAGE, channel, "", payload)


def test_replies_of_a_batch_go_together() -> None:
    """One entry for each inbox, with who asked for which part, and bounds of that inbox."""
    packed, strings = steps(
        Done(1, (Send("P!a", b"p"), Send("P!a", b"q"))),
        Done(2),
        Done(3, (Send("Q!b", b"p"),)),
        Done(4, (Send("P!c", b"p"),)),
    )
    parts = [reply("P!a"), reply("P!a", b"q"), reply("P!c")]
    size = sum(map(len, parts)) + 3 * entries.STAMP_BYTES
    alone = reply("Q!b")
    assert packed == [
        [
            *(1, ids(1, 2, 3, 4), []),
            *("P!", b"\0\0\3", size, 10, 20),
            *("Q!", b"\2", len(alone) + entries.STAMP_BYTES, 3, 20),
        ]
    ]
    assert strings == [entries.bundled(parts, holds_receipts=False), alone]


def test_a_changed_state_goes_with_its_receipt() -> None:
    """The farewells of a step are told with their owners."""
    packed, strings = steps(
        Done(1, (SendReceipt("P!a", b"p", 3),)), Done(2, (SendReceipt("P!b", b"p", 4, b"bye"),))
    )
    assert packed[0][:3] == [1, ids(1, 2), [1, "P!b", b"bye"]]
    receipts = [
        entries.unstamped(Kind.RECEIPT, channel, "", b"p", order)
        for channel, order in (("P!a", 3), ("P!b", 4))
    ]
    assert strings == [entries.bundled(receipts, holds_receipts=True)]


def test_everything_else_keeps_its_place() -> None:
    """What is no reply, and what is forced, stands between the replies before and behind it."""
    packed, strings = steps(
        Done(1, (Send("P!a", b"p"),)),
        Done(2, (Send("P!b", b"p"), Drop("b?1"))),
        Retry(3, 10, 2, "why"),
        Done(4, (Send("P!c", b"p"),), force=True),
        Done(5, (Send("P!a", b"p"), Send("Q!a", b"p"))),
        Done(6),
    )
    assert [step[0] for step in packed] == [1, 2, 3, 2, 2, 1]
    assert [step[1] for step in packed] == [ids(number) for number in (1, 2, 3, 4, 5, 6)]
    assert packed[1:4] == [[2, ids(2), 0, 2], [3, ids(3), 10, 2, "why"], [2, ids(4), 1, 1]]
    assert strings[:2] == [reply("P!a"), reply("P!b")]
    assert strings[3] == reply("P!c")


def test_a_large_batch_is_several_steps() -> None:
    """Items of one step are told apart by a byte."""
    packed, _ = steps(*(Done(number, (Send("P!a", b"p"),)) for number in range(450)))
    assert [len(step[1]) // 8 for step in packed] == [120, 120, 120, 90]
    assert max(packed[0][4]) == 119


def test_wrong_names_are_refused() -> None:
    """Before anything is done."""
    with pytest.raises(InvalidName):
        steps(Done(1, (Send("P!!", b"p"),)))


def test_large_replies_stand_alone() -> None:
    """Past 64 KiB an item's replies are elements of their own: a bundle is read as a whole."""
    large = Done(1, tuple(Send("P!a", b"x" * 40_000) for _ in range(2)))
    small = Done(2, (Send("P!a", b"x" * 60_000),))
    packed, strings = steps(large, small)
    assert [step[0] for step in packed] == [2, 1]
    assert len(strings) == 3


def test_a_bundle_has_a_bound() -> None:
    """Past 256 KiB a second one begins."""
    packed, strings = steps(*(Done(n, (Send("P!a", b"x" * 60_000),)) for n in range(8)))
    assert [step[0] for step in packed] == [1, 1]
    assert all(len(string) <= 256 * 1024 + 1000 for string in strings)


def test_an_id_that_comes_twice_is_settled_twice() -> None:
    """The second time its lease is over, which is told of that one alone."""
    packed, _ = steps(Done(1, (Send("P!a", b"1"),)), Done(1, (Send("P!a", b"2"),)))
    assert [step[0] for step in packed] == [1, 2]
