"""The blocking connection: which life of the broker it met, and how long it waits for an answer."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from channel_layer.embedded import EmbeddedValkey
from channel_layer.redis_client import RedisClient
from shared.errors import LayerUnavailable


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A Valkey of this test's own."""
    made = EmbeddedValkey(tmp_path / "valkey")
    made.start()
    yield made
    made.stop()


def test_lives(valkey: EmbeddedValkey) -> None:
    """Each other life of the broker is counted by the call that meets it; a cut is none."""
    client = RedisClient(valkey.url, "{t}:")
    client.command("SET", "a", "b")
    assert client.lives == 1
    with redis.Redis.from_url(valkey.url) as broker:
        broker.client_kill_filter(_type="normal", skipme=True)
    client.command("SET", "a", "b")
    assert client.lives == 1
    for lives in (2, 3):
        valkey.kill()
        valkey.start()
        client.command("SET", "a", "b")
        assert client.lives == lives
    client.close()


def test_a_broker_that_hangs(valkey: EmbeddedValkey) -> None:
    """An answer is awaited for as long as the client was told, on a kept connection and a new."""
    client = RedisClient(valkey.url, "{t}:", answer_s=0.2)
    client.command("SET", "a", "b")
    assert valkey.pid is not None
    os.kill(valkey.pid, signal.SIGSTOP)
    try:
        for _ in range(2):
            began_s = time.monotonic()
            with pytest.raises(LayerUnavailable):
                client.command("GET", "a")
            assert 0.2 <= time.monotonic() - began_s < 5
    finally:
        os.kill(valkey.pid, signal.SIGCONT)
    assert client.command("GET", "a") == b"b"
    client.close()
