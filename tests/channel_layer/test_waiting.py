"""Waiting for work on the broker: who is woken, when, and how seldom the idle ask."""

import time
from concurrent.futures import Future, ThreadPoolExecutor

import redis

from channel_layer.layer import Entry, Kind, Send
from channel_layer.redis_blocking import RedisLayer
from channel_layer.redis_keys import RedisKeys
from shared import codec
from shared.messages import BodyChunk
from shared.settings import LayerSettings
from tests.channel_layer.facts import blocked, wait_for


def another(settings: LayerSettings) -> RedisLayer:
    return RedisLayer(settings)


def test_a_waiting_take_wakes(
    blocking: RedisLayer,
    settings: LayerSettings,
    broker: "redis.Redis[bytes]",
    pool: ThreadPoolExecutor,
) -> None:
    """A send ends the waiting of a take at once."""
    other = another(settings)
    taking = pool.submit(other.take, "w", ["work", "more"], 5, 10_000)
    wait_for(lambda: blocked(broker, settings.prefix) == 1)
    begun = time.monotonic()
    blocking.perform([Send("more", b"x")])
    assert [entry.payload for entry in taking.result(30)] == [b"x"]
    assert time.monotonic() - begun < 8, "no sooner than without a word"
    other.close()


def test_a_wait_outlasts_the_client_defaults(blocking: RedisLayer) -> None:
    """A take that waits longer than the client's usual 5 s ends in order, with nothing."""
    begun = time.monotonic()
    assert blocking.take("w", ["nothing"], 1, 5_500) == ()
    assert time.monotonic() - begun >= 5.4


def test_one_message_wakes_one_reader(
    settings: LayerSettings,
    blocking: RedisLayer,
    broker: "redis.Redis[bytes]",
    pool: ThreadPoolExecutor,
) -> None:
    """Of several that wait, one gets the message; the others wait on and get the next."""
    layers = [another(settings) for _ in range(3)]
    takes: list[Future[tuple[Entry, ...]]] = [
        pool.submit(layer.take, f"w{number}", ["work"], 5, 10_000)
        for number, layer in enumerate(layers)
    ]
    wait_for(lambda: blocked(broker, settings.prefix) == 3)
    for left in (2, 1, 0):
        blocking.perform([Send("work", b"%d" % left)])
        wait_for(lambda left=left: sum(not take.done() for take in takes) == left)  # type: ignore[misc]
    got = sorted(entry.payload for take in takes for entry in take.result())
    assert got == [b"0", b"1", b"2"]
    for layer in layers:
        layer.close()


def test_a_burst_wakes_more_than_one(
    settings: LayerSettings,
    blocking: RedisLayer,
    broker: "redis.Redis[bytes]",
    pool: ThreadPoolExecutor,
) -> None:
    """When a woken worker leaves entries behind, the next idle one is woken too."""
    layers = [another(settings) for _ in range(3)]
    takes = [
        pool.submit(layer.take, f"w{number}", ["work"], 1, 10_000)
        for number, layer in enumerate(layers)
    ]
    wait_for(lambda: blocked(broker, settings.prefix) == 3)
    blocking.perform([Send("work", b"%d" % number) for number in range(3)])
    assert sorted(take.result(30)[0].payload for take in takes) == [b"0", b"1", b"2"]
    for layer in layers:
        layer.close()


def test_an_idle_take_asks_rarely(
    blocking: RedisLayer,
    settings: LayerSettings,
    broker: "redis.Redis[bytes]",
    pool: ThreadPoolExecutor,
) -> None:
    """A worker without work makes less than one call a second."""
    other = another(settings)
    taking = pool.submit(other.take, "w", ["nothing"], 1, 3_000)
    wait_for(lambda: blocked(broker, settings.prefix) == 1)
    before = int(broker.info("commandstats").get("cmdstat_fcall", {"calls": 0})["calls"])
    assert taking.result(30) == ()
    after = int(broker.info("commandstats")["cmdstat_fcall"]["calls"])
    assert after - before <= 2
    other.close()


def test_a_delayed_message_is_taken_when_due(blocking: RedisLayer, settings: LayerSettings) -> None:
    """A waiting take comes back for what falls due meanwhile, not later."""
    blocking.perform([Send("work", b"later", delay_ms=300)])
    begun = time.monotonic()
    assert [entry.payload for entry in blocking.take("w", ["work"], 1, 10_000)] == [b"later"]
    assert 0.29 <= time.monotonic() - begun < 8, "no sooner than without its time"


