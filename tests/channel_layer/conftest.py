"""The bodies of the channel layer as fixtures, so that one suite can hold all of them."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import pytest_twisted
import redis

import channel_layer
from channel_layer.capacities import Capacities
from channel_layer.layer import Capacity
from channel_layer.memory import MemoryLayer
from channel_layer.redis_blocking import RedisLayer
from channel_layer.redis_keys import RedisKeys
from channel_layer.redis_twisted import TwistedLayer
from shared.settings import LayerSettings
from tests.channel_layer.silence import Silence

CAPACITY = Capacity(20, 3 * 1024 * 1024)
"""Small bounds, which tests can reach; patterns give `tight.*` two messages."""

PATTERNS = {"tight.*": 2}


class Leases:
    """A blocking body with a way to let time pass."""

    def __init__(self, layer: Any, pass_ms: Callable[[int], None]) -> None:
        self.layer = layer
        self.pass_ms = pass_ms


class Asgi:
    """The ASGI calls of any body, as coroutines; `pending` counts what lies on a channel."""

    def __init__(self, layer: Any, counter: Any) -> None:
        self.layer = layer
        self._counter = counter

    async def call(self, name: str, *arguments: Any) -> Any:
        result = getattr(self.layer, name)(*arguments)
        return await result if hasattr(result, "addCallback") else result

    async def receive(self, channels: list[str]) -> Any:
        if isinstance(self.layer, TwistedLayer):
            return await self.layer.receive_twisted(channels)
        return self.layer.receive(channels)

    def pending(self, channel: str) -> int:
        return int(self._counter.channel_statistics(channel)["messages_pending"])

    def members(self, group: str) -> list[str]:
        members: list[str] = self._counter.group_channels(group)
        return members


class Clock:
    """Milliseconds that pass only when told."""

    def __init__(self) -> None:
        self.now_ms = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now_ms

    def pass_ms(self, passed_ms: int) -> None:
        self.now_ms += passed_ms


def memory_layer(clock: Clock, **settings: int) -> MemoryLayer:
    return MemoryLayer(clock, capacities=Capacities(CAPACITY, PATTERNS), **settings)


@pytest.fixture
def settings(redis_url: str, prefix: str) -> LayerSettings:
    """Settings with small bounds, on the run's Valkey."""
    return LayerSettings(
        redis_url,
        prefix,
        capacity=CAPACITY.messages,
        capacity_bytes=CAPACITY.size_bytes,
        channel_capacity=tuple(PATTERNS.items()),
    )


@pytest.fixture
def blocking(settings: LayerSettings) -> Iterator[RedisLayer]:
    """The blocking body."""
    layer = RedisLayer(settings)
    yield layer
    layer.close()


@pytest.fixture
def plain(redis_url: str, prefix: str) -> Iterator[RedisLayer]:
    """The blocking body with the bounds that users have."""
    layer = channel_layer.connect(redis_url, prefix)
    yield layer
    layer.close()


@pytest_twisted.async_yield_fixture
async def twisted(settings: LayerSettings) -> AsyncIterator[TwistedLayer]:
    """The body for the reactor, connected."""
    from twisted.internet import reactor

    layer = TwistedLayer(reactor, settings)
    await layer.start()
    yield layer
    await layer.close()


@pytest.fixture(params=["memory", "blocking", "twisted"])
def asgi(request: pytest.FixtureRequest) -> Asgi:
    """Each body in turn."""
    if request.param == "memory":
        memory = memory_layer(Clock())
        return Asgi(memory, memory)
    counter = request.getfixturevalue("blocking")
    return Asgi(request.getfixturevalue(request.param), counter)


@pytest.fixture(params=["memory", "blocking"])
def leases(request: pytest.FixtureRequest) -> Leases:
    """Each body that offers leases in turn."""
    if request.param == "memory":
        clock = Clock()
        return Leases(memory_layer(clock), clock.pass_ms)
    return Leases(request.getfixturevalue("blocking"), lambda ms: time.sleep(ms / 1000))


@pytest.fixture(params=["memory", "blocking"])
def roomy(request: pytest.FixtureRequest) -> Leases:
    """As `leases`, with the bounds that users have."""
    if request.param == "memory":
        clock = Clock()
        return Leases(MemoryLayer(clock), clock.pass_ms)
    return Leases(request.getfixturevalue("plain"), lambda ms: time.sleep(ms / 1000))


@pytest.fixture(params=["memory", "blocking"])
def short_lived(request: pytest.FixtureRequest) -> Iterator[Leases]:
    """As `leases`, with memberships that last for two seconds."""
    if request.param == "memory":
        clock = Clock()
        yield Leases(memory_layer(clock, group_expiry=2), clock.pass_ms)
        return
    settings: LayerSettings = request.getfixturevalue("settings")
    layer = RedisLayer(replace(settings, group_expiry_s=2))
    yield Leases(layer, lambda ms: time.sleep(ms / 1000))
    layer.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for callers that wait."""
    with ThreadPoolExecutor(8) as made:
        yield made


@pytest.fixture
def broker(redis_url: str) -> Iterator["redis.Redis[bytes]"]:
    """A client of the broker itself."""
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def silence(settings: LayerSettings, broker: "redis.Redis[bytes]") -> Silence:
    """Lets an inbox look as if nobody had given a sign of life for an hour."""
    return Silence(RedisKeys(settings.prefix), broker)
