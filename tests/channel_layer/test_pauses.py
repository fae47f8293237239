"""A Redis that stood still, or whose clock jumped, is no silence of servers and workers."""

import pytest
import redis

from channel_layer.answers import Reclaimed
from channel_layer.layer import OpenSocket, Send
from channel_layer.redis_blocking import RedisLayer
from channel_layer.redis_keys import RedisKeys
from shared.settings import LayerSettings

INBOX = "server.P!"
SILENT_MS = 60_000


class Past:
    """Puts back what Redis noted, as if more time had passed since."""

    def __init__(self, keys: RedisKeys, broker: "redis.Redis[bytes]") -> None:
        self._keys = keys
        self._broker = broker

    def put_signs_back(self) -> None:
        """Nobody gave a sign of life for an hour, with Redis there all the time."""
        self._broker.zincrby(self._keys.base + "workers", -3_600_000, "w")
        self._broker.zincrby(self._keys.base + "servers", -3_600_000, INBOX)
        self._broker.decrby(self._keys.up_since, 7_200_000)

    def put_look_back(self, passed_ms: int) -> None:
        """Nobody looked for the dead."""
        self._broker.hincrby(self._keys.stat, "looked", -passed_ms)


@pytest.fixture
def past(settings: LayerSettings, blocking: RedisLayer, broker: "redis.Redis[bytes]") -> Past:
    """With one server and one worker, who were looked at a moment ago."""
    blocking.perform([OpenSocket(INBOX + "1", b"bye"), Send("work", b"")])
    blocking.take("w", ["work"], 1)
    blocking.reap_servers(SILENT_MS)
    blocking.reclaim(lease_ms=SILENT_MS)
    return Past(RedisKeys(settings.prefix), broker)


def test_the_silent_are_dead_where_somebody_looked(blocking: RedisLayer, past: Past) -> None:
    """A late look, as from a busy machine, changes nothing."""
    past.put_signs_back()
    past.put_look_back(SILENT_MS // 2 - 5_000)
    assert blocking.reap_servers(SILENT_MS).disconnects == 1
    assert blocking.reclaim(lease_ms=SILENT_MS) == Reclaimed(("w",), 1, 0)


def test_a_pause_gives_all_their_time_again(blocking: RedisLayer, past: Past) -> None:
    """When nobody looked for long, nobody could give a sign of life: none is taken for dead."""
    past.put_signs_back()
    past.put_look_back(SILENT_MS)
    assert blocking.reap_servers(SILENT_MS).disconnects == 0
    assert blocking.reclaim(lease_ms=SILENT_MS) == Reclaimed()
    past.put_signs_back()
    assert blocking.reap_servers(SILENT_MS).disconnects == 1
    assert blocking.reclaim(lease_ms=SILENT_MS) == Reclaimed(("w",), 1, 0)


def test_a_pause_is_noticed_once(blocking: RedisLayer, past: Past) -> None:
    """Where every look comes late the dead are found all the same."""
    for expected in (0, 1):
        past.put_signs_back()
        past.put_look_back(SILENT_MS)
        assert blocking.reap_servers(SILENT_MS).disconnects == expected


def test_a_reapers_usual_rounds_are_no_pause(blocking: RedisLayer, past: Past) -> None:
    """Looking at servers each 2 s and at workers each 5 s leaves no silence unseen."""
    for _ in range(3):
        past.put_signs_back()
        for waited_ms in (2_200, 2_200):
            past.put_look_back(waited_ms)
            blocking.reap_servers(8_000)
        past.put_look_back(700)
        found = blocking.reclaim(lease_ms=10_000)
        assert found == Reclaimed(("w",), 1, 0)
        blocking.take("w", ["work"], 1)