def test_a_delay_reaches_workers_that_wait_already(
    blocking: RedisLayer,
    settings: LayerSettings,
    broker: "redis.Redis[bytes]",
    pool: ThreadPoolExecutor,
) -> None:
    """A worker that was waiting before the delayed send was made takes it when it is due."""
    other = another(settings)
    taking = pool.submit(other.take, "w", ["work"], 1, 10_000)
    wait_for(lambda: blocked(broker, settings.prefix) == 1)
    blocking.perform([Send("work", b"later", delay_ms=200)])
    assert [entry.payload for entry in taking.result(30)] == [b"later"]
    other.close()


def test_unblocking(
    blocking: RedisLayer,
    settings: LayerSettings,
    broker: "redis.Redis[bytes]",
    pool: ThreadPoolExecutor,
) -> None:
    """`unblock` ends a waiting take or receive; without one, the next does not wait."""
    for call in (
        lambda: blocking.take("w", ["nothing"], 1, 10_000),
        lambda: blocking.receive(["nothing"], block=True),
    ):
        waiting = pool.submit(call)
        wait_for(lambda: blocked(broker, settings.prefix) == 1)
        blocking.unblock()
        assert waiting.result(30) in ((), (None, None))
    blocking.unblock()
    begun = time.monotonic()
    assert blocking.take("w", ["nothing"], 1, 10_000) == ()
    assert time.monotonic() - begun < 8, "it waited all the same"


def test_a_blocking_receive(
    blocking: RedisLayer,
    settings: LayerSettings,
    broker: "redis.Redis[bytes]",
    pool: ThreadPoolExecutor,
) -> None:
    """`receive(block=True)` waits for the message."""
    other = another(settings)
    receiving = pool.submit(other.receive, ["a", "P!"], True)
    wait_for(lambda: blocked(broker, settings.prefix) == 1)
    blocking.group_add("g", "P!one")
    blocking.send_group("g", {"n": 1})
    assert receiving.result(30) == ("P!one", {"n": 1})
    other.close()


def test_a_body_that_still_comes(
    blocking: RedisLayer,
    settings: LayerSettings,
    broker: "redis.Redis[bytes]",
    pool: ThreadPoolExecutor,
) -> None:
    """Reading a body waits for its last chunk as long as it may."""
    body = "http.request.body?y"
    blocking.perform([Send(body, codec.encode(BodyChunk(b"a", True)))])
    other = another(settings)
    reading = pool.submit(other.read_body, body, 10_000)
    wait_for(lambda: blocked(broker, settings.prefix) == 1)
    blocking.perform([Send(body, codec.encode(BodyChunk(b"b")))])
    assert reading.result(30) == b"ab"
    other.close()


def test_an_abandoned_list_is_woken_by_reclaim(
    blocking: RedisLayer,
    settings: LayerSettings,
    broker: "redis.Redis[bytes]",
    pool: ThreadPoolExecutor,
) -> None:
    """When a token was lost with the worker that it woke, the reclaim tick wakes another."""
    other = another(settings)
    taking = pool.submit(other.take, "w", ["work"], 1, 10_000)
    wait_for(lambda: blocked(broker, settings.prefix) == 1)
    pipe = broker.pipeline(transaction=True)
    keys = RedisKeys(settings.prefix)
    blocking.perform([Send("elsewhere", b"x")])
    pipe.rename(keys.list("elsewhere"), keys.list("work"))
    pipe.execute()
    assert not taking.done()
    blocking.reclaim(wake=["work", "none"])
    assert [(e.payload, e.kind) for e in taking.result(30)] == [(b"x", Kind.MESSAGE)]
    other.close()


def test_a_take_behind_a_vain_commit(blocking: RedisLayer, settings: LayerSettings) -> None:
    """A take that follows a commit which found nothing still gets what was sent in between."""
    other = RedisLayer(settings)
    assert blocking.commit("w", (), (), ["work"], 5).taken == ()
    other.perform([Send("work", b"between")])
    assert [entry.payload for entry in blocking.take("w", ["work"], 5)] == [b"between"]
    assert blocking.commit("w", (), (), ["work"], 5).taken == ()
    other.perform([Send("work", b"between"), Send("late", b"x", delay_ms=100)])
    assert [entry.payload for entry in blocking.take("w", ["work"], 5, 5000)] == [b"between"]
    assert [entry.payload for entry in blocking.take("w", ["late"], 5, 5000)] == [b"x"]
