"""Chained sends: a chain is placed as a whole or not at all, and goes in one batch."""

from typing import Any

from pytest_twisted import ensureDeferred

from channel_layer.answers import Verdict
from channel_layer.layer import Send
from channel_layer.redis_blocking import RedisLayer
from channel_layer.redis_twisted import TwistedLayer


def chain(*payloads: bytes, channel: str = "tight.c") -> list[Send]:
    """The payloads chained to each other, the last one to none."""
    last = len(payloads) - 1
    return [Send(channel, one, chained=at < last) for at, one in enumerate(payloads)]


def test_a_chain_that_does_not_fit_is_not_placed_at_all(leases: Any) -> None:
    """No part of it overtakes the rest; what comes behind it is judged by itself."""
    layer = leases.layer
    outcomes = layer.perform([*chain(b"1", b"2", b"3"), Send("tight.c", b"alone")])
    assert [one.verdict for one in outcomes] == [Verdict.FULL] * 3 + [Verdict.DONE]
    assert outcomes[0].channel == "tight.c"
    assert [entry.payload for entry in layer.take("w", ["tight.c"], 5)] == [b"alone"]


def test_a_chain_that_fits_is_placed_in_order(leases: Any) -> None:
    """A reader that wants one entry gets what is chained to it too."""
    layer = leases.layer
    outcomes = layer.perform(chain(b"1", b"2"))
    assert [one.verdict for one in outcomes] == [Verdict.DONE] * 2
    assert [entry.payload for entry in layer.take("w", ["tight.c"], 1)] == [b"1", b"2"]


def test_a_chain_ends_where_the_list_changes(leases: Any) -> None:
    """Sends to another list are judged by themselves whatever stands before them."""
    other = Send("other", b"2")
    outcomes = leases.layer.perform([Send("tight.c", b"1", chained=True), other])
    assert [one.verdict for one in outcomes] == [Verdict.DONE] * 2


@ensureDeferred
async def test_a_chain_of_the_reactors_body_has_one_outcome(
    twisted: TwistedLayer, blocking: RedisLayer
) -> None:
    """FULL when nothing was placed; a chain longer than a batch is still one."""
    full = await twisted.perform_chain(chain(b"1", b"2", b"3"))
    assert (full.verdict, full.channel) == (Verdict.FULL, "tight.c")
    alone = twisted.perform(Send("tight.c", b"0"))
    done = twisted.perform_chain(chain(*(b"%d" % n for n in range(15)), channel="wide"))
    assert (await alone).verdict is Verdict.DONE
    assert (await done).verdict is Verdict.DONE
    assert len(blocking.take("w", ["wide"], 1)) == 15
    assert twisted.buffered_bytes == 0
