"""Holds promise 7 over time: under a mixed load no process and no key grows.

The short form would find a leak of 1 KiB a request; `--soak MINUTES` looks at MiB a minute.
"""

import time
from collections.abc import Iterator

import pytest
import redis

from tests.parts import children_of
from tests.stack import Stack
from tests.system.bounds_clients import eventually, vitals
from tests.system.bounds_house import KIB, Book, bounds_stack
from tests.system.bounds_mix import Mix, Sample, sample, slope

pytestmark = [pytest.mark.system, pytest.mark.alone, pytest.mark.timeout(300)]

SHORT_S = 30.0
EVERY_S = 0.5
LONGEST_EVERY_S = 5.0

LEAK_KIB = 0.5
"""Allowed for each thing that was asked, in the short form: half of the leak that is looked for."""

MOST_KIB_MINUTE = 1024
"""Allowed for each process in the long form."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with usual limits."""
    folder = tmp_path_factory.mktemp("slope")
    with bounds_stack(folder, workers=2, server_options=("--inline-body", "64k")) as stack:
        yield stack


def processes(stack: Stack) -> dict[str, int]:
    """The processes whose memory counts, by a name for each."""
    assert stack.server is not None
    found = {"server": stack.server.pid}
    for number, pool in enumerate(stack.workers):
        found[f"pool {number}"] = pool.pid
        for child in children_of(pool.pid):
            found[f"child {child} of pool {number}"] = child
    return found


def looked_at(stack: Stack, minutes: float) -> tuple[list[Sample], Mix]:
    """Samples of a mixed load, and the load. The first third is the warm-up and left out."""
    lasts_s = 60 * minutes or SHORT_S
    every_s = min(LONGEST_EVERY_S, EVERY_S if not minutes else lasts_s / 100)
    watched, samples = processes(stack), []
    with Mix(stack) as mix, redis.Redis(port=stack.redis_port) as broker:
        started = time.monotonic()
        while time.monotonic() - started < lasts_s:
            time.sleep(every_s)  # a slope needs time
            if time.monotonic() - started > lasts_s / 3:
                samples.append(sample(watched, broker, mix.total))
    assert processes(stack) == watched, "a process ended"
    return samples, mix


def test_no_memory_grows(house: Stack, soak_minutes: float) -> None:
    """Memory stays where it was after the warm-up, of the server, each worker and the broker."""
    samples, mix = looked_at(house, soak_minutes)
    times = [one.at_s / 60 for one in samples]
    asked = [float(one.asked) for one in samples]
    told, faults = [], []
    for name in samples[0].kib:
        kib = [one.kib[name] for one in samples]
        minute, each = slope(times, kib), slope(asked, kib)
        told.append(f"{name}: {kib[-1]:.0f} KiB, {minute:+.0f} KiB/min, {each:+.3f} KiB each")
        is_over = minute > MOST_KIB_MINUTE if soak_minutes else each > LEAK_KIB
        if is_over and not name.startswith("pool"):
            faults.append(told[-1])
    rate = (asked[-1] - asked[0]) / (60 * (times[-1] - times[0]))
    print("\n" + "\n".join([f"{dict(mix.asked)}, {rate:.0f}/s", *told]))
    assert not mix.failures, mix.failures[:5]
    assert rate > 20, f"only {rate:.0f} a second: too little to see a leak"
    assert not faults, faults


def test_nothing_is_left_behind(house: Stack) -> None:
    """After the load nothing is left of it, and each socket's end was told once."""
    eventually(lambda: vitals(house)["sockets"] == 0)
    eventually(lambda: vitals(house)["exchanges"] == 0)
    book = Book(house.folder)
    eventually(lambda: set(book.accepted()) == set(book.ended()), 60)
    assert set(book.ended().values()) == {1}
    with redis.Redis(port=house.redis_port) as broker:
        for kind in ("lease:", "members:", "sockets:", "groups:", "delayed", "dead"):
            pattern = "{channels}:" + kind + "*"
            eventually(lambda sought=pattern: not list(broker.scan_iter(sought)))
        # What a server has handled lies in its inbox until it looks again.
        eventually(lambda: not list(broker.scan_iter("{channels}:list:*")), 30)
        assert int(broker.info("memory")["used_memory"]) < 16 * KIB * KIB
