"""One connection that comes back by itself."""

from typing import Any

import pytest
import redis
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater

from channel_layer import redis_link
from channel_layer.redis_address import redis_address
from channel_layer.redis_commands import Arguments, packed_string
from channel_layer.redis_keys import RedisKeys
from channel_layer.redis_link import RedisLink
from shared.errors import LayerUnavailable, StepRefused
from tests.system.relay import Relay


def linked(url: str, prefix: str) -> RedisLink:
    return RedisLink(reactor, redis_address(url), RedisKeys(prefix), "test", lambda: "epoch")


@ensureDeferred
async def test_up_and_stopped(redis_url: str, prefix: str) -> None:
    """It is up from the first connection to `stop`; afterwards waiting for it fails."""
    link = linked(redis_url, prefix)
    waiting = link.when_up()
    assert not link.is_up
    link.start()
    link.start()
    await waiting
    assert link.is_up
    assert await link.command("PING") in (b"PONG", "PONG")
    assert await link.command("GET", RedisKeys(prefix).epoch) == b"epoch"
    await link.stop()
    assert not link.is_up
    with pytest.raises(LayerUnavailable, match="closed"):
        await link.when_up()
    with pytest.raises(LayerUnavailable):
        await link.command("PING")


@ensureDeferred
async def test_a_long_way(redis_url: str, prefix: str) -> None:
    """A way of half a second there and back is no obstacle: few round trips make it ready."""
    with Relay(int(redis_url.rpartition(":")[2].partition("/")[0])) as relay:
        relay.delay(0.25)
        link = linked(relay.redis_url, prefix)
        link.start()
        await link.when_up().addTimeout(3, reactor)
        relay.heal()
        assert await link.command("GET", RedisKeys(prefix).epoch) == b"epoch"
        await link.stop()


@ensureDeferred
async def test_it_comes_back(redis_url: str, prefix: str) -> None:
    """After its connection was killed the steps under way fail and the next ones work."""
    link = linked(redis_url, prefix)
    link.start()
    await link.when_up()
    number = await link.command("CLIENT", "ID")
    waiting = link.command("BLPOP", "nothing-" + prefix, "10")
    with redis.Redis.from_url(redis_url) as broker:
        broker.client_kill_filter(_id=str(number))
    with pytest.raises(LayerUnavailable):
        await waiting
    await link.when_up()
    assert await link.command("CLIENT", "ID") != number
    await link.stop()


@ensureDeferred
async def test_a_wrong_step_keeps_the_connection(redis_url: str, prefix: str) -> None:
    """An error that is the step's own fails it alone."""
    link = linked(redis_url, prefix)
    link.start()
    await link.when_up()
    with pytest.raises(StepRefused):
        await link.command("NO-SUCH-COMMAND")
    with pytest.raises(StepRefused):
        await link.wait_and_run(["{x"], 1, "send", Arguments(1, packed_string(b"nonsense")))
    assert await link.command("PING") in (b"PONG", "PONG")
    await link.stop()


class Silent(Protocol):
    """A broker that accepts and never answers."""

    def connectionMade(self) -> None:  # noqa: N802 (Twisted's name)
        self.factory.greeted.callback(None)  # type: ignore[union-attr]


@ensureDeferred
async def test_a_silent_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that accepts and does not answer is given up and tried again."""
    monkeypatch.setattr(redis_link, "_CONNECT_TIMEOUT_S", 0.05)
    factory: Any = Factory.forProtocol(Silent)
    factory.greeted = Deferred()
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")  # type: ignore[attr-defined]
    link = linked(f"redis://127.0.0.1:{port.getHost().port}", "p")
    link.start()
    await factory.greeted
    factory.greeted = Deferred()
    await factory.greeted
    assert not link.is_up
    await link.stop()
    await port.stopListening()
    await deferLater(reactor, 0)
