"""Worker processes that are killed, stopped, replaced and stuck; always real ones."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.system


def read_marks(path: Path) -> list[int]:
    """The processes that left a mark in a file."""
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def test_kill_9(pool, edge, tmp_path, await_fact):
    """After kill -9, another worker answers GETs and repeatable POSTs at once, others get 503."""
    made = pool("--processes", "2", "--threads", "3")
    marks = [tmp_path / f"mark{number}" for number in range(3)]
    got = edge.request("GET", f"/slow?s=2&mark={marks[0]}")
    posted = edge.request("POST", f"/slow?s=2&mark={marks[1]}")
    repeatable = edge.request("POST", f"/slow-idempotent?s=2&mark={marks[2]}")
    await_fact(lambda: all(map(read_marks, marks)))
    for pid in made.children():
        os.kill(pid, signal.SIGKILL)
    (status, headers, _), _ = edge.response(posted)
    assert (status, headers[b"retry-after"]) == (503, b"2")
    for channel in (got, repeatable):
        (status, _, content), _ = edge.response(channel)
        assert status == 200
        assert json.loads(content)["attempt"] >= 2
    assert [len(read_marks(mark)) > 1 for mark in marks] == [True, False, True]
    assert made.text().count("killed by SIGKILL") == 2


def test_sigterm(pool, edge, tmp_path, await_fact):
    """SIGTERM finishes what is in hand, gives back the rest and leaves no process."""
    made = pool("--processes", "1")
    mark = tmp_path / "mark"
    slow = edge.request("GET", f"/slow?s=3&mark={mark}")
    await_fact(lambda: bool(read_marks(mark)))
    waiting = [edge.request("GET", "/") for _ in range(3)]
    (child,) = made.children()
    assert made.stop() == 0
    assert not Path(f"/proc/{child}").exists()
    assert edge.response(slow)[0][0] == 200
    assert edge.layer.channel_statistics("http.request")["messages_pending"] == 3
    pool("--processes", "1")
    assert [edge.response(channel)[0][0] for channel in waiting] == [200, 200, 200]


def test_idle_stop_is_quick(pool):
    """A pool that waits for work stops before its wait of ten seconds is over."""
    made = pool("--processes", "2", "--threads", "2")
    made.process.send_signal(signal.SIGINT)
    assert made.process.wait(8) == 0


def test_second_sigterm(pool, edge, tmp_path, await_fact):
    """A second SIGTERM stops hard; what was in hand goes to others."""
    made = pool("--processes", "1")
    mark = tmp_path / "mark"
    slow = edge.request("GET", f"/slow?s=30&mark={mark}")
    await_fact(lambda: bool(read_marks(mark)))
    made.process.send_signal(signal.SIGTERM)
    made.await_log("stopping")
    made.process.send_signal(signal.SIGTERM)
    assert made.process.wait(20) == 0
    assert edge.layer.channel_statistics("http.request")["messages_pending"] == 1
    edge.layer.receive(["http.request"])
    assert slow


def test_sighup(pool, edge, tmp_path):
    """SIGHUP replaces each process by one with the code of now; none is missing meanwhile."""
    (tmp_path / "changing_app.py").write_text(CHANGING.format(text="one"))
    made = pool("--processes", "2", app="changing_app:build", folder=tmp_path)
    assert edge.response(edge.request("GET", "/"))[0][2] == b"one"
    before = set(made.children())

    (tmp_path / "changing_app.py").write_text("this is no python")
    made.process.send_signal(signal.SIGHUP)
    made.await_log("reload_failed")
    assert set(made.children()) == before
    assert edge.response(edge.request("GET", "/"))[0][2] == b"one"

    (tmp_path / "changing_app.py").write_text(CHANGING.format(text="three"))
    made.process.send_signal(signal.SIGHUP)
    made.await_log("workers_reloaded")
    for _ in range(5):
        assert edge.response(edge.request("GET", "/"))[0][2] == b"three"
    assert not before & set(made.children())


CHANGING = """
from workers.routing import App, get
from workers.web import Response


