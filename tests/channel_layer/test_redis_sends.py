"""Batches on their way to the broker: gathered, numbered, repeated, refused."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_twisted
import redis
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater

from channel_layer.answers import Outcome, Verdict
from channel_layer.embedded import EmbeddedValkey
from channel_layer.layer import Send, SendGroup
from channel_layer.redis_blocking import RedisLayer
from channel_layer.redis_keys import RedisKeys
from channel_layer.redis_twisted import TwistedLayer
from shared.errors import StepRefused
from shared.settings import LayerSettings

KEYS = RedisKeys("channels")


@pytest.fixture
def valkey(tmp_path: Any) -> Iterator[EmbeddedValkey]:
    """A Valkey of this test's own, since its settings are changed."""
    made = EmbeddedValkey(tmp_path / "valkey")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def broker(valkey: EmbeddedValkey) -> Iterator["redis.Redis[bytes]"]:
    """A client of that Valkey."""
    with redis.Redis.from_url(valkey.url) as client:
        yield client


@pytest_twisted.async_yield_fixture
async def layer(valkey: EmbeddedValkey) -> AsyncIterator[TwistedLayer]:
    """A layer on that Valkey."""
    made = TwistedLayer(reactor, LayerSettings(valkey.url, capacity=100_000))
    await made.start()
    yield made
    await made.close()


def sends(layer: TwistedLayer, channel: str, *numbers: int) -> Any:
    return gatherResults(
        [layer.perform(Send(channel, b"%d" % number)) for number in numbers], consumeErrors=True
    )


def stored(valkey: EmbeddedValkey, channel: str) -> list[int]:
    blocking = RedisLayer(LayerSettings(valkey.url))
    taken = blocking.take("w", [channel], 10_000)
    blocking.close()
    return [int(entry.payload) for entry in taken]


def script_calls(broker: "redis.Redis[bytes]") -> int:
    stats = broker.info("commandstats")
    return int(stats.get("cmdstat_fcall", {"calls": 0})["calls"])


async def passed(begun: Any, broker: "redis.Redis[bytes]", attempts: int) -> None:
    """Wait until the layer tried to connect so often meanwhile without success."""
    before = int(broker.info("stats")["total_connections_received"])
    while int(broker.info("stats")["total_connections_received"]) < before + attempts:
        assert not begun.called
        await deferLater(reactor, 0.01)


@ensureDeferred
async def test_a_turn_is_one_call(
    layer: TwistedLayer, valkey: EmbeddedValkey, broker: "redis.Redis[bytes]"
) -> None:
    """All operations of one reactor turn go in one script call."""
    before = script_calls(broker)
    assert await sends(layer, "work", *range(200)) == [Outcome(Verdict.DONE)] * 200
    assert script_calls(broker) == before + 1
    assert stored(valkey, "work") == list(range(200))


@ensureDeferred
async def test_a_large_turn_is_cut(
    layer: TwistedLayer, valkey: EmbeddedValkey, broker: "redis.Redis[bytes]"
) -> None:
    """No call holds more than 500 operations or much more than a mebibyte."""
    before = script_calls(broker)
    await sends(layer, "work", *range(1200))
    await gatherResults([layer.perform(Send("large", b"x" * 600_000)) for _ in range(3)])
    assert script_calls(broker) == before + 3 + 3
    assert stored(valkey, "work") == list(range(1200))


@ensureDeferred
async def test_forgotten_scripts_are_loaded_again(
    layer: TwistedLayer, valkey: EmbeddedValkey, broker: "redis.Redis[bytes]"
) -> None:
    """After the broker forgot its scripts everything is performed, once and in order."""
    broker.script_flush()
    answers = []
    for first in range(0, 50, 10):
        answers.append(sends(layer, "work", *range(first, first + 10)))
        await deferLater(reactor, 0)
    await gatherResults(answers)
    assert stored(valkey, "work") == list(range(50))


@ensureDeferred
async def test_a_full_broker_is_waited_for(
    layer: TwistedLayer, valkey: EmbeddedValkey, broker: "redis.Redis[bytes]"
) -> None:
    """While the broker has no memory left operations wait; then they are performed."""
    broker.config_set("maxmemory", 1)
    waiting = sends(layer, "work", *range(10))
    await passed(waiting, broker, 2)
    assert layer.buffered_bytes > 0
    broker.config_set("maxmemory", 0)
    await waiting
    assert stored(valkey, "work") == list(range(10))


@ensureDeferred
async def test_a_replica_is_waited_for(
    layer: TwistedLayer, valkey: EmbeddedValkey, broker: "redis.Redis[bytes]"
) -> None:
    """While the broker is somebody's replica operations wait until it may be written to."""
    broker.execute_command("REPLICAOF", "127.0.0.1", "1")
    waiting = sends(layer, "work", *range(10))
    await passed(waiting, broker, 2)
    broker.execute_command("REPLICAOF", "NO", "ONE")
    await waiting
    assert stored(valkey, "work") == list(range(10))


@ensureDeferred
async def test_a_refused_batch_fails_alone(
    layer: TwistedLayer, valkey: EmbeddedValkey, broker: "redis.Redis[bytes]"
) -> None:
    """A step that the broker cannot do fails its own batch; those under way behind it are done."""
    broker.set(KEYS.servers("broken"), "no members")
    await sends(layer, "work", 0)
    failing = layer.perform(SendGroup("broken", b"x"))
    await deferLater(reactor, 0)
    answers = []
    for number in range(1, 30):
        answers.append(sends(layer, "work", number))
        await deferLater(reactor, 0)
    with pytest.raises(StepRefused, match="WRONGTYPE"):
        await failing
    await gatherResults(answers)
    assert stored(valkey, "work") == list(range(30))
    assert layer.buffered_bytes == 0


@ensureDeferred
async def test_a_refused_first_batch_fails_alone(
    layer: TwistedLayer, valkey: EmbeddedValkey, broker: "redis.Redis[bytes]"
) -> None:
    """The same holds for the first batch ever, whose name the broker does not know yet."""
    broker.set(KEYS.servers("broken"), "no members")
    failing = layer.perform(SendGroup("broken", b"x"))
    await deferLater(reactor, 0)
    answers = [sends(layer, "work", 1)]
    await deferLater(reactor, 0)
    answers.append(sends(layer, "work", 2))
    with pytest.raises(StepRefused):
        await failing
    await gatherResults(answers)
    await sends(layer, "work", 3)
    assert stored(valkey, "work") == [1, 2, 3]


@ensureDeferred
async def test_a_broker_that_went_back_in_time(
    layer: TwistedLayer, valkey: EmbeddedValkey, broker: "redis.Redis[bytes]"
) -> None:
    """When the broker lost its last second, counting starts anew and nothing stops."""
    for number in range(3):
        await sends(layer, "work", number)
    (batches,) = broker.keys(KEYS.base + "batch:*")
    broker.hset(batches, "last", 1)
    broker.hdel(batches, "2", "3")
    await sends(layer, "work", 3)
    await sends(layer, "work", 4)
    assert stored(valkey, "work") == [0, 1, 2, 3, 4]
