"""What the watchdog does for workers in long handlers, on a real broker."""

import threading
import time
from random import Random

from channel_layer.layer import Kind
from channel_layer.redis_blocking import RedisLayer
from shared.errors import LayerUnavailable, StepRefused
from shared.settings import LayerSettings
from workers.handling import Handling
from workers.routing import App, get
from workers.watchdog import Watchdog
from workers.web import Response


def test_handled_before_a_long_one(crew, edge):
    """What was handled before a long handler of the same batch is answered meanwhile."""
    may_end = threading.Event()

    def wait(*_):
        may_end.wait(10)
        return Response("long")

    app = App([get("/", lambda *_: Response("short")), get("/long", wait)])
    channels = [edge.request("GET", path) for path in ("/", "/long", "/")]
    worker = crew.start("one", app)
    crew.watch(app)
    assert edge.response(channels[0])[0][2] == b"short"
    crew.start("two", app)
    assert edge.response(channels[2])[0][2] == b"short"
    assert worker.desk.in_hand() is not None
    may_end.set()
    assert edge.response(channels[1])[0][2] == b"long"


def test_a_burst_is_shared(crew, edge):
    """What would keep one worker busy for long goes to others, though no page of it is slow."""
    may_go_on, handled = threading.Event(), []

    def work(*_):
        handled.append(threading.current_thread().name)
        if len(handled) > 2:
            may_go_on.wait(10)
        time.sleep(0.003)
        return Response("done")

    app = App([get("/", work)])
    channels = [edge.request("GET", "/") for _ in range(12)]
    crew.start("one", app)
    while len(handled) < 3:
        time.sleep(0.001)
    crew.start("two", app)
    while len(set(handled)) < 2:
        time.sleep(0.001)
    may_go_on.set()
    for channel in channels:
        assert edge.response(channel)[0][2] == b"done"


def test_heartbeats(crew, layer, edge):
    """A worker in a long handler is spoken for: nobody takes its work."""
    may_end = threading.Event()

    def wait(*_):
        may_end.wait(30)
        return Response("long")

    app = App([get("/", wait)])
    crew.start("one", app)
    crew.watch(app, lease_s=2.0)
    channel = edge.request("GET", "/")
    for _ in range(30):
        assert not may_end.wait(0.1)
        assert layer.reclaim(lease_ms=2000).returned == 0
    may_end.set()
    assert edge.response(channel)[0][2] == b"long"


def test_a_watchdog_that_reaches_no_broker(crew, edge, capsys):
    """What could not be given back from behind a long handler is handled when that one ends."""
    begun, may_end = threading.Event(), threading.Event()

    def wait(*_):
        begun.set()
        may_end.wait(10)
        return Response("long")

    app = App([get("/", wait)])
    channels = [edge.request("GET", "/") for _ in range(3)]
    worker = crew.start("one", app)
    assert begun.wait(5)
    nowhere = RedisLayer(LayerSettings("redis://127.0.0.1:1/0"))
    dog = Watchdog(nowhere, [worker], Handling(app, lambda _: b"", Random(1)), 10.0)
    while "cannot_look_after" not in capsys.readouterr().err:
        assert not dog.look()
    assert worker.desk.waiting() == 0
    may_end.set()
    assert [edge.response(channel)[0][2] for channel in channels] == [b"long"] * 3


class Refusing(RedisLayer):
    """A layer that refuses all commits with something done in them."""

    def commit(self, worker, done, *arguments, **named):
        """As usual, or refused."""
        if done:
            raise StepRefused("ERR not today")
        return super().commit(worker, done, *arguments, **named)


def test_refused(crew, edge, layer_settings, capsys):
    """Where what was handled is refused, what waits goes to others all the same; it tries seldom.

    The worker settles the refused when its handler ends.
    """
    begun, may_end = threading.Event(), threading.Event()

    def wait(*_):
        begun.set()
        may_end.wait(10)
        return Response("long")

    app = App([get("/", lambda *_: Response("short")), get("/long", wait)])
    channels = [edge.request("GET", path) for path in ("/", "/long", "/")]
    worker = crew.start("one", app, budget_s=10.0)
    assert begun.wait(5)
    handling = Handling(app, lambda _: b"", Random(1))
    refusing = Refusing(layer_settings)
    dog = Watchdog(refusing, [worker], handling, 10.0)
    while worker.desk.waiting():
        assert not dog.look()
    for _ in range(20):
        dog.look()
    said = capsys.readouterr().err
    refusing.close()
    assert said.count("cannot_look_after") == 1
    assert "ERR not today" in said
    crew.start("two", app)
    assert edge.response(channels[2])[0][2] == b"short"
    may_end.set()
    assert [edge.response(channel)[0][2] for channel in channels[:2]] == [b"short", b"long"]


class Hanging(RedisLayer):
    """A layer that never answers a commit in time."""

    asked = 0

    def commit(self, *arguments, **named):
        """Never."""
        self.asked += 1
        raise LayerUnavailable("no answer in 20 s")


def test_a_broker_that_hangs(crew, edge, layer_settings):
    """It is asked for one busy worker in a round, however many are; each call is announced."""
    may_end = threading.Event()

    def wait(*_):
        may_end.wait(10)
        return Response("long")

    app = App([get("/", wait)])
    workers = [crew.start(name, app, batch=1) for name in ("one", "two", "three")]
    channels = [edge.request("GET", "/") for _ in workers]
    while not all(worker.desk.in_hand() for worker in workers):
        may_end.wait(0.01)
    hanging, said = Hanging(layer_settings), []
    dog = Watchdog(hanging, workers, Handling(app, lambda _: b"", Random(1)), 0.0)
    assert not dog.look(lambda: said.append(hanging.asked))
    assert (hanging.asked, said) == (1, [0])
    hanging.close()
    may_end.set()
    assert [edge.response(channel)[0][2] for channel in channels] == [b"long"] * 3


def test_overdue(crew, edge):
    """A handler past its time is answered for, and what it does later has no effect."""
    may_end = threading.Event()

    def wait(*_):
        may_end.wait(10)
        return Response("long")

    app = App([get("/", wait, timeout_s=0.2)])
    crew.start("one", app)
    overdue = crew.watch(app)
    channel = edge.request("GET", "/")
    assert edge.response(channel)[0][0] == 503
    assert overdue.wait(5)
    may_end.set()
    crew.stop()
    assert [entry.kind for entry in edge.pending()] in ([], [Kind.RECEIPT])
