"""When the reaper looks for dead workers and servers, and what it does when it is refused."""

from random import Random

import pytest

from channel_layer.answers import Reaped, Reclaimed
from channel_layer.layer import OpenSocket, Send
from shared import codec
from shared.errors import LayerUnavailable, StepRefused
from shared.messages import REAPED_CODE, REAPED_ORDER, WsConnect, WsDisconnect
from shared.settings import LayerSettings
from workers.reaper import Reaper, ReaperSettings
from workers.routing import App, websocket


class Told:
    """A layer that records what it is asked; each error in `errors` is raised once, in order."""

    def __init__(self, *errors):
        self.asked = []
        self.errors = list(errors)
        self.reaped = Reaped()

    def reclaim(self, workers, *, lease_ms, attempt_limit, wake):
        """Records it."""
        self._ask("reclaim", tuple(workers), lease_ms, attempt_limit, tuple(wake))
        return Reclaimed()

    def reap_servers(self, silent_ms):
        """Records it."""
        self._ask("reap", silent_ms)
        return self.reaped

    def _ask(self, *what):
        self.asked.append(what)
        if self.errors:
            error = self.errors.pop(0)
            if error is not None:
                raise error


def reaper(layer):
    """A reaper on that layer."""
    settings = ReaperSettings(LayerSettings("redis://127.0.0.1:1/0"), 3.0, 4, 8.0)
    return Reaper(layer, settings, Random(1))


def test_rhythm():
    """It reclaims each 5 seconds and reaps about each 2, and at once when somebody died."""
    layer = Told()
    made = reaper(layer)
    now_s = 0.0
    while now_s < 60:
        now_s += made.look(now_s)
    kinds = [what[0] for what in layer.asked]
    assert kinds.count("reclaim") in (12, 13)
    assert 27 <= kinds.count("reap") <= 34
    assert ("reclaim", (), 3000, 4, ()) in layer.asked
    assert ("reap", 8000) in layer.asked
    layer.asked.clear()
    made.hear({"dead": ["w.1"], "channels": ["jobs"]})
    made.look(now_s)
    assert layer.asked[0] == ("reclaim", ("w.1",), 3000, 4, ("jobs",))
    layer.asked.clear()
    made.look(now_s + 10)
    assert layer.asked[0] == ("reclaim", (), 3000, 4, ("jobs",))


def test_broker_away():
    """While the broker is away it tries soon again, spread, and forgets nobody who died."""
    layer = Told(*[LayerUnavailable("away")] * 8)
    made = reaper(layer)
    made.hear({"dead": ["w.1"]})
    waits = [made.look(10.0 + number) for number in range(8)]
    assert waits[0] <= 0.1
    assert all(0.5 <= wait_s <= 1.0 for wait_s in waits[4:])
    assert len(set(waits)) == 8
    made.look(20.0)
    assert layer.asked[-2:] == [("reclaim", ("w.1",), 3000, 4, ()), ("reap", 8000)]


def test_refused(capsys):
    """A lease that cannot be put back keeps no other from it and is not tried for ever."""
    refused = StepRefused("WRONGTYPE")
    layer = Told(refused, None, refused, None)
    made = reaper(layer)
    made.hear({"dead": ["a", "b", "c"]})
    made.look(0.0)
    named = [what[1:3] for what in layer.asked if what[0] == "reclaim"]
    assert named == [(("a", "b", "c"), 3000), *((name, 2**40) for name in [("a",), ("b",), ("c",)])]
    said = capsys.readouterr().err
    assert said.count("lease_given_up") == 1
    layer.asked.clear()
    made.look(6.0)
    assert layer.asked[0] == ("reclaim", (), 3000, 4, ())


@pytest.mark.parametrize("is_refused", [True, False])
def test_what_it_says(capsys, is_refused):
    """It says in one line which servers it reaped and for how many sockets, or why not."""
    layer = Told(None, StepRefused("WRONGTYPE")) if is_refused else Told()
    layer.reaped = Reaped(("server.response.P!",), 20, 3)
    made = reaper(layer)
    made.look(0.0)
    said = capsys.readouterr().err
    assert ("reap_refused" in said) == is_refused
    assert ("disconnects=20" in said) != is_refused
    assert ("waiting=3" in said) != is_refused


def test_a_dead_server(crew, layer, layer_settings, edge, await_fact):
    """Each socket of a silent server has one disconnect, with the state of its last frame."""
    ended = []

    def connect(_, outbox):
        outbox.accept()
        outbox.state({"frames": 0})

    def receive(event, outbox):
        outbox.state({"frames": event.state["frames"] + 1})

    def disconnect(event, _):
        ended.append((event.reply_channel, event.code, event.order, event.state["frames"]))

    crew.start("one", App([websocket("/", connect, receive, disconnect)]))
    channels = [edge.channel() for _ in range(3)]
    for channel in channels:
        connected = codec.encode(WsConnect(channel, "/"))
        farewell = codec.encode(WsDisconnect(channel, "/", REAPED_ORDER, REAPED_CODE))
        layer.perform(
            [
                OpenSocket(channel, farewell),
                Send("websocket.connect", connected, receipt=channel),
            ]
        )
        state = edge.turn(channel)[1].state
        edge.frames(channel, "/", state, "x", "y")
        edge.turn(channel)
    settings = ReaperSettings(layer_settings, server_silence_s=0.2)
    made = Reaper(layer, settings, Random(1))

    def is_reaped():
        made.reap()
        return len(ended) >= 3

    await_fact(is_reaped)
    made.reap()
    crew.stop()
    assert sorted(ended) == [(channel, 1006, REAPED_ORDER, 2) for channel in channels]
