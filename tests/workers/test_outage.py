"""Patience while the broker is away: alone, and in real pools whose broker dies or is cut off."""

import os
import shutil
import signal
import threading
import time
from collections import Counter
from random import Random

import pytest

from channel_layer.embedded import EmbeddedValkey
from channel_layer.redis_blocking import RedisLayer
from shared.errors import LayerUnavailable, StepRefused
from shared.settings import LayerSettings
from tests.system.relay import Relay
from tests.workers.crew import Crew
from workers.outage import Outage
from workers.routing import App, job


class Clock(threading.Event):
    """An event that records for how long it was waited for, and never waits."""

    def __init__(self):
        super().__init__()
        self.waits = []

    def wait(self, timeout=None):
        """Returns at once."""
        self.waits.append(timeout)
        return self.is_set()


def test_waits(capsys):
    """Each wait is up to twice as long as the one before, spread, and never over five seconds."""
    clock = Clock()
    outage = Outage("one", clock, Random(1))
    for _ in range(12):
        outage.wait(LayerUnavailable("away"))
    longest = [min(0.1 * 2**number, 5.0) for number in range(12)]
    for waited, most in zip(clock.waits, longest, strict=True):
        assert most / 2 <= waited <= most
    assert len({round(waited, 6) for waited in clock.waits[6:]}) == 6
    assert outage.over()
    assert not outage.over()
    outage.wait(StepRefused("ERR no"))
    assert clock.waits[-1] <= 0.1
    said = capsys.readouterr().err
    assert [said.count(event) for event in ("layer_away", "layer_back", "layer_refuses")] == [1] * 3


def test_no_patience_at_the_end():
    """A worker that is to stop waits for no broker."""
    clock = Clock()
    clock.set()
    with pytest.raises(LayerUnavailable):
        Outage("one", clock, Random(1)).wait(LayerUnavailable("away"))
    assert clock.waits == []


@pytest.fixture
def valkey(tmp_path, request):
    """A broker with an append-only file, written as the test's parameter says."""
    how = getattr(request, "param", "everysec")
    made = EmbeddedValkey(tmp_path / "valkey", appendfsync=how)
    made.start()
    yield made
    made.stop()


def tally(layer, at_least, patience_s=30.0):
    """How often each line came on `test.seen`, from when `at_least` so many came until silence."""
    lines = Counter()
    end_s = time.monotonic() + patience_s
    while time.monotonic() < end_s:
        _, message = layer.receive(["test.seen"])
        if message is not None:
            lines[message["line"]] += 1
        elif len(lines) >= at_least:
            return lines
        else:
            time.sleep(0.01)
    raise AssertionError(f"{len(lines)} of {at_least} lines came")


@pytest.mark.system
@pytest.mark.parametrize("valkey", ["everysec", "always"], indirect=True)
def test_broker_killed(pool_at, valkey, tmp_path):
    """A broker is killed under work and comes back: each acknowledged job has its effect once."""
    settings = LayerSettings(valkey.url, "killed")
    made = pool_at(settings, "--processes", "2", "--threads", "2")
    layer = RedisLayer(settings)
    sent, doubtful = 0, set()
    for number in range(400):
        if number == 200:
            valkey.kill()
            made.await_log("layer_away", times=4)
            restarted = threading.Thread(target=valkey.start)
            restarted.start()
        try:
            layer.send("test.tick", {"line": number, "mark": str(tmp_path / "mark")})
            sent += 1
        except LayerUnavailable:
            doubtful.add(number)
            time.sleep(0.02)
    restarted.join()
    seen = tally(layer, sent)
    assert set(seen) - doubtful == set(range(400)) - doubtful
    assert set(seen.values()) == {1}
    assert "Traceback" not in made.text()
    assert made.stop() == 0
    layer.close()


@pytest.mark.system
def test_broker_lost_its_data(pool_at, valkey, tmp_path, await_fact):
    """A broker comes back empty: what was in hand has no effect, that is told, and work goes on."""
    settings = LayerSettings(valkey.url, "empty")
    made = pool_at(settings, "--processes", "1")
    layer = RedisLayer(settings)
    mark = tmp_path / "mark"
    layer.send("test.tick", {"line": "lost", "mark": str(mark), "s": 2})
    await_fact(mark.exists)
    valkey.kill()
    shutil.rmtree(tmp_path / "valkey")
    valkey.start()
    made.await_log("lease_lost")
    layer.send("test.tick", {"line": "new"})
    assert tally(layer, 1) == {"new": 1}
    assert "Traceback" not in made.text()
    layer.close()


