"""The blocking body's own: broken connections, brokers that come and go, several workers."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

import channel_layer
from channel_layer.embedded import EmbeddedValkey
from channel_layer.layer import Done, Send
from channel_layer.redis_blocking import RedisLayer
from channel_layer.redis_connections import Asked
from channel_layer.redis_keys import RedisKeys
from shared.errors import ConfigurationError, LayerUnavailable
from shared.settings import LayerSettings
from tests.channel_layer.facts import blocked, wait_for


def another(settings: LayerSettings) -> RedisLayer:
    return RedisLayer(settings)


def test_a_send_survives_a_broken_connection(
    blocking: RedisLayer, broker: "redis.Redis[bytes]"
) -> None:
    """A send on a connection that the broker closed meanwhile is made again, once."""
    blocking.send("a", {"n": 1})
    broker.client_kill_filter(_type="normal", skipme=True)
    blocking.send("a", {"n": 2})
    assert [blocking.receive(["a"])[1] for _ in range(3)] == [{"n": 1}, {"n": 2}, None]


def test_a_repeated_batch_is_performed_once(
    blocking: RedisLayer, settings: LayerSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the answer to a send is lost, repeating it gives the answer and sends nothing anew."""
    real = Asked.answers
    calls = []

    def losing(asked: Asked) -> list[object]:
        answers = real(asked)
        calls.append(answers)
        if len(calls) == 1:
            raise redis.ConnectionError("the answer was lost")
        return answers

    blocking.perform([Send("warm", b"up")])
    monkeypatch.setattr(Asked, "answers", losing)
    outcomes = blocking.perform(
        [Send("tight.a", b"1"), Send("tight.a", b"2"), Send("tight.a", b"")]
    )
    monkeypatch.undo()
    assert [outcome.verdict.value for outcome in outcomes] == ["done", "done", "full"]
    assert len(calls) == 2
    assert len(blocking.take("w", ["tight.a"], 9)) == 2


