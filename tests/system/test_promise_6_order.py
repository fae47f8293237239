"""Holds promise 6: the frames of a socket are handled in order, by however many workers."""

import os
import signal

import pytest

from tests.system import crowd
from tests.system.aside import Aside
from tests.system.conftest import Bench
from tests.system.faults import worker_pids

pytestmark = [pytest.mark.system, pytest.mark.alone]

SOCKETS, FRAMES, THREADS = 500, 100, 16


def test_order(bench: Bench, soak_minutes: float) -> None:
    """500 sockets send 100 frames each to 4 workers that take 0 to 20 ms for a frame, and one
    worker is killed again and again: each socket's frames are handled once, in order, with the
    connection state that the frame before left."""
    frames = FRAMES * max(1, round(soak_minutes * 4))
    with bench.stack(workers=0) as stack:
        stack.start_worker("--threads", str(THREADS), processes=4)
        plan = crowd.Plan((stack.port,), SOCKETS, "/echo/{name}", frames=frames, window=16)
        with Aside(crowd.run, plan) as speaking:
            speaking.hear()
            speaking.tell("go")
            goal = SOCKETS * frames
            for part in (0.1, 0.35, 0.6):
                seen = speaking.ask("wait", int(part * goal), 60.0 * max(1, soak_minutes))
                assert seen.frames >= part * goal, seen
                os.kill(worker_pids(stack)[0], signal.SIGKILL)
            figures = speaking.ask("wait", goal, 60.0 * max(1, soak_minutes), timeout_s=900)
            lives = crowd.lives_of(speaking)
    print(figures)
    pids, repeated = set(), 0
    for (life,) in lives:
        said = [frame.text.split() for frame in life.frames]
        numbers = [(int(text), int(count), int(order)) for text, count, order, _, _ in said]
        assert numbers == [(n, n, n + 1) for n in range(frames)], (life.name, numbers)
        pids |= {pid for *_, pid, _ in said}
        repeated += sum(attempt != "1" for *_, attempt in said)
    print(f"handled by {len(pids)} processes; {repeated} frames again after a kill")
    assert len(pids) > 4
    assert repeated
