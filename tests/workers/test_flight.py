"""What a worker does while a commit of its is under way, on a real broker.

A worker with batches of 8 handles and commits the first 8, which brings 16 more. It handles 8 of
these, and while they are committed the other 8.
"""

import threading

import pytest

from channel_layer.answers import UnderWay
from channel_layer.layer import Done
from channel_layer.redis_blocking import RedisLayer
from shared.errors import LayerUnavailable, StepRefused
from workers.routing import App, get, job
from workers.web import Response

BATCH = 8
PACE = {"batch": BATCH, "budget_s": 60.0}
"""Batches are as large as they may be, however slow the machine is."""

BEFORE = 2 * BATCH
"""So many are handled before the second commit is sent."""


class Held(RedisLayer):
    """A layer whose second commit is heard of when it may be.

    Where there is an `error`, that is heard in the place of its answer. It is performed at once,
    or not at all.
    """

    def __init__(self, settings, error=None, *, is_performed=True):
        super().__init__(settings)
        self.error = error
        self.is_performed = is_performed
        self.may_be_heard = threading.Event()
        self.commits = 0

    def begin_commit(self, worker, done, *arguments, **named):
        """As usual, but for the second with something done."""
        self.commits += bool(done)
        if not done or self.commits != 2:
            return super().begin_commit(worker, done, *arguments, **named)
        committed = None
        if self.is_performed:
            committed = super().begin_commit(worker, done, *arguments, **named).answer()

        def answer():
            assert self.may_be_heard.wait(10)
            if self.error is not None:
                raise self.error
            return committed

        return UnderWay(self.may_be_heard.is_set, answer)


class Pages:
    """Pages `/0`, `/1` and so on; `/slow` ends when it may."""

    def __init__(self):
        self.begun = []
        self.may_end = threading.Event()
        self.app = App([get("/slow", self.slow), get("/{name}", self.page)])

    def page(self, request, _):
        """Answers with its path."""
        self.begun.append(request.path)
        return Response(request.path)

    def slow(self, request, _):
        """The same, later."""
        self.begun.append(request.path)
        assert self.may_end.wait(10)
        return Response(request.path)


@pytest.fixture
def pages():
    """An application."""
    made = Pages()
    yield made
    made.may_end.set()


def numbers(count):
    """The paths of so many pages."""
    return [f"/{number}" for number in range(count)]


@pytest.fixture
def answered(edge):
    """Gives the paths that requests on some reply channels were answered with."""
    return lambda channels: [edge.response(channel)[0][2].decode() for channel in channels]


def test_handling_goes_on(crew, edge, layer_settings, pages, await_fact, answered):
    """While a commit is not answered, what was taken before is handled; then that is committed."""
    held, paths = Held(layer_settings), numbers(BEFORE + BATCH)
    channels = [edge.request("GET", path) for path in paths]
    crew.start("one", pages.app, held, **PACE)
    await_fact(lambda: pages.begun == paths)
    assert answered(channels[:BEFORE]) == paths[:BEFORE]
    assert edge.layer.take("test-edge", [edge.inbox], 100) == ()
    held.may_be_heard.set()
    assert answered(channels[BEFORE:]) == paths[BEFORE:]
    assert pages.begun == paths


@pytest.mark.parametrize("is_performed", [False, True])
def test_lost_answer(crew, layer, layer_settings, await_fact, is_performed):
    """When an answer is lost, what was in it and what was handled meanwhile has its effect once."""
    runs, count = [], BEFORE + 2 * BATCH

    def run(message, outbox, _):
        runs.append(message["line"])
        outbox.send("test.seen", message)

    error = LayerUnavailable("the answer was lost")
    held = Held(layer_settings, error, is_performed=is_performed)
    for line in range(count):
        layer.send("test.run", {"line": line})
    crew.start("one", App([job("test.run", run)]), held, **PACE)
    await_fact(lambda: len(runs) == BEFORE + BATCH)
    held.may_be_heard.set()
    await_fact(lambda: layer.channel_statistics("test.seen")["messages_pending"] >= count)
    await_fact(lambda: not layer.held("one"))
    seen = [layer.receive(["test.seen"])[1]["line"] for _ in range(count)]
    assert sorted(seen) == sorted(runs) == list(range(count))
    assert layer.receive(["test.seen"]) == (None, None)


@pytest.mark.parametrize("error", [None, LayerUnavailable("the answer was lost")])
def test_stop(crew, edge, layer, layer_settings, pages, await_fact, answered, error):
    """Who stops meanwhile ends what is in hand, hears of the commit, and gives back the rest."""
    held = Held(layer_settings, error)
    paths = [*numbers(BEFORE), "/slow", *numbers(2 * BATCH - 1)]
    channels = [edge.request("GET", path) for path in paths]
    worker = crew.start("one", pages.app, held, **PACE)
    await_fact(lambda: "/slow" in pages.begun)
    assert len(layer.held("one")) == 2 * BATCH
    worker.stop()
    pages.may_end.set()
    held.may_be_heard.set()
    crew.stop()
    ended = BEFORE + 1
    assert pages.begun == answered(channels[:ended]) == paths[:ended]
    assert edge.pending() == []
    assert layer.held("one") == ()
    taken = layer.take("other", ["http.request"], 99)
    assert [(one.receipt, one.attempt) for one in taken] == [(one, 1) for one in channels[ended:]]
    layer.commit("other", [Done(one.id) for one in taken])


def test_refused(crew, edge, layer_settings, pages, await_fact, answered, capsys):
    """A refused commit is settled unit by unit, beside what was handled meanwhile."""
    refusing = Held(layer_settings, StepRefused("ERR not together"), is_performed=False)
    paths = numbers(BEFORE + 2 * BATCH)
    channels = [edge.request("GET", path) for path in paths]
    crew.start("one", pages.app, refusing, **PACE)
    await_fact(lambda: len(pages.begun) == BEFORE + BATCH)
    refusing.may_be_heard.set()
    assert answered(channels) == pages.begun == paths
    assert "commit_failed" not in capsys.readouterr().err


def test_a_long_handler_meanwhile(crew, edge, layer, layer_settings, pages, await_fact, answered):
    """What a commit took that is under way goes to others when it would wait for a long handler."""
    held = Held(layer_settings)
    paths = [*numbers(BEFORE), "/slow", *numbers(2 * BATCH - 1)]
    channels = [edge.request("GET", path) for path in paths]
    worker = crew.start("one", pages.app, held, **PACE)
    crew.watch(pages.app)
    await_fact(lambda: "/slow" in pages.begun)
    held.may_be_heard.set()
    await_fact(lambda: len(layer.held("one")) == 1)
    crew.start("two", pages.app)
    slow = channels.pop(BEFORE)
    paths.pop(BEFORE)
    assert answered(channels) == paths
    assert worker.desk.in_hand() is not None
    pages.may_end.set()
    assert answered([slow]) == ["/slow"]


def test_a_watchdog_waits_for_no_answer(crew, edge, layer_settings, pages, await_fact, answered):
    """While the answer is not here, what waits on the desk goes to others all the same."""
    held = Held(layer_settings)
    paths = [*numbers(BEFORE), "/slow", *numbers(BATCH - 1)]
    channels = [edge.request("GET", path) for path in paths]
    crew.start("one", pages.app, held, **PACE)
    crew.watch(pages.app)
    await_fact(lambda: "/slow" in pages.begun)
    crew.start("two", pages.app)
    slow = channels.pop(BEFORE)
    paths.pop(BEFORE)
    assert answered(channels) == paths
    pages.may_end.set()
    held.may_be_heard.set()
    assert answered([slow]) == ["/slow"]
