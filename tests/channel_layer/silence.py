"""Servers that look dead to the registry; asserts nothing."""

import redis

from channel_layer.figures import META, unpacked_meta
from channel_layer.redis_keys import RedisKeys


class Silence:
    """Puts signs of life back, and the broker's start too."""

    def __init__(self, keys: RedisKeys, broker: "redis.Redis[bytes]") -> None:
        self._keys = keys
        self._broker = broker

    def of(self, inbox: str) -> None:
        """Nobody said that the owner of `inbox` lives."""
        now_ms = int(self._broker.time()[0]) * 1000
        self._broker.set(self._keys.up_since, now_ms - 7_200_000)
        self._broker.zadd(self._keys.base + "servers", {inbox: now_ms - 3_600_000})

    def of_reading(self, inbox: str) -> None:
        """Nor did anyone read it."""
        self.of(inbox)
        self._broker.delete(self._keys.meta(inbox))

    def put_reading_back(self, inbox: str) -> None:
        """Its last reading was an hour ago, all else about it stands."""
        kept = unpacked_meta(self._broker.get(self._keys.meta(inbox)))
        kept["read"] -= 3_600_000
        self._broker.set(self._keys.meta(inbox), META.pack(*kept.values()))

    def is_known(self, inbox: str) -> bool:
        """Whether the registry knows the inbox."""
        return self._broker.zscore(self._keys.base + "servers", inbox) is not None
