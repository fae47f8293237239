"""What tests of the layer wait for, instead of for time."""

import time
from collections.abc import Callable

import redis


def wait_for(fact: Callable[[], bool]) -> None:
    """Look until `fact` holds; the test's time-out ends a vain wait."""
    while not fact():
        time.sleep(0.005)


def blocked(broker: "redis.Redis[bytes]", layer_prefix: str) -> int:
    """How many connections wait in a blocking pop; the run's other tests wait on none."""
    return int(broker.info("clients")["blocked_clients"])
