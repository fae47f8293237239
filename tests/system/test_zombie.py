"""Holds the promise about zombies: who wakes up after its lease has no say any more."""

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.system import crowd, load
from tests.system.aside import Aside
from tests.system.books import balance
from tests.system.conftest import Bench
from tests.system.faults import worker_pids

pytestmark = pytest.mark.system

HELD = 1_000_000
"""The number of the post that the worker holds when it is stopped."""


def wait_for(fact: Callable[[], bool]) -> None:
    """Look until `fact` holds; it lies in another process. The test's time-out ends a vain wait."""
    while not fact():
        time.sleep(0.02)


def test_a_stopped_worker_wakes_up(bench: Bench) -> None:
    """SIGSTOP of a worker in the midst of its work, past its lease; another finishes what it had.
    SIGCONT: its commit is refused, no effect happens twice, and it goes on working."""
    options = ("--lease-time", "1")
    kinds = {"GET /page/{number}": 1, "POST /note/{number}": 1}
    with bench.stack(workers=0) as stack, ThreadPoolExecutor(1) as pool:
        zombie = stack.start_worker(*options)
        (pid,) = worker_pids(stack)
        listeners = crowd.Plan((stack.port,), 1, "/feed/notes/{name}")
        with Aside(crowd.run, listeners) as listening:
            listening.hear()
            held = pool.submit(httpx.post, f"{stack.url}/slow/300/{HELD}", timeout=60)
            wait_for(lambda: (HELD, 1) in bench.records.tries())
            os.kill(pid, signal.SIGSTOP)
            stack.start_worker(*options)
            with Aside(load.run, load.Plan(stack.port, 100, kinds)) as loading:
                said = held.result().text.split()
                os.kill(pid, signal.SIGCONT)
                zombie.wait_for("lease_lost")
                wait_for(lambda: httpx.get(stack.url + "/page/0").text.split()[1] == str(pid))
                answers = loading.ask("stop", timeout_s=70)
            posts = [answer.number for answer in answers if answer.kind.startswith("POST")] + [HELD]
            listening.ask("wait", len(posts), 5.0)
            ((life,),) = crowd.lives_of(listening)
        assert zombie.is_running
    assert (said[0], said[2]) == (str(HELD), "2")
    assert said[1] != str(pid)
    assert {answer.status for answer in answers} == {200}
    rows = balance("rows", posts, bench.records.notes())
    told = balance("told", posts, [int(frame.text) for frame in life.frames])
    print(rows, told, sep="\n")
    assert rows.is_even
    assert told.is_even