@pytest.mark.system
def test_cuts(pool_at, redis_url, prefix, tmp_path):
    """However often the connections are cut, each job runs once and has its effect once."""
    own = LayerSettings(redis_url, f"cuts-{prefix}")
    layer = RedisLayer(own)
    with Relay(int(redis_url.rpartition(":")[2].partition("/")[0])) as relay:
        options = ("--processes", "2", "--threads", "2", "--lease-time", "30")
        made = pool_at(LayerSettings(relay.redis_url, own.prefix), *options)
        mark = tmp_path / "mark"
        for number in range(800):
            layer.send("test.tick", {"line": number, "mark": str(mark)})
        over = threading.Event()

        def cut():
            random = Random(1)
            while not over.wait(random.uniform(0.01, 0.2)):
                relay.cut()

        cutting = threading.Thread(target=cut)
        cutting.start()
        try:
            seen = tally(layer, 800, 60.0)
        finally:
            over.set()
            cutting.join()
        assert set(seen.values()) == {1}
        assert len(mark.read_text().splitlines()) == 800
        assert "Traceback" not in made.text()
        made.stop()
    layer.flush()
    layer.close()


@pytest.mark.system
def test_broker_that_stands_still(pool_at, valkey):
    """While the broker stands still nothing is lost, and what was asked then is answered later."""
    settings = LayerSettings(valkey.url, "still")
    made = pool_at(settings, "--processes", "2")
    layer = RedisLayer(settings)
    layer.send("test.tick", {"line": 0})
    assert tally(layer, 1) == {0: 1}
    assert valkey.pid is not None
    os.kill(valkey.pid, signal.SIGSTOP)
    waking = threading.Timer(1.0, os.kill, (valkey.pid, signal.SIGCONT))
    waking.start()
    for number in range(1, 20):
        layer.send("test.tick", {"line": number})
    assert tally(layer, 19) == dict.fromkeys(range(1, 20), 1)
    made.stop()
    layer.close()


class Past:
    """A broker that can be taken back to an earlier moment, as one that had not yet written."""

    def __init__(self, folder):
        self._folder = folder
        self.valkey = EmbeddedValkey(folder / "valkey", appendfsync="always")
        self.valkey.start()

    def keep(self):
        """The moment to come back to."""
        shutil.copytree(self._folder / "valkey", self._folder / "kept")

    def come_back(self):
        """Another life of the broker, with the data of then."""
        self.valkey.kill()
        shutil.rmtree(self._folder / "valkey")
        shutil.copytree(self._folder / "kept", self._folder / "valkey")
        self.valkey.start()


@pytest.fixture
def past(tmp_path):
    """A broker with a past."""
    made = Past(tmp_path)
    yield made
    made.valkey.stop()


@pytest.mark.parametrize("is_known", [False, True])
def test_a_lease_that_a_restart_brought_back(past, is_known):
    """What a worker had ended comes back to it with a broker's past, and is handled as attempt 2.

    So it is whether the broker of then knows what the worker has in hand meanwhile, or not.
    """
    settings = LayerSettings(past.valkey.url)
    layer, crew = RedisLayer(settings), Crew(settings)
    handled, begun, may_end, again = [], threading.Event(), threading.Event(), threading.Event()

    def run(message, _, attempt):
        handled.append((message["line"], attempt.attempt))
        if len(handled) == 1:
            past.keep()
        elif len(handled) == 2:
            begun.set()
            may_end.wait(10)
        elif message["line"] == 1:
            again.set()

    layer.send("test.run", {"line": 1})
    if is_known:
        layer.send("test.run", {"line": 2})
    crew.start("one", App([job("test.run", run)]), budget_s=0.0)
    try:
        if not is_known:
            while layer.held("one") or not handled:
                threading.Event().wait(0.01)
            layer.send("test.run", {"line": 2})
        assert begun.wait(5)
        past.come_back()
        may_end.set()
        assert again.wait(5)
    finally:
        crew.stop()
    assert handled == [(1, 1), (2, 1), (1, 2)]
    assert layer.held("one") == ()
    layer.close()
