"""Reads the figures of the lists, and the members of groups, from Redis; changes nothing."""

from channel_layer import entries, figures
from channel_layer.answers import Statistics
from channel_layer.redis_client import RedisClient
from channel_layer.redis_keys import RedisKeys


class RedisFigures:
    """What can be known of a layer without taking part in it."""

    def __init__(self, client: RedisClient, keys: RedisKeys) -> None:
        self._client = client
        self._keys = keys

    def members(self, group: str, expiry_ms: int) -> list[str]:
        """The channels in a group whose membership is no older than `expiry_ms`, sorted."""
        oldest = _milliseconds(self._client.command("TIME")) - expiry_ms
        lists = self._client.command("ZRANGE", self._keys.servers(group), 0, -1)
        found = self._client.commands(
            [
                ("ZRANGEBYSCORE", self._keys.members(group, name.decode()), oldest, "+inf")
                for name in lists
            ]
        )
        return sorted(channel.decode() for channels in found for channel in channels)

    def of_list(self, name: str) -> dict[str, float]:
        """The ASGI figures of one list."""
        return figures.as_dict(self._statistics(name))

    def of_all(self) -> dict[str, float]:
        """The ASGI figures over all lists; the counts are of all time, the rest of living lists."""
        start = len(self._keys.meta(""))
        names = [key[start:].decode() for key in self._client.keys(self._keys.meta("*"))]
        total = figures.as_dict(figures.summed([self._statistics(name) for name in names]))
        counted = self._client.command("GET", self._keys.totals)
        _, sent, full, _ = figures.TOTALS.unpack(counted) if counted else (0, 0, 0, 0)
        return {**total, "messages_count": int(sent), "channel_full_count": int(full)}

    def _statistics(self, name: str) -> Statistics:
        clock, meta, length, head = self._client.commands(
            (
                ("TIME",),
                ("GET", self._keys.meta(name)),
                ("LLEN", self._keys.list(name)),
                ("LINDEX", self._keys.list(name), 0),
            )
        )
        oldest = entries.parse_element(head)[0].sent_ms if head else None
        kept = figures.unpacked_meta(meta)
        # A bundle is one element of the list and several messages.
        pending = length + kept["extra"] if length else 0
        return figures.statistics(kept, pending, oldest, _milliseconds(clock))


def _milliseconds(clock: tuple[bytes, bytes]) -> int:
    """The broker's TIME, which is seconds and microseconds."""
    return int(clock[0]) * 1000 + int(clock[1]) // 1000
