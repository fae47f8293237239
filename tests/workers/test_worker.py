"""The worker's loop and its watchdog on a real broker, in threads of the test."""

import threading

from channel_layer.capacities import Capacities
from channel_layer.layer import Capacity, Done, Send
from channel_layer.redis_blocking import RedisLayer
from shared import codec
from shared.errors import LayerUnavailable
from workers.routing import App, get, job
from workers.web import Response


def test_fenced(crew, layer, edge, capsys):
    """A worker whose lease was reclaimed has no effect: the other one's answer is the only one."""
    begun, may_end = threading.Semaphore(0), threading.Event()

    def page(request, outbox):
        begun.release()
        if request.attempt == 1:
            may_end.wait(10)
        outbox.send("test.seen", {"attempt": request.attempt})
        return Response(str(request.attempt))

    app = App([get("/", page)])
    crew.start("zombie", app)
    channel = edge.request("GET", "/")
    assert begun.acquire(timeout=10)
    layer.reclaim(["zombie"])
    crew.start("living", app)
    (_, _, content), _ = edge.response(channel)
    assert content == b"2"
    assert edge.seen() == {"attempt": 2}
    may_end.set()
    crew.stop()
    assert layer.receive(["test.seen"]) == (None, None)
    assert edge.pending() == []
    assert "lease_lost" in capsys.readouterr().err


def test_full_for_a_while(crew, layer, layer_settings, edge):
    """An answer that finds a full list is tried again until there is room; others go on."""
    app = App([get("/", lambda *_: Response("x")), job("test.trace", _trace)])
    small = Capacities(Capacity(), {"server.response.full!": Capacity(1, 2**21)})
    crew.start("one", app, RedisLayer(layer_settings, small))
    for client in ("a", "b"):
        message = codec.pack({"reply_channel": f"server.response.full!{client}"} | PAGE)
        layer.perform([Send("http.request", message)])
    layer.send("test.trace", {"line": 1})
    assert edge.seen() == {"line": 1}
    first, _ = layer.receive(["server.response.full!"], block=True)
    second, _ = layer.receive(["server.response.full!"], block=True)
    assert {first, second} == {"server.response.full!a", "server.response.full!b"}


PAGE = {"method": "GET", "path": "/"}


def _trace(message, outbox, _):
    outbox.send("test.seen", message)


def test_full_for_good(crew, layer, layer_settings, edge, capsys):
    """A job whose output finds no room for seconds is tried again later, and says so."""
    small = Capacities(Capacity(), {"test.seen": Capacity(1, 2**21)})
    app = App([job("test.trace", _trace, retries=9, backoff_s=0.01)])
    layer.send("test.seen", {"line": 0})
    crew.start("one", app, RedisLayer(layer_settings, small))
    layer.send("test.trace", {"line": 1})
    while "list_full" not in (text := capsys.readouterr().err):
        assert "Traceback" not in text
        assert layer.channel_statistics("test.seen")["messages_pending"] == 1
    assert (edge.seen(), edge.seen()) == ({"line": 0}, {"line": 1})


def test_steps_that_cannot_be_committed(crew, edge, capsys):
    """An answer too large for any message is a 503 for its client and no harm to others."""
    large = Response(headers=[("x-large", "x" * 2_000_000)])
    app = App([get("/", lambda *_: large), get("/small", lambda *_: Response("x"))])
    crew.start("one", app)
    first, second = edge.request("GET", "/"), edge.request("GET", "/small")
    assert edge.response(first)[0][0] == 503
    assert edge.response(second)[0][0] in (200, 503)
    assert edge.response(edge.request("GET", "/small"))[0][0] == 200
    assert "commit_failed" in capsys.readouterr().err


class Forgetful(RedisLayer):
    """A layer whose answers are lost now and then: the step was performed, but nobody is told."""

    def __init__(self, settings):
        super().__init__(settings)
        self.calls = 0

    def take(self, *arguments, **named):
        """As usual, but every second answer is lost."""
        return self._perhaps(super().take(*arguments, **named))

    def commit(self, *arguments, **named):
        """As usual, but every second answer is lost."""
        return self._perhaps(super().commit(*arguments, **named))

    def _perhaps(self, answer):
        self.calls += 1
        if self.calls % 2:
            raise LayerUnavailable("the answer was lost")
        return answer


def test_lost_answers(crew, layer, layer_settings, edge):
    """When answers are lost, each job still runs once and has its effect once."""
    runs = []

    def run(message, outbox, _):
        runs.append(message["line"])
        outbox.send("test.seen", message)

    crew.start("one", App([job("test.trace", run)]), Forgetful(layer_settings))
    for number in range(30):
        layer.send("test.trace", {"line": number})
    seen = [edge.seen()["line"] for _ in range(30)]
    assert sorted(seen) == sorted(runs) == list(range(30))
    crew.stop()
    assert layer.receive(["test.seen"]) == (None, None)
    assert layer.held("one") == ()


def test_stop_gives_back(crew, layer, edge):
    """A worker that stops ends what it has in hand and gives back the rest, untouched."""
    begun, may_end = threading.Event(), threading.Event()

    def wait(*_):
        begun.set()
        may_end.wait(10)
        return Response("long")

    app = App([get("/", wait)])
    channels = [edge.request("GET", "/") for _ in range(3)]
    worker = crew.start("one", app)
    assert begun.wait(10)
    worker.stop()
    may_end.set()
    crew.stop()
    assert edge.response(channels[0])[0][2] == b"long"
    taken = layer.take("other", ["http.request"], 9)
    assert [(one.receipt, one.attempt) for one in taken] == [(one, 1) for one in channels[1:]]
    layer.commit("other", [Done(one.id) for one in taken])


def test_nothing_stops_the_loop(crew, edge, capsys):
    """Whatever a handler raises, the loop goes on; even an exit is only a failure."""

    def leave(*_):
        raise SystemExit(3)

    app = App([get("/", leave), get("/fine", lambda *_: Response("x"))])
    crew.start("one", app)
    assert edge.response(edge.request("GET", "/"))[0][0] == 500
    assert edge.response(edge.request("GET", "/fine"))[0][0] == 200
    assert "SystemExit: 3" in capsys.readouterr().err
