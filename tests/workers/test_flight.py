"""What a worker does while a commit of its is under way, on a real broker."""

import threading

import pytest

from channel_layer.answers import UnderWay
from channel_layer.layer import Done
from channel_layer.redis_blocking import RedisLayer
from shared.errors import LayerUnavailable, StepRefused
from tests.workers.crew import unheard
from workers.routing import App, get, job
from workers.web import Response


class Held(RedisLayer):
    """A layer whose first commit with something done is performed, and heard of when it may be.

    Where there is an `error`, that is heard in the place of its answer.
    """

    def __init__(self, settings, error=None):
        super().__init__(settings)
        self.error = error
        self.may_be_heard = threading.Event()
        self.performed = threading.Event()

    def begin_commit(self, worker, done, *arguments, **named):
        """As usual, but for the first."""
        under_way = super().begin_commit(worker, done, *arguments, **named)
        if not done or self.performed.is_set():
            return under_way
        committed = under_way.answer()
        self.performed.set()

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


def test_handling_goes_on(crew, edge, layer_settings, pages, await_fact):
    """While a commit is not answered, what was taken before is handled; then that is committed."""
    held = Held(layer_settings)
    channels = [edge.request("GET", path) for path in numbers(16)]
    crew.start("one", pages.app, held)
    await_fact(lambda: len(pages.begun) == 16)
    answers = [edge.response(channel)[0][2] for channel in channels[:8]]
    assert edge.layer.take("test-edge", [edge.inbox], 100) == ()
    held.may_be_heard.set()
    answers += [edge.response(channel)[0][2] for channel in channels[8:]]
    assert [answer.decode() for answer in answers] == pages.begun == numbers(16)


@pytest.mark.parametrize("was_performed", [False, True])
def test_lost_answer(crew, layer, layer_settings, await_fact, was_performed):
    """When an answer is lost, what was in it and what was handled meanwhile has its effect once."""
    runs = []

    def run(message, outbox, _):
        runs.append(message["line"])
        outbox.send("test.seen", message)

    class Lost(Held):
        """A layer whose first commit is lost, or its answer."""

        is_sent = was_performed

        def begin_commit(self, worker, done, *arguments, **named):
            """As usual, but for the first."""
            if done and not self.is_sent:
                self.is_sent = True
                self.performed.set()
                return unheard(LayerUnavailable("cut before it was sent"))
            return super().begin_commit(worker, done, *arguments, **named)

    lost = Lost(layer_settings, LayerUnavailable("the answer was lost"))
    for line in range(16):
        layer.send("test.run", {"line": line})
    worker = crew.start("one", App([job("test.run", run)]), lost)
    await_fact(lambda: len(runs) == 16)
    lost.may_be_heard.set()
    await_fact(lambda: layer.channel_statistics("test.seen")["messages_pending"] >= 16)
    await_fact(lambda: not layer.held(worker.name))
    seen = [layer.receive(["test.seen"])[1]["line"] for _ in range(16)]
    assert sorted(seen) == sorted(runs) == list(range(16))
    assert layer.receive(["test.seen"]) == (None, None)


@pytest.mark.parametrize("error", [None, LayerUnavailable("the answer was lost")])
def test_stop(crew, edge, layer, layer_settings, pages, await_fact, error):
    """Who stops meanwhile ends what is in hand, hears of the commit, and gives back the rest."""
    held = Held(layer_settings, error)
    paths = [*numbers(8), "/slow", *numbers(7)]
    channels = [edge.request("GET", path) for path in paths]
    worker = crew.start("one", pages.app, held)
    await_fact(lambda: "/slow" in pages.begun)
    worker.stop()
    pages.may_end.set()
    held.may_be_heard.set()
    crew.stop()
    assert pages.begun == paths[:9]
    assert [edge.response(channel)[0][2].decode() for channel in channels[:9]] == paths[:9]
    assert edge.pending() == []
    assert layer.held("one") == ()
    taken = layer.take("other", ["http.request"], 99)
    assert [(one.receipt, one.attempt) for one in taken] == [(one, 1) for one in channels[9:]]
    layer.commit("other", [Done(one.id) for one in taken])


def test_refused(crew, edge, layer_settings, pages, await_fact, capsys):
    """A refused commit is settled unit by unit, beside what was handled meanwhile."""

    class Refusing(Held):
        """A layer that refuses the first commit without performing it."""

        def begin_commit(self, worker, done, *arguments, **named):
            """As usual, but for the first."""
            if not done or self.performed.is_set():
                return RedisLayer.begin_commit(self, worker, done, *arguments, **named)
            self.performed.set()
            return UnderWay(self.may_be_heard.is_set, self.refusal)

        def refusal(self):
            """Never an answer."""
            assert self.may_be_heard.wait(10)
            raise StepRefused("ERR not together")

    refusing = Refusing(layer_settings)
    channels = [edge.request("GET", path) for path in numbers(16)]
    crew.start("one", pages.app, refusing)
    await_fact(lambda: len(pages.begun) == 16)
    refusing.may_be_heard.set()
    assert [edge.response(channel)[0][2].decode() for channel in channels] == numbers(16)
    assert pages.begun == numbers(16)
    assert "commit_failed" not in capsys.readouterr().err


def test_a_long_handler_meanwhile(crew, edge, layer_settings, pages, await_fact):
    """What a commit took that is under way goes to others when it would wait for a long handler."""
    held = Held(layer_settings)
    paths = [*numbers(8), "/slow", *numbers(23)]
    channels = [edge.request("GET", path) for path in paths]
    worker = crew.start("one", pages.app, held, batch=16)
    crew.watch(pages.app)
    await_fact(lambda: "/slow" in pages.begun)
    assert len(edge.layer.held(worker.name)) == 24
    others = [*channels[:8], *channels[9:]]
    held.may_be_heard.set()
    await_fact(lambda: len(edge.layer.held(worker.name)) == 1)
    crew.start("two", pages.app)
    for channel, path in zip(others, [*paths[:8], *paths[9:]], strict=True):
        assert edge.response(channel)[0][2].decode() == path
    assert worker.desk.in_hand() is not None
    pages.may_end.set()
    assert edge.response(channels[8])[0][2] == b"/slow"


def test_a_watchdog_waits_for_no_answer(crew, edge, layer_settings, pages, await_fact):
    """While the answer is not here, what waits on the desk goes to others all the same."""
    held = Held(layer_settings)
    paths = [*numbers(8), "/slow", *numbers(7)]
    channels = [edge.request("GET", path) for path in paths]
    crew.start("one", pages.app, held)
    crew.watch(pages.app)
    await_fact(lambda: "/slow" in pages.begun)
    crew.start("two", pages.app)
    assert [edge.response(one)[0][0] for one in (*channels[:8], *channels[9:])] == [200] * 15
    pages.may_end.set()
    held.may_be_heard.set()
    assert edge.response(channels[8])[0][0] == 200
