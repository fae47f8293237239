"""The reactor's body: brokers that come and go, closing, and readers that give up."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
import pytest_twisted
import redis
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater

from channel_layer.answers import InboxBatch, Verdict
from channel_layer.embedded import EmbeddedValkey
from channel_layer.layer import Done, Join, Send, SendGroup
from channel_layer.redis_blocking import RedisLayer
from channel_layer.redis_twisted import TwistedLayer
from shared.errors import InvalidName, LayerUnavailable, MessageTooLarge
from shared.settings import LayerSettings

INBOX = "server.P!"


@pytest_twisted.async_yield_fixture
async def valkey(tmp_path: Any) -> AsyncIterator[EmbeddedValkey]:
    """A Valkey of this test's own, with its data on disk before it answers."""
    made = EmbeddedValkey(tmp_path / "valkey", appendfsync="always")
    made.start()
    yield made
    made.stop()


async def until(fact: Callable[[], bool]) -> None:
    """Let the reactor turn until `fact` holds; the test's time-out ends a vain wait."""
    while not fact():
        await deferLater(reactor, 0.005)


async def begin(twisted: TwistedLayer) -> InboxBatch:
    """The first look at an inbox gives its epoch at once."""
    batch = await twisted.read_inbox(INBOX, 0, 100)
    assert batch.entries == ()
    return batch


def payloads(batch: InboxBatch) -> list[bytes]:
    return [entry.payload for entry in batch.entries]


@ensureDeferred
async def test_operations_keep_their_order(twisted: TwistedLayer, blocking: RedisLayer) -> None:
    """Operations of one turn and of many are performed in the order of the calls."""
    answers = []
    for number in range(20):
        answers.append(twisted.perform(Send("work", b"%d" % number)))
        if number % 3 == 0:
            await deferLater(reactor, 0)
    assert {outcome.verdict for outcome in await gatherResults(answers)} == {Verdict.DONE}
    taken = blocking.take("w", ["work"], 100)
    assert [entry.payload for entry in taken] == [b"%d" % number for number in range(20)]


@ensureDeferred
async def test_each_operation_has_its_own_verdict(twisted: TwistedLayer) -> None:
    """In one batch a full channel fails its own operation only."""
    outcomes = await gatherResults(
        [twisted.perform(Send(channel, b"x")) for channel in ("tight.a",) * 3 + ("tight.b",)]
    )
    assert [outcome.verdict for outcome in outcomes] == [
        *(Verdict.DONE, Verdict.DONE, Verdict.FULL, Verdict.DONE)
    ]
    for wrong, error in (
        (Send("not good", b""), InvalidName),
        (Send("a", b"x" * 2**25), MessageTooLarge),
        (Join("g!", "a"), InvalidName),
    ):
        with pytest.raises(error):
            await twisted.perform(wrong)


@ensureDeferred
async def test_only_trouble_is_heard(twisted: TwistedLayer) -> None:
    """What is submitted keeps its place; its sender hears of a full list and of what is wrong,
    and what it then raises harms no other."""
    troubles: list[Any] = []

    def hear(came: Any) -> None:
        troubles.append(came)
        raise ValueError

    twisted.submit(Send("tight.a", b"0"), hear)
    for _ in range(2):
        twisted.submit(Send("tight.a", b"1"), hear)
    last = await twisted.perform(Send("tight.a", b"2"))
    assert last.verdict is Verdict.FULL
    assert {came.verdict for came in troubles} == {Verdict.FULL}
    twisted.submit(Send("not good", b""), troubles.append)
    assert isinstance(troubles[-1], InvalidName)
    await twisted.close()
    twisted.submit(Send("a", b""), troubles.append)
    assert isinstance(troubles[-1], LayerUnavailable)


@ensureDeferred
async def test_it_waits_for_a_broker(free_port: int, tmp_path: Any) -> None:
    """Started without a broker it keeps trying; what was to be performed meanwhile is performed."""
    layer = TwistedLayer(reactor, LayerSettings(f"redis://127.0.0.1:{free_port}/0"))
    starting = layer.start()
    answer = layer.perform(Send("work", b"early"))
    reading = layer.read_inbox(INBOX, 0, 10)
    await deferLater(reactor, 0.1)
    assert not starting.called
    assert not layer.is_up
    valkey = EmbeddedValkey(tmp_path / "v", free_port)
    valkey.start()
    await starting
    assert layer.is_up
    assert (await answer).verdict is Verdict.DONE
    assert (await reading).entries == ()
    await layer.close()
    valkey.stop()


