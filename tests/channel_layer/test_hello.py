"""New lives of Redis are noticed by whoever comes first, and nobody is taken for dead for them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.task import deferLater

from channel_layer import redis_calls, redis_hello
from channel_layer.answers import Reclaimed
from channel_layer.embedded import EmbeddedValkey
from channel_layer.layer import Join, OpenSocket, Send, SendGroup
from channel_layer.redis_blocking import RedisLayer
from channel_layer.redis_client import RedisClient
from channel_layer.redis_keys import RedisKeys
from channel_layer.redis_twisted import TwistedLayer
from shared.errors import ConfigurationError, LayerUnavailable, StepRefused
from shared.settings import LayerSettings

KEYS = RedisKeys("channels")
INBOX = "server.P!"


def started(folder: Path, appendfsync: str = "everysec") -> EmbeddedValkey:
    valkey = EmbeddedValkey(folder / "valkey", appendfsync=appendfsync)
    valkey.start()
    return valkey


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A Valkey of this test's own that may lose its last second."""
    made = started(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def durable(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A Valkey of this test's own that loses nothing that it acknowledged."""
    made = started(tmp_path, "always")
    yield made
    made.stop()


def epoch_of(valkey: EmbeddedValkey) -> bytes:
    with redis.Redis.from_url(valkey.url) as broker:
        return bytes(broker.get(KEYS.epoch) or b"")


def restart(valkey: EmbeddedValkey) -> None:
    valkey.kill()
    valkey.start()


def test_a_restart_that_may_have_lost_something(valkey: EmbeddedValkey) -> None:
    """The first step after each restart stands under another epoch than any before."""
    layer = RedisLayer(LayerSettings(valkey.url))
    epochs = []
    for _ in range(3):
        layer.perform([Send("a", b"")])
        epochs.append(epoch_of(valkey))
        layer.perform([Send("a", b"")])
        assert epoch_of(valkey) == epochs[-1]
        restart(valkey)
    assert len(set(epochs)) == 3
    layer.close()


def test_a_durable_restart(durable: EmbeddedValkey) -> None:
    """A Redis that loses nothing keeps its epoch through a restart, but not without its data."""
    layer = RedisLayer(LayerSettings(durable.url))
    layer.perform([Send("a", b"")])
    epoch = epoch_of(durable)
    restart(durable)
    layer.perform([Send("a", b"")])
    assert epoch_of(durable) == epoch
    with redis.Redis.from_url(durable.url) as broker:
        broker.flushall()
    restart(durable)
    layer.perform([Send("a", b"")])
    assert epoch_of(durable) not in (epoch, b"")
    layer.close()


@ensureDeferred
async def test_the_reactor_notices_too(valkey: EmbeddedValkey) -> None:
    """Each restart gives the reactor's layer another epoch with its next reading."""
    layer = TwistedLayer(reactor, LayerSettings(valkey.url))
    await layer.start()
    epochs = [(await layer.read_inbox(INBOX, 0, 10)).epoch]
    for _ in range(3):
        reading = layer.read_inbox(INBOX, 0, 10)
        await deferLater(reactor, 0.01)
        restart(valkey)
        epochs.append((await reading).epoch)
    assert len(set(epochs)) == 4
    await layer.close()


def test_a_script_on_the_first_connection(valkey: EmbeddedValkey) -> None:
    """Also a broker that forgot its scripts is greeted before the first step."""
    layer = RedisLayer(LayerSettings(valkey.url))
    layer.perform([Send("a", b"")])
    with redis.Redis.from_url(valkey.url) as broker:
        broker.script_flush()
        broker.client_kill_filter(_type="normal", skipme=True)
        before = broker.get(KEYS.epoch)
        layer.perform([Send("a", b"")])
        assert broker.get(KEYS.epoch) == before
    assert len(layer.take("w", ["a"], 5)) == 2
    layer.close()


def test_the_life_that_ended_decides(
    redis_url: str, prefix: str, broker: "redis.Redis[bytes]"
) -> None:
    """What may be lost is what the former life acknowledged: that one must have been durable.

    So must the new one be, which else may not have read all; and a life that was durable at first
    and then no more was not.
    """
    keys = RedisKeys(prefix)
    client = RedisClient(redis_url, keys.base)
    lives = [("1", False), ("2", True), ("3", True), ("3", False), ("4", True), ("5", False)]
    lives += [("6", True), ("6", True), ("7", True)]
    told = []
    for run, is_durable in lives:
        fresh = f"e{len(told)}"
        client.run("hello", redis_calls.hello(run, fresh, is_durable=is_durable))
        told.append(broker.get(keys.epoch).decode())
    client.close()
    assert told == ["e0", "e1", "e1", "e1", "e4", "e5", "e6", "e6", "e6"]


def test_an_outage_is_nobodys_silence(durable: EmbeddedValkey) -> None:
    """Who could give no sign of life since Redis was away is neither reclaimed nor reaped.

    The signs are put back by hand, an hour and more.
    """
    layer = RedisLayer(LayerSettings(durable.url))
    layer.perform([Send("work", b""), OpenSocket(INBOX + "c", b"bye"), Join("g", INBOX + "c")])
    layer.take("w", ["work"], 1)
    with redis.Redis.from_url(durable.url) as broker:
        broker.zincrby(KEYS.base + "workers", -4e6, "w")
        broker.zincrby(KEYS.base + "servers", -4e6, INBOX)
    restart(durable)
    assert layer.reclaim(lease_ms=60_000) == Reclaimed()
    assert layer.reap_servers(60_000).disconnects == 0
    assert len(layer.held("w")) == 1
    with redis.Redis.from_url(durable.url) as broker:
        broker.decrby(KEYS.up_since, 4_000_000)
    assert layer.reclaim(lease_ms=60_000) == Reclaimed(("w",), 1, 0)
    assert layer.reap_servers(60_000).disconnects == 1
    layer.close()


@ensureDeferred
async def test_keys_of_another_version(valkey: EmbeddedValkey) -> None:
    """Under keys of another version a script ends with clear words; the reactor goes on trying."""
    layer = RedisLayer(LayerSettings(valkey.url))
    layer.perform([Send("a", b"")])
    layer.close()
    with redis.Redis.from_url(valkey.url) as broker:
        broker.set(KEYS.base + "format", str(redis_hello.KEY_FORMAT + 1))
        with pytest.raises(ConfigurationError, match="another version: expected 2, got 3"):
            layer.perform([Send("a", b"")])
        twisted = TwistedLayer(reactor, LayerSettings(valkey.url))
        starting = twisted.start()
        before = int(broker.info("stats")["total_connections_received"])
        while int(broker.info("stats")["total_connections_received"]) < before + 6:
            await deferLater(reactor, 0.01)
        assert not starting.called
        broker.set(KEYS.base + "format", str(redis_hello.KEY_FORMAT))
        await starting
    await twisted.close()


def test_a_refused_step_is_not_repeated(blocking: RedisLayer, settings: LayerSettings) -> None:
    """What Redis refuses for good is no LayerUnavailable, so nobody waits and tries again."""
    with redis.Redis.from_url(settings.url) as broker:
        broker.set(RedisKeys(settings.prefix).servers("broken"), "no members")
        with pytest.raises(StepRefused, match="WRONGTYPE") as caught:
            blocking.perform([SendGroup("broken", b"")])
        assert not isinstance(caught.value, LayerUnavailable)
        broker.config_set("maxmemory", 1)
        try:
            with pytest.raises(LayerUnavailable, match="OOM"):
                blocking.perform([Send("a", b"")])
        finally:
            broker.config_set("maxmemory", 0)
    blocking.perform([Send("a", b"")])


def test_a_flush_is_no_end(blocking: RedisLayer, settings: LayerSettings) -> None:
    """After a flush the epoch is another one for all who need one, connections or not."""
    blocking.perform([Join("g", INBOX + "c")])
    with redis.Redis.from_url(settings.url) as broker:
        before = broker.get(RedisKeys(settings.prefix).epoch)
        blocking.flush()
        blocking.group_add("g", INBOX + "c", since=("", 0))
        assert broker.get(RedisKeys(settings.prefix).epoch) not in (None, before)
    assert blocking.perform([SendGroup("g", b"")])[0].dropped == 0
