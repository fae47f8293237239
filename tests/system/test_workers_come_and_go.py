"""Holds issue 2: workers are started, stopped and killed while readers are served."""

import collections
import os
import signal
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from tests.parts import children_of

pytestmark = pytest.mark.system
Small = Callable[..., Any]
Marks = Callable[..., list[Path]]


def answers(url: str, count: int) -> list[httpx.Response]:
    """The answers to `count` requests, 16 at a time."""
    with httpx.Client(timeout=30) as client, ThreadPoolExecutor(16) as pool:
        return list(pool.map(lambda _: client.get(url), range(count)))


def test_three_workers_serve_and_two_may_stop(small: Small) -> None:
    """Three pools started apart all serve; stopping two changes nothing for a reader."""
    with small(workers=3) as stack:
        seen = collections.Counter(reply.text for reply in answers(stack.url + "/who", 300))
        pools = [children_of(part.pid) for part in stack.workers]
        for pids in pools:
            assert any(str(pid) in seen for pid in pids), (seen, pools)
        with connect(stack.socket_url + "/chat") as socket, ThreadPoolExecutor(1) as pool:
            during = pool.submit(answers, stack.url + "/who", 300)
            stack.workers[0].stop()
            stack.workers[1].stop()
            assert {reply.status_code for reply in during.result()} == {200}
            last = {reply.text for reply in answers(stack.url + "/who", 20)}
            assert last <= {str(pid) for pid in pools[2]}
            socket.send("still here")
            assert {socket.recv(5), socket.recv(5)} == {"1 still here", "all still here"}


def test_a_killed_workers_pages_are_answered_by_another(
    small: Small, marks: Marks, tmp_path: Path
) -> None:
    """kill -9 of a worker that holds requests: every GET is answered, by someone else."""
    gate = tmp_path / "marks" / "hold"
    with small(workers=0) as stack:
        gate.touch()
        first = stack.start_worker()
        with ThreadPoolExecutor(8) as pool:
            calls: list[Future[httpx.Response]] = [
                pool.submit(httpx.get, f"{stack.url}/hold/{number}", timeout=30)
                for number in range(8)
            ]
            (held, *_) = marks("held-")
            victim = int(held.name.rpartition("-")[2])
            assert victim in children_of(first.pid)
            os.kill(victim, signal.SIGKILL)
            gate.unlink()
            replies = [call.result() for call in calls]
        assert [reply.status_code for reply in replies] == [200] * 8
        assert str(victim) not in {reply.text.split()[0] for reply in replies}
        first.wait_for("child|worker")


def test_a_killed_workers_post_is_not_repeated(small: Small, marks: Marks, tmp_path: Path) -> None:
    """A POST whose worker died gets 503 at once; its effects never happened."""
    gate = tmp_path / "marks" / "hold"
    with small() as stack, connect(stack.socket_url + "/chat") as socket:
        gate.touch()
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(httpx.post, stack.url + "/once/a", timeout=30)
            (held,) = marks("once-a-")
            os.kill(int(held.name.rpartition("-")[2]), signal.SIGKILL)
            reply = call.result()
        gate.unlink()
        assert reply.status_code == 503
        assert "retry-after" in reply.headers
        socket.send("next")
        assert {socket.recv(5), socket.recv(5)} == {"1 next", "all next"}
        assert len(marks("once-a-")) == 1


def test_an_idempotent_post_happens_once(small: Small, marks: Marks, tmp_path: Path) -> None:
    """A POST that may be repeated is handled again after a kill; its effects happen once."""
    gate = tmp_path / "marks" / "hold"
    with small() as stack, connect(stack.socket_url + "/chat") as socket:
        gate.touch()
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(httpx.post, stack.url + "/again/b", timeout=30)
            (held,) = marks("once-b-1-")
            os.kill(int(held.name.rpartition("-")[2]), signal.SIGKILL)
            gate.unlink()
            assert call.result().status_code == 200
        marks("once-b-2-")
        assert socket.recv(5) == "once b"
        socket.send("next")
        assert {socket.recv(5), socket.recv(5)} == {"1 next", "all next"}


def test_a_stopped_worker_gives_back_what_it_did_not_begin(
    small: Small, marks: Marks, tmp_path: Path
) -> None:
    """SIGTERM: the request in hand is finished, the ones behind it go to another worker."""
    gate = tmp_path / "marks" / "hold"
    with small(workers=1) as stack:
        gate.touch()
        with ThreadPoolExecutor(4) as pool:
            calls = [pool.submit(httpx.get, f"{stack.url}/hold/{n}", timeout=30) for n in range(4)]
            marks("held-")
            stack.workers[0].signal(signal.SIGTERM)
            gate.unlink()
            second = stack.start_worker()
            replies = [call.result() for call in calls]
        assert [reply.status_code for reply in replies] == [200] * 4
        assert {reply.text.split()[1] for reply in replies} == {"1"}
        assert stack.workers[0].wait() == 0
        assert second.is_running
