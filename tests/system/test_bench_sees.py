"""Holds that the fault bench sees what it looks for: a message that the layer loses is missed."""

import pytest

from tests.system import crowd
from tests.system.aside import Aside
from tests.system.books import sequel
from tests.system.conftest import Bench

pytestmark = pytest.mark.system

SOCKETS, FRAMES = 5, 20


@pytest.mark.parametrize("rules", ["", "server.response.*:drop=0.2"])
def test_a_dropped_message_is_missed(bench: Bench, rules: str) -> None:
    """With the layer's own fault mode dropping a fifth of the replies, the echoes have holes and
    handshakes are tried again; without it, on the same way, every one is there."""
    options = ("--websocket-connect-timeout", "1")
    with bench.stack(workers=0, server_options=options) as stack:
        stack.worker_env["CHANNELS_FAULT"] = rules
        stack.start_worker()
        if rules:
            stack.workers[0].wait_for("faults_on")
        plan = crowd.Plan((stack.port,), SOCKETS, "/echo/{name}", frames=FRAMES, window=FRAMES)
        with Aside(crowd.run, plan) as echoes:
            echoes.hear()
            echoes.tell("go")
            figures = echoes.ask("wait", SOCKETS * FRAMES, 3.0)
            lives = [client[-1] for client in crowd.lives_of(echoes)]
    rows = [[int(frame.text.split()[0]) for frame in life.frames] for life in lives]
    exact = [sequel(row, 0, FRAMES - 1).is_exact for row in rows]
    print(figures, exact)
    assert all(exact) == (not rules)