@ensureDeferred
async def test_a_killed_broker(valkey: EmbeddedValkey) -> None:
    """Kill -9 of a durable broker: reads and sends wait; what was there is there afterwards."""
    layer = TwistedLayer(reactor, LayerSettings(valkey.url))
    await layer.start()
    epoch = (await begin(layer)).epoch
    await layer.perform(Join("g", INBOX + "c"))
    batch = await layer.read_inbox(INBOX, 0, 10)
    reading = layer.read_inbox(INBOX, batch.entries[-1].id, 10)
    valkey.kill()
    await until(lambda: not layer.is_up)
    answer = layer.perform(SendGroup("g", b"after"))
    assert layer.buffered_bytes > 0
    valkey.start()
    assert (await answer).dropped == 0
    assert layer.buffered_bytes == 0
    batch = await reading
    assert (payloads(batch), batch.epoch) == ([b"after"], epoch)
    await layer.close()


@ensureDeferred
async def test_a_bounded_buffer(valkey: EmbeddedValkey) -> None:
    """While the broker is away, what is over the bound fails at once and the rest waits."""
    layer = TwistedLayer(reactor, LayerSettings(valkey.url), buffer_bytes=3000)
    await layer.start()
    valkey.kill()
    await until(lambda: not layer.is_up)
    answers = [layer.perform(Send("work", b"x" * 1000)) for _ in range(2)]
    with pytest.raises(LayerUnavailable, match="wait for Redis"):
        await layer.perform(Send("work", b"x" * 1000))
    valkey.start()
    assert {outcome.verdict for outcome in await gatherResults(answers)} == {Verdict.DONE}
    await layer.close()


@ensureDeferred
async def test_closing(valkey: EmbeddedValkey) -> None:
    """Closing sends what waits; afterwards everything fails, waiting reads too."""
    layer = TwistedLayer(reactor, LayerSettings(valkey.url))
    await layer.start()
    await begin(layer)
    reading = layer.read_inbox(INBOX, 0, 10)
    receiving = layer.receive_twisted(["a"])
    await deferLater(reactor, 0.02)
    answer = layer.perform(Send("work", b"last"))
    await layer.close()
    assert (await answer).verdict is Verdict.DONE
    for failing in (reading, receiving, layer.perform(Send("work", b"late"))):
        with pytest.raises(LayerUnavailable):
            await failing
    other = RedisLayer(LayerSettings(valkey.url))
    assert [entry.payload for entry in other.take("w", ["work"], 9)] == [b"last"]
    other.close()


@ensureDeferred
async def test_closing_without_a_broker(free_port: int) -> None:
    """A layer that never found its broker closes at once, and what waited fails."""
    layer = TwistedLayer(reactor, LayerSettings(f"redis://127.0.0.1:{free_port}/0"))
    starting = layer.start()
    answer = layer.perform(Send("work", b"x"))
    await layer.close()
    for failing in (answer, starting):
        with pytest.raises(Exception, match="closed"):
            await failing


@ensureDeferred
async def test_settings_reach_the_broker(valkey: EmbeddedValkey) -> None:
    """Password and database of the URL are used."""
    with redis.Redis.from_url(valkey.url) as broker:
        broker.config_set("requirepass", "s3cret")
    url = valkey.url.replace("redis://", "redis://:s3cret@").replace("/0", "/5")
    settings = replace(LayerSettings(url), prefix="other")
    layer = TwistedLayer(reactor, settings)
    await layer.start()
    await layer.send("work", {"n": 1})
    blocking = RedisLayer(settings)
    assert blocking.receive(["work"]) == ("work", {"n": 1})
    entry_free = blocking.commit("w", [Done(1)])
    assert entry_free.outcomes[0].verdict is Verdict.FENCED
    with redis.Redis.from_url(url) as broker:
        assert all(key.startswith(b"{other}:") for key in broker.scan_iter())
    blocking.close()
    await layer.close()
