"""A worker whose steps are refused or lost, on a real broker; what it answers wrongly is played."""

import threading

import pytest

from channel_layer.layer import Done, Send
from channel_layer.redis_blocking import RedisLayer
from shared.errors import ConfigurationError, LayerUnavailable, StepRefused
from tests.workers.crew import unheard
from workers.routing import App, get, job
from workers.web import Response


class Refusing(RedisLayer):
    """A layer that refuses commits with a step that `is_bad`, and takes while `takes` is False."""

    def __init__(self, settings, is_bad=lambda step: False):
        super().__init__(settings)
        self.is_bad = is_bad
        self.takes = True
        self.refused = 0

    def begin_commit(self, worker, done, *arguments, **named):
        """As usual, or refused as a whole."""
        if any(map(self.is_bad, done)):
            self.refused += 1
            return unheard(StepRefused("ERR this step is bad"))
        return super().begin_commit(worker, done, *arguments, **named)

    def take(self, *arguments, **named):
        """As usual, or refused."""
        if not self.takes:
            self.refused += 1
            raise StepRefused("WRONGTYPE of a list")
        return super().take(*arguments, **named)


def sends(content):
    """Whether a step sends a response with this content."""

    def is_bad(step):
        packed = [one.payload for one in getattr(step, "operations", ()) if isinstance(one, Send)]
        return any(content in payload for payload in packed)

    return is_bad


def test_neighbours(crew, layer_settings, edge, capsys):
    """A unit that is refused gets its failure; those of the same commit get their own answers."""
    begun = []

    def page(request, _):
        begun.append(request.path)
        return Response(f"page {request.path}")

    app = App([get("/good", page), get("/bad", page)])
    channels = [edge.request("GET", path) for path in ("/good", "/bad", "/good")]
    crew.start("one", app, Refusing(layer_settings, sends(b"page /bad")), budget_s=10.0)
    answers = [edge.response(channel)[0] for channel in channels]
    assert [status for status, _, _ in answers] == [200, 503, 200]
    assert begun == ["/good", "/bad", "/good"]
    said = capsys.readouterr().err
    assert said.count("commit_failed") == 1
    assert "ERR this step is bad" in said
    assert "Traceback" not in said


class Cut(Refusing):
    """A refusing layer of which the first commit that is not refused is performed unheard."""

    is_cut = False

    def begin_commit(self, worker, done, *arguments, **named):
        """As usual, but for that one's answer."""
        under_way = super().begin_commit(worker, done, *arguments, **named)
        if done and not self.is_cut:
            self.is_cut = True
            under_way.answer()
            return unheard(LayerUnavailable("the connection was cut"))
        return under_way


def test_neighbours_and_a_cut(crew, layer_settings, edge):
    """A cut while refused units are settled one by one makes none of the others run again."""
    begun = []

    def page(request, _):
        begun.append(request.path)
        return Response(f"page {request.path}")

    app = App([get("/good", page), get("/bad", page)])
    channels = [edge.request("GET", path) for path in ("/bad", "/good", "/good")]
    crew.start("one", app, Cut(layer_settings, sends(b"page /bad")), budget_s=10.0)
    answers = [edge.response(channel)[0] for channel in channels]
    assert [status for status, _, _ in answers] == [503, 200, 200]
    assert edge.response(edge.request("GET", "/good"))[0][0] == 200
    assert begun == ["/bad", *["/good"] * 3]


def test_failures_that_are_refused(crew, layer, layer_settings, edge, capsys):
    """Where not even the failure is taken, the unit ends without effects; the worker goes on."""
    app = App([get("/bad", lambda *_: Response("x")), get("/good", lambda *_: Response("good"))])

    def is_bad(step):
        return any(isinstance(one, Send) and b"good" not in one.payload for one in step.operations)

    refusing = Refusing(layer_settings, is_bad)
    bad = edge.request("GET", "/bad")
    crew.start("one", app, refusing)
    assert edge.response(edge.request("GET", "/good"))[0][2] == b"good"
    assert layer.held("one") == ()
    assert not [entry for entry in edge.pending() if entry.channel == bad]
    assert "failure_not_committed" in capsys.readouterr().err
    assert refusing.refused == 2


def test_everything_is_refused_for_a_while(crew, layer_settings, edge, capsys):
    """While nothing can be committed the worker tries seldom; then all ends, nothing runs twice."""
    handled, may_go_on = [], threading.Event()
    refusing = Refusing(layer_settings)

    def run(message, outbox, _):
        handled.append(message["line"])
        refusing.is_bad = lambda _: not may_go_on.is_set()

    app = App([job("test.run", run), get("/", lambda *_: Response("x"))])
    edge.layer.send("test.run", {"line": 1})
    crew.start("one", app, refusing)
    said = ""
    while "layer_refuses" not in said:
        said += capsys.readouterr().err
    may_go_on.set()
    assert edge.response(edge.request("GET", "/"))[0][0] == 200
    assert handled == [1]
    assert edge.layer.held("one") == ()
    assert refusing.refused < 20
    assert said.count("commit_failed") <= 1


