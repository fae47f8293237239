"""Faults at the door of both bodies on Redis: what senders see of them, and what arrives."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import pytest_twisted
from pytest_twisted import ensureDeferred

import channel_layer
from channel_layer.answers import Outcome, Verdict
from channel_layer.layer import CloseSocket, Done, OpenSocket, Send
from channel_layer.redis_blocking import RedisLayer
from channel_layer.redis_twisted import TwistedLayer
from shared.errors import ChannelFull, ConfigurationError
from shared.fault_rules import fault_rule
from shared.settings import LayerSettings

RULES = ("lost:drop=1", "refused:full=1", "late:delay=40ms")
DONE = Outcome(Verdict.DONE)


@pytest.fixture
def faulty_settings(settings: LayerSettings) -> LayerSettings:
    """Settings with one channel for each fault."""
    return replace(settings, faults=tuple(map(fault_rule, RULES)))


@pytest.fixture
def faulty(faulty_settings: LayerSettings) -> Iterator[RedisLayer]:
    """The blocking body with faults."""
    layer = RedisLayer(faulty_settings)
    yield layer
    layer.close()


def lying(layer: RedisLayer, channel: str) -> list[bytes]:
    return [entry.payload for entry in layer.take("w", [channel], 100)]


def test_a_send_is_lost_without_a_word(faulty: RedisLayer, blocking: RedisLayer) -> None:
    """A lost send counts as done, leaves no trace, and its neighbours arrive."""
    batch = [Send("fine", b"1"), Send("lost", b"2"), Send("fine", b"3")]
    assert faulty.perform(batch) == (DONE, DONE, DONE)
    assert lying(blocking, "fine") == [b"1", b"3"]
    assert lying(blocking, "lost") == []
    assert blocking.channel_statistics("lost")["messages_count"] == 0


def test_a_send_is_refused(faulty: RedisLayer, blocking: RedisLayer) -> None:
    """A refused send looks like one to a full list, and is counted like one; urgent ones pass."""
    with pytest.raises(ChannelFull):
        faulty.send("refused", {})
    assert blocking.channel_statistics("refused")["channel_full_count"] == 1
    assert faulty.perform([Send("refused", b"u", urgent=True)]) == (DONE,)
    assert lying(blocking, "refused") == [b"u"]


def test_a_send_is_late(faulty: RedisLayer) -> None:
    """A late send cannot be taken before its delay is over, and its order is kept."""
    began_s = time.monotonic()
    faulty.perform([Send("late", b"1"), Send("late", b"2")])
    found: list[bytes] = []
    while len(found) < 2:
        found += [entry.payload for entry in faulty.take("w", ["late"], 9, 1000)]
    assert found == [b"1", b"2"]
    assert time.monotonic() - began_s >= 0.039


def test_faults_reach_commits(faulty: RedisLayer, blocking: RedisLayer) -> None:
    """In a commit a lost send is done, a refused one refuses its whole entry, unless forced."""
    blocking.perform([Send("work", b"1"), Send("work", b"2"), Send("work", b"3")])
    one, two, three = faulty.take("w1", ["work"], 3)
    outcomes = faulty.commit(
        "w1",
        [
            Done(one.id, (Send("lost", b""), Send("fine", b"1"))),
            Done(two.id, (Send("fine", b"2"), Send("refused", b""))),
            Done(three.id, (Send("fine", b"3"), Send("refused", b"")), force=True),
        ],
    ).outcomes
    assert outcomes[0] == DONE
    assert outcomes[1] == Outcome(Verdict.FULL, "refused")
    assert outcomes[2].verdict is Verdict.DONE
    assert faulty.held("w1") == (two,)
    assert lying(blocking, "fine") == [b"1", b"3"]


def test_a_chain_is_lost_whole(settings: LayerSettings, blocking: RedisLayer) -> None:
    """Of chained sends all arrive or none, whatever the dice say."""
    layer = RedisLayer(replace(settings, capacity=2000, faults=(fault_rule("chain:drop=0.5"),)))
    for number in range(40):
        layer.perform([Send("chain", b"%d" % number, chained=last) for last in (True, True, False)])
    layer.close()
    found = lying(blocking, "chain")
    assert 0 < len(found) < 120
    assert all(found.count(one) == 3 for one in found)


def test_a_disconnect_can_be_lost(faulty: RedisLayer, blocking: RedisLayer) -> None:
    """The send inside a closing meets faults too: lost, the socket is closed without a word."""
    one, two = "server.P!1", "server.P!2"
    faulty.perform([OpenSocket(one, b"bye"), OpenSocket(two, b"bye")])
    closes = [CloseSocket(one, Send("lost", b"")), CloseSocket(two, Send("refused", b""))]
    assert faulty.perform(closes) == (DONE, Outcome(Verdict.FULL, "refused"))
    assert blocking.reap_servers(silent_ms=-1000).disconnects == 1


@ensureDeferred
async def test_faults_on_the_reactor(twisted_faulty: TwistedLayer, blocking: RedisLayer) -> None:
    """The body for the reactor meets the same faults, with the answers that senders know."""
    assert await twisted_faulty.perform(Send("lost", b"")) == DONE
    with pytest.raises(ChannelFull):
        await twisted_faulty.send("refused", {})
    await twisted_faulty.perform(Send("fine", b"1"))
    assert lying(blocking, "fine") == [b"1"]
    assert lying(blocking, "lost") == []


@pytest_twisted.async_yield_fixture
async def twisted_faulty(faulty_settings: LayerSettings):
    """The body for the reactor with faults, connected."""
    from twisted.internet import reactor

    layer = TwistedLayer(reactor, faulty_settings)
    await layer.start()
    yield layer
    await layer.close()


def test_a_program_may_ask_for_faults(redis_url: str, prefix: str) -> None:
    """`connect` takes rules as text, and refuses a wrong one with the reason."""
    layer = channel_layer.connect(redis_url, prefix, faults=["refused:full=1"])
    with pytest.raises(ChannelFull):
        layer.send("refused", {})
    layer.close()
    with pytest.raises(ConfigurationError, match="got 'x'"):
        channel_layer.connect(redis_url, prefix, faults=["a:drop=x"])
