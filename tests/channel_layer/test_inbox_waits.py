"""How a reader of an inbox waits: behind what it got it waits at once, unless that takes room."""

import struct
import time
from collections.abc import AsyncIterator

import pytest_twisted
import redis
from pytest_twisted import ensureDeferred
from twisted.internet import reactor

from channel_layer.answers import Verdict
from channel_layer.layer import Send
from channel_layer.redis_blocking import RedisLayer
from channel_layer.redis_keys import RedisKeys
from channel_layer.redis_link import MAX_BLOCK_MS
from channel_layer.redis_twisted import TwistedLayer
from shared.settings import LayerSettings
from tests.channel_layer.conftest import CAPACITY
from tests.channel_layer.facts import blocked
from tests.channel_layer.test_redis_twisted import until

INBOX = "server.P!"


@pytest_twisted.async_yield_fixture
async def usual(redis_url: str, prefix: str) -> AsyncIterator[TwistedLayer]:
    """The body for the reactor with the bounds that users have."""
    layer = TwistedLayer(reactor, LayerSettings(redis_url, prefix))
    await layer.start()
    yield layer
    await layer.close()


@ensureDeferred
async def test_behind_what_it_got_a_reader_waits(
    usual: TwistedLayer, plain: RedisLayer, broker: "redis.Redis[bytes]", prefix: str
) -> None:
    """It asks the broker once for each time it is woken, and acknowledges as it wakes."""
    await usual.read_inbox(INBOX, 0, 100)
    acknowledged = 0
    for number in range(3):
        reading = usual.read_inbox(INBOX, acknowledged, 100)
        await until(lambda: blocked(broker, prefix) == 1)
        assert plain.channel_statistics(INBOX)["messages_pending"] == min(number, 1)
        plain.perform([Send(INBOX + "c", b"%d" % number)])
        batch = await reading
        assert [entry.payload for entry in batch.entries] == [b"%d" % number]
        acknowledged = batch.entries[-1].id


@ensureDeferred
async def test_what_takes_room_is_acknowledged_at_once(
    twisted: TwistedLayer, blocking: RedisLayer, broker: "redis.Redis[bytes]", prefix: str
) -> None:
    """More than an eighth of the capacity does not stay in the inbox of a reader that waits."""
    await twisted.read_inbox(INBOX, 0, 100)
    blocking.perform([Send(INBOX + "c", b"x")] * (CAPACITY.messages // 8 + 1))
    batch = await twisted.read_inbox(INBOX, 0, 100)
    reading = twisted.read_inbox(INBOX, batch.entries[-1].id, 100)
    await until(lambda: blocked(broker, prefix) == 1)
    assert blocking.channel_statistics(INBOX)["messages_pending"] == 0
    blocking.perform([Send(INBOX + "c", b"more")])
    assert len((await reading).entries) == 1


@ensureDeferred
async def test_a_refusal_wakes_the_reader(
    usual: TwistedLayer, blocking: RedisLayer, broker: "redis.Redis[bytes]", prefix: str
) -> None:
    """Who finds no room makes the reader acknowledge what it was given."""
    await usual.read_inbox(INBOX, 0, 100)
    send = Send(INBOX + "c", b"x")
    blocking.perform([send] * CAPACITY.messages)
    batch = await usual.read_inbox(INBOX, 0, 100)
    reading = usual.read_inbox(INBOX, batch.entries[-1].id, 100)
    await until(lambda: blocked(broker, prefix) == 1)
    begun_s = reactor.seconds()
    assert blocking.perform([send])[0].verdict is Verdict.FULL
    await until(lambda: blocking.channel_statistics(INBOX)["messages_pending"] == 0)
    assert reactor.seconds() - begun_s < MAX_BLOCK_MS / 1000 - 1, "no sooner than without a word"
    assert blocking.perform([send])[0].verdict is Verdict.DONE
    assert len((await reading).entries) == 1


@ensureDeferred
async def test_what_cannot_be_read_keeps_nobody_busy(
    twisted: TwistedLayer, blocking: RedisLayer, broker: "redis.Redis[bytes]", prefix: str
) -> None:
    """Broken bundles that take much room are looked at now and then; what comes behind is read."""
    await twisted.read_inbox(INBOX, 0, 100)
    head = struct.pack(">QQQQHBB", int(time.time() * 1e6), 1, 0, 2, 1, 7, 0)
    broken = head + bytes([len(INBOX)]) + INBOX.encode() + b"\0" + b"no entries"
    broker.rpush(RedisKeys(prefix).list(INBOX), *[broken] * (CAPACITY.messages // 4))
    reading = twisted.read_inbox(INBOX, 0, 100)
    await until(lambda: blocked(broker, prefix) == 1)
    blocking.perform([Send(INBOX + "c", b"whole")])
    assert [entry.payload for entry in (await reading).entries] == [b"whole"]


@ensureDeferred
async def test_an_idle_reader_acknowledges_soon(
    usual: TwistedLayer, plain: RedisLayer, broker: "redis.Redis[bytes]", prefix: str
) -> None:
    """Without anything more the inbox is empty long before the reader stops waiting."""
    await usual.read_inbox(INBOX, 0, 100)
    plain.perform([Send(INBOX + "c", b"x")])
    batch = await usual.read_inbox(INBOX, 0, 100)
    reading = usual.read_inbox(INBOX, batch.entries[-1].id, 100)
    begun_s = reactor.seconds()
    await until(lambda: plain.channel_statistics(INBOX)["messages_pending"] == 0)
    assert reactor.seconds() - begun_s < MAX_BLOCK_MS / 2000
    await until(lambda: blocked(broker, prefix) == 1)
    plain.perform([Send(INBOX + "c", b"y")])
    assert len((await reading).entries) == 1