def test_taking_is_refused(crew, layer_settings, edge, capsys):
    """While taking is refused the worker says so once and tries seldom; then it goes on."""
    app = App([get("/", lambda *_: Response("x"))])
    refusing = Refusing(layer_settings)
    crew.start("one", app, refusing)
    assert edge.response(edge.request("GET", "/"))[0][0] == 200
    refusing.takes = False
    first = edge.request("GET", "/")  # ends the take that is under way
    while refusing.refused < 3:
        threading.Event().wait(0.01)
    refusing.takes = True
    for channel in (first, edge.request("GET", "/")):
        assert edge.response(channel)[0][0] == 200
    said = capsys.readouterr().err
    assert said.count("layer_refuses") == 1
    assert said.count("layer_back") == 1


class Stumbling(RedisLayer):
    """A layer whose first answer with entries in it is lost to an error of our own code."""

    stumbled = False

    def take(self, *arguments, **named):
        """As usual, but the first entries are leased and not given."""
        taken = super().take(*arguments, **named)
        if taken and not self.stumbled:
            self.stumbled = True
            raise ValueError("stumbled")
        return taken


def test_failed_turn(crew, layer_settings, edge, capsys):
    """What was leased when a turn failed is found again and handled."""
    crew.start("one", App([get("/", lambda *_: Response("x"))]), Stumbling(layer_settings))
    assert edge.response(edge.request("GET", "/"))[0][0] == 200
    assert "turn_failed" in capsys.readouterr().err


class Late(RedisLayer):
    """A layer whose first take is lost, and performed only after the worker asked what it holds."""

    def __init__(self, settings, other):
        super().__init__(settings)
        self.other = other
        self.is_lost = False
        self.is_late = False

    def take(self, *arguments, **named):
        """As usual, but for the first."""
        if not self.is_lost:
            self.is_lost = True
            raise LayerUnavailable("the connection was cut")
        return super().take(*arguments, **named)

    def held(self, worker):
        """As usual, but for what happens right behind the first answer."""
        found = super().held(worker)
        if not self.is_late:
            self.is_late = True
            self.other()
        return found


def test_late_leases(crew, layer, layer_settings, edge):
    """What a dead connection still leases to a worker after its recovery is found soon."""
    channels = []

    def late():
        channels.append(edge.request("GET", "/"))
        assert len(layer.take("one", ["http.request"], 1)) == 1

    crew.start("one", App([get("/", lambda *_: Response("x"))]), Late(layer_settings, late))
    while not channels:
        threading.Event().wait(0.01)
    assert edge.response(channels[0])[0][0] == 200


class Robbed(RedisLayer):
    """A layer whose entries have gone to another worker before this one sees them."""

    def __init__(self, settings, other):
        super().__init__(settings)
        self.other = other
        self.was_lost = threading.Event()

    def take(self, worker, *arguments, **named):
        """As usual, but what comes is another's by then, which settles it."""
        taken = super().take(worker, *arguments, **named)
        if taken:
            self.other.reclaim([worker])
            again = self.other.take("two", ["test.run"], 9)
            self.other.commit("two", [Done(one.id) for one in again])
            self.was_lost.set()
        return taken


@pytest.mark.parametrize("lease_s", [0.0, 3600.0])
def test_stopped_before_the_answer(crew, layer, layer_settings, lease_s):
    """A worker that was stopped for longer than a lease does not begin what it lost meanwhile."""
    begun = threading.Event()
    robbed = Robbed(layer_settings, layer)
    crew.start("one", App([job("test.run", lambda *_: begun.set())]), robbed, lease_s=lease_s)
    layer.send("test.run", {})
    assert robbed.was_lost.wait(5)
    if lease_s:
        assert begun.wait(5)
    crew.stop()
    assert begun.is_set() == (lease_s > 0)


def test_no_layer_to_work_on(crew, layer_settings):
    """A layer of another version ends the worker, with the reason."""

    class Other(RedisLayer):
        def take(self, *arguments, **named):
            """Never."""
            raise ConfigurationError("keys of format 9 are in the way")

    worker = crew.start("one", App([job("test.run", lambda *_: None)]), Other(layer_settings))
    crew.stop()
    assert worker.failure == "keys of format 9 are in the way"