def build():
    return App([get("/", lambda request, outbox: Response("{text}"))])
"""


def test_sighup_under_load(pool, edge):
    """While each process is replaced, no request fails and none waits for long."""
    made = pool("--processes", "3", "--threads", "2")
    before = set(made.children())
    made.process.send_signal(signal.SIGHUP)
    statuses = []
    while "workers_reloaded" not in made.text():
        channels = [edge.request(method, "/slow?s=0.02") for method in ("GET", "POST") * 3]
        statuses += [edge.response(channel)[0][0] for channel in channels]
    assert set(statuses) == {200}
    assert len(statuses) > 50
    after = set(made.children())
    assert (len(after), after & before) == (3, set())


HANGING = """
import time
from pathlib import Path
from workers.routing import App, get
from workers.web import Response


def build():
    Path("built").open("a").write("x")
    time.sleep({wait_s})
    return App([get("/", lambda request, outbox: Response("{text}"))])
"""


def test_hanging_successor(pool, edge, tmp_path, await_fact):
    """A successor that never stands up is ended; the old ones go on, and the next reload works."""
    source = tmp_path / "changing_app.py"
    source.write_text(HANGING.format(text="one", wait_s=0))
    options = ("--processes", "2", "--start-time", "8")
    made = pool(*options, app="changing_app:build", folder=tmp_path)
    before = set(made.children())

    source.write_text(HANGING.format(text="two", wait_s=600))
    made.process.send_signal(signal.SIGHUP)
    made.await_log("start_overdue")
    made.await_log("reload_failed")
    assert set(made.children()) == before
    assert edge.response(edge.request("GET", "/"))[0][2] == b"one"

    source.write_text(HANGING.format(text="three", wait_s=0))
    made.process.send_signal(signal.SIGHUP)
    made.await_log("workers_reloaded")
    assert edge.response(edge.request("GET", "/"))[0][2] == b"three"
    assert not before & set(made.children())


def test_hanging_start(pool, tmp_path, edge):
    """A child that hangs before it is ready is ended and tried again; one that stands up serves."""
    source = tmp_path / "changing_app.py"
    source.write_text(HANGING.format(text="one", wait_s=600))
    options = ("--processes", "1", "--start-time", "5")
    made = pool(*options, app="changing_app:build", folder=tmp_path, ready=False)
    made.await_log("start_overdue")
    source.write_text(HANGING.format(text="three", wait_s=0))
    made.await_log("workers_ready")
    assert edge.response(edge.request("GET", "/"))[0][2] == b"three"


def test_death_while_a_successor_starts(pool, edge, tmp_path, await_fact):
    """An old child that dies while its successor starts leaves the pool as large as it was."""
    source = tmp_path / "changing_app.py"
    source.write_text(HANGING.format(text="one", wait_s=0))
    made = pool("--processes", "1", app="changing_app:build", folder=tmp_path)
    (old,) = made.children()
    source.write_text(HANGING.format(text="three", wait_s=1.5))
    (tmp_path / "built").write_text("")
    made.process.send_signal(signal.SIGHUP)
    await_fact(lambda: (tmp_path / "built").read_text() == "x")
    os.kill(old, signal.SIGKILL)
    made.await_log("workers_reloaded")
    assert len(made.children()) == 1
    assert edge.response(edge.request("GET", "/"))[0][2] == b"three"
    assert (tmp_path / "built").read_text() == "x"


def test_zombie(pool, edge, tmp_path, await_fact):
    """A child stopped past its lease comes back to find its work done: no effect twice, it goes on.

    Only the commit of the one that took over counts.
    """
    made = pool("--processes", "1", "--lease-time", "3", "--stuck-time", "60")
    (zombie,) = made.children()
    mark = tmp_path / "mark"
    channel = edge.request("GET", f"/slow?s=0.5&mark={mark}&told=1")
    await_fact(lambda: read_marks(mark) == [zombie])
    os.kill(zombie, signal.SIGSTOP)
    other = pool("--processes", "1", "--lease-time", "3")
    try:
        (status, _, content), _ = edge.response(channel)
        assert (status, json.loads(content)["attempt"]) == (200, 2)
        assert json.loads(content)["pid"] in other.children()
        assert edge.seen()["attempt"] == 2
    finally:
        os.kill(zombie, signal.SIGCONT)
    made.await_log("lease_lost")
    other.stop()
    (_, _, content), _ = edge.response(edge.request("GET", "/"))
    assert json.loads(content)["pid"] == zombie
    assert edge.layer.channel_statistics("test.seen")["messages_pending"] == 0
    assert edge.pending() == []


def test_reload(pool, edge, tmp_path):
    """With --reload, a changed source file replaces the processes."""
    source = tmp_path / "changing_app.py"
    source.write_text(CHANGING.format(text="one"))
    options = ("--processes", "1", "--reload")
    made = pool(*options, app="changing_app:build", folder=tmp_path)
    assert edge.response(edge.request("GET", "/"))[0][2] == b"one"
    source.write_text(CHANGING.format(text="three"))
    made.await_log("workers_reloaded")
    assert edge.response(edge.request("GET", "/"))[0][2] == b"three"


def test_supervisor_killed(pool, await_fact):
    """Children whose supervisor was killed end by themselves."""
    made = pool("--processes", "2")
    children = made.children()
    made.process.kill()
    made.process.wait()
    await_fact(lambda: not any(_is_running(pid) for pid in children))


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_reaper_killed(pool, edge, tmp_path, await_fact):
    """A reaper that dies is replaced; what died in between is reclaimed all the same."""
    made = pool("--processes", "1")
    mark = tmp_path / "mark"
    slow = edge.request("GET", f"/slow?s=1&mark={mark}")
    await_fact(lambda: bool(read_marks(mark)))
    os.kill(made.reaper(), signal.SIGKILL)
    made.await_log("reaper_died")
    os.kill(made.children()[0], signal.SIGKILL)
    assert edge.response(slow)[0][0] == 200
    assert made.stop() == 0


def test_stuck(pool, edge, tmp_path, await_fact):
    """A process that no longer says anything is killed and replaced; its work is done by others."""
    made = pool("--processes", "1", "--stuck-time", "10")
    (child,) = made.children()
    os.kill(child, signal.SIGSTOP)
    made.await_log("child_stuck")
    assert edge.response(edge.request("GET", "/"))[0][0] == 200


def test_frozen_together(pool, edge, await_fact):
    """A pool that stood still as a whole for longer than its limit goes on with its children."""
    made = pool("--processes", "2", "--stuck-time", "10")
    children = made.children()
    every = [made.process.pid, *children]
    for pid in every:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(13)  # the fact is the time itself
    os.kill(made.process.pid, signal.SIGCONT)
    # The children do not say in the same instant that they live.
    time.sleep(0.5)
    for pid in children:
        os.kill(pid, signal.SIGCONT)
    assert edge.response(edge.request("GET", "/"))[0][0] == 200
    assert made.children() == children
    assert "child_stuck" not in made.text()


@pytest.mark.parametrize(
    ("app", "reason"),
    [
        ("workers_example_app:build_broken", "the database is on the moon"),
        ("workers_example_app:nothing", "has no callable 'nothing'"),
        ("no_such_module:build", "there is no module 'no_such_module'"),
        ("workers_example_app", "expected MODULE:CALLABLE"),
    ],
)
def test_cannot_start(pool, app, reason):
    """An application that cannot be built ends the first start with status 1 and the reason."""
    made = pool("--processes", "2", app=app, ready=False)
    assert made.process.wait(10) == 1
    assert "cannot_start" in made.text()
    assert reason in made.text()
