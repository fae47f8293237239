"""The worker's loop and its watchdog on a real broker, in threads of the test."""

import struct
import threading

import pytest
import redis

from channel_layer import entries
from channel_layer.answers import UnderWay
from channel_layer.capacities import Capacities
from channel_layer.layer import Capacity, Done, Kind, Send
from channel_layer.redis_blocking import RedisLayer
from channel_layer.redis_keys import RedisKeys
from shared import codec
from shared.errors import LayerUnavailable
from workers.routing import App, get, job, websocket
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
    large = Response(headers=[("x-large", "x" * 20_000_000)])
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
        taken = super().take(*arguments, **named)
        self._perhaps_lose()
        return taken

    def begin_commit(self, *arguments, **named):
        """As usual, but every second answer is lost."""
        under_way = super().begin_commit(*arguments, **named)

        def answer():
            committed = under_way.answer()
            self._perhaps_lose()
            return committed

        return UnderWay(under_way.has_come, answer)

    def _perhaps_lose(self):
        self.calls += 1
        if self.calls % 2:
            raise LayerUnavailable("the answer was lost")


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


HEADER = struct.pack(">QQQQHBB", 5, 1, 0, 0, 1, 0, 0)


@pytest.mark.parametrize(
    "garbage",
    [
        *(b"x", b"\xff" * 36, HEADER, HEADER[:-2] + b"\x09\x00\x01a\x00", HEADER + b"\xffab\x00"),
        HEADER + b"\x02\xff\xfe\x00",
    ],
)
def test_garbage_among_requests(crew, layer, layer_settings, edge, redis_url, garbage):
    """What is no entry, put on a list by whomever, is passed over; its neighbours are answered."""
    channels = [edge.request("GET", "/") for _ in range(3)]
    key = RedisKeys(layer_settings.prefix).list("http.request")
    with redis.Redis.from_url(redis_url) as client:
        client.linsert(key, "before", client.lindex(key, 1), garbage)
    crew.start("one", App([get("/", lambda *_: Response("x"))]))
    for channel in (*channels, edge.request("GET", "/")):
        assert edge.response(channel)[0][0] == 200
    crew.stop()
    assert layer.held("one") == ()


def test_history_and_presence(crew, layer, edge):
    """What a socket missed of a group follows its join; the first device of a user is told."""

    def connect(event, outbox):
        outbox.accept()
        since = (event.query.get("epoch", ""), int(event.query.get("offset", "0")))
        user = event.query.get("user", "")
        outbox.join("room", since=since, user=user, presence="test.present")

    def say(message, outbox, _):
        outbox.send_group("room", {"text": message["line"]}, history=(2, 60))

    def present(message, outbox, _):
        outbox.send("test.seen", message)

    jobs = [job("test.say", say), job("test.present", present)]
    crew.start("one", App([websocket("/", connect), *jobs]))
    first = edge.connect("/?user=ann")
    assert [edge.next(first).kind for _ in range(2)] == [Kind.MESSAGE, Kind.JOIN]
    now = entries.replay(edge.next(first))
    assert (now.messages, now.is_gap, now.is_end, now.position.offset) == ((), False, True, 0)
    for line in "abc":
        layer.send("test.say", {"line": line})
    heard = [entries.group_message(edge.next("room")) for _ in range(3)]
    assert [one.position for one in heard] == [(now.position.epoch, n) for n in (1, 2, 3)]

    for offset, missed, is_gap in ((1, (2, 3), False), (0, (), True)):
        later = edge.connect(f"/?user=ann&epoch={now.position.epoch}&offset={offset}")
        edge.next(later)
        edge.next(later)
        told = entries.replay(edge.next(later))
        assert (tuple(number for number, _ in told.messages), told.is_gap) == (missed, is_gap)
        assert told.position == (now.position.epoch, 3)
    assert layer.group_members("room") == {"ann": 3}
    assert edge.seen() == {"group": "room", "user": "ann", "event": "join", "devices": 1}
    assert layer.receive(["test.seen"]) == (None, None)


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