def test_held_tells_what_a_lost_answer_took(
    blocking: RedisLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a take whose answer was lost the worker finds the entries with `held`."""
    blocking.perform([Send("work", b"1")])
    real = Asked.answers

    def losing(asked: Asked) -> list[object]:
        real(asked)
        raise redis.ConnectionError("the answer was lost")

    monkeypatch.setattr(Asked, "answers", losing)
    with pytest.raises(LayerUnavailable):
        blocking.take("w", ["work"], 1)
    monkeypatch.undo()
    (entry,) = blocking.held("w")
    assert entry.payload == b"1"
    done = [Done(entry.id, (Send("P!c", b"ok"),))]
    assert blocking.commit("w", done).outcomes[0].verdict.value == "done"


def test_a_commit_under_way(blocking: RedisLayer, settings: LayerSettings) -> None:
    """A commit that was begun is performed before anyone waits for it; other calls go on."""
    blocking.perform([Send("work", b"1"), Send("work", b"2")])
    (entry,) = blocking.take("w", ["work"], 1)
    done = [Done(entry.id, (Send("P!c", b"ok"),))]
    under_way = blocking.begin_commit("w", done, (), ["work"], 1)
    wait_for(under_way.has_come)
    assert [one.payload for one in blocking.take("other", ["P!"], 9)] == [b"ok"]
    (second,) = blocking.held("w")
    committed = under_way.answer()
    assert (committed.outcomes[0].verdict.value, committed.taken) == ("done", (second,))
    assert blocking.take("w", ["work"], 1, block_ms=10) == ()


def test_scripts_come_back_after_a_script_flush(
    blocking: RedisLayer,
    broker: "redis.Redis[bytes]",
    pool: ThreadPoolExecutor,
    settings: LayerSettings,
) -> None:
    """When the broker forgot the scripts, sends and waiting takes load them again."""
    other = another(settings)
    taking = pool.submit(other.take, "w", ["work"], 1, 10_000)
    wait_for(lambda: blocked(broker, settings.prefix) == 1)
    broker.script_flush()
    broker.rpush(RedisKeys(settings.prefix).wake("work"), "1")
    wait_for(lambda: blocked(broker, settings.prefix) == 1)
    broker.script_flush()
    blocking.perform([Send("work", b"x")])
    assert [entry.payload for entry in taking.result(5)] == [b"x"]
    other.close()


def test_no_broker_is_layer_unavailable(free_port: int) -> None:
    """Without a broker every call raises LayerUnavailable, and works when it is there."""
    layer = channel_layer.connect(f"redis://127.0.0.1:{free_port}/0")
    calls: list[Callable[[], object]] = [
        lambda: layer.send("a", {}),
        lambda: layer.receive(["a"]),
        lambda: layer.take("w", ["a"], 1, 50),
        lambda: layer.commit("w", ()),
        lambda: layer.held("w"),
        lambda: layer.reclaim(),
        lambda: layer.read_body("a?b", 0),
        lambda: layer.group_channels("g"),
        lambda: layer.global_statistics(),
        layer.flush,
        layer.unblock,
    ]
    for call in calls:
        with pytest.raises(LayerUnavailable):
            call()
    layer.close()


def test_a_broker_that_comes_back(
    free_port: int, tmp_path_factory: pytest.TempPathFactory, pool: ThreadPoolExecutor
) -> None:
    """Leases, lists and groups stand as they were when the broker was killed and is back."""
    valkey = EmbeddedValkey(tmp_path_factory.mktemp("v"), free_port, appendfsync="always")
    valkey.start()
    layer = channel_layer.connect(valkey.url)
    layer.perform([Send("work", b"1"), Send("work", b"2")])
    layer.group_add("g", "P!c")
    held = layer.take("w", ["work"], 1)
    waiting = pool.submit(layer.take, "w2", ["nothing"], 1, 10_000)
    with redis.Redis.from_url(valkey.url) as client:
        wait_for(lambda: client.info("clients")["blocked_clients"] == 1)
    valkey.kill()
    with pytest.raises(LayerUnavailable):
        waiting.result(5)
    with pytest.raises(LayerUnavailable):
        layer.commit("w", [Done(held[0].id)])
    valkey.start()
    assert layer.held("w") == held
    assert layer.commit("w", [Done(held[0].id)]).outcomes[0].verdict.value == "done"
    assert [entry.payload for entry in layer.take("w", ["work"], 9)] == [b"2"]
    assert layer.group_channels("g") == ["P!c"]
    layer.close()
    valkey.stop()


def test_a_wrong_url_is_a_configuration_error() -> None:
    """A URL that is none is refused at once."""
    with pytest.raises(ConfigurationError):
        channel_layer.connect("nonsense://")


def test_several_workers_handle_each_message_once(
    settings: LayerSettings, blocking: RedisLayer, pool: ThreadPoolExecutor
) -> None:
    """With workers that take, reclaim each other and commit late, each effect happens once."""
    total, workers = 300, 4
    counted = RedisLayer(settings)
    for begin in range(0, total, 20):
        blocking.perform([Send("work", b"%d" % n) for n in range(begin, begin + 20)])
        stop = threading.Event()

        def work(name: str, stop: threading.Event = stop) -> None:
            layer = RedisLayer(settings)
            done: list[Done] = []
            while not stop.is_set():
                taken = layer.commit(name, done, (), ["work"], 3).taken
                if name == "w0":
                    layer.reclaim(lease_ms=0, attempt_limit=1000)
                done = [Done(e.id, (Send("result", e.payload, urgent=True),)) for e in taken]
            layer.commit(name, done)
            layer.close()

        running = [pool.submit(work, f"w{number}") for number in range(workers)]
        wait_for(
            lambda begin=begin: (  # type: ignore[misc]
                counted.channel_statistics("result")["messages_count"] >= begin + 20
            )
        )
        stop.set()
        for one in running:
            one.result(10)
    results = [entry.payload for entry in blocking.take("end", ["result"], 10 * total)]
    assert sorted(results, key=int) == [b"%d" % n for n in range(total)]
    counted.close()


def test_dead_letters_can_be_replayed_or_dropped(blocking: RedisLayer) -> None:
    """An operator reads dead letters, sends some once more as new, and drops the rest."""
    blocking.perform([Send("work", b"%d" % n) for n in range(3)])
    for worker in ("one", "two"):
        blocking.take(worker, ["work"], 3)
        blocking.reclaim([worker], attempt_limit=2)
    assert [letter.entry.payload for letter in blocking.dead_letters()] == [b"0", b"1", b"2"]
    assert blocking.replay_dead_letters(1) == 1
    assert blocking.drop_dead_letters(9) == 2
    assert blocking.drop_dead_letters(9) == 0
    assert [(e.payload, e.attempt) for e in blocking.take("w", ["work"], 9)] == [(b"0", 1)]
