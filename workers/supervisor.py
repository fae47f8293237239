"""Keeps a pool of worker processes: starts, replaces and ends them, and reports who died.

It handles no message, imports no application and never speaks to the broker, so nothing that goes
wrong in a handler reaches it. The children are `child.py`, the reclaiming is `reaper.py`.
"""

import os
import secrets
import signal
import socket
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from math import inf

from shared.logs import get_logger
from shared.processes import LineReader, SignalPipe, described, forked, send_signal
from workers.child import ChildSettings, child_main, worker_names
from workers.child_process import ChildProcess, backoff_s
from workers.metrics_process import MetricsProcess
from workers.naps import Naps
from workers.pool_figures import PoolFigures
from workers.pool_settings import PoolSettings
from workers.reaper import ReaperSettings
from workers.reaper_process import ReaperProcess
from workers.watching import watch_files

_STEADY_S = 1.0
"""A child that was ready for this long did not die of its start: the next one starts at once."""

_ANEW_S = 1.0

log = get_logger("workers.supervisor")


class Supervisor:
    """Keeps `pool.processes` children that do what `settings` say."""

    def __init__(self, pool: PoolSettings, settings: ChildSettings) -> None:
        self._pool = pool
        self._settings = settings
        self._figures = PoolFigures(pool.processes)
        self._metrics = MetricsProcess(pool.metrics, settings.layer, self._figures)
        reaping = ReaperSettings(settings.layer, settings.lease_s, pool.attempt_limit)
        self._reaper = ReaperProcess(reaping, self._figures)
        self._signals = SignalPipe()
        self._naps = Naps()
        self._life_reading, self._life_writing = os.pipe()
        self._children: dict[int, ChildProcess] = {}
        self._due: list[tuple[float, Callable[[], object]]] = []
        self._failures = 0
        self._to_replace: deque[int] = deque()
        self._incoming: int | None = None
        self._is_reloading = False
        self._was_ready = False
        self._kill_s: float | None = None
        self._status = 0

    def run(self) -> int:
        """Keep the pool until told to stop; gives the exit status.

        Raises: ConfigurationError when the address for metrics cannot be had.
        """
        self._metrics.open()
        self._start_reaper()
        self._start_metrics()
        if self._pool.reload:
            forked(partial(watch_files, os.getpid()), self._own_ends())
        for _ in range(self._pool.processes):
            self._start_child()
        while self._children or self._due:
            self._turn()
        self._reaper.end(self._signals)
        self._metrics.end()
        return self._status

    def _turn(self) -> None:
        """Wait until something happens or is due, and see to it."""
        times = [due_s for due_s, _ in self._due] + ([self._kill_s] if self._kill_s else [])
        times += [child.silent_until_s(self._pool) for child in self._children.values()]
        reading = [child.lines.descriptor for child in self._children.values()]
        late_s = self._naps.wait([self._signals.reading, *reading], min(times, default=inf))
        for child in tuple(self._children.values()):
            child.heard_s += late_s  # it stood still together with this process, or may have
            self._hear(child)
        for number in self._signals.take():
            self._on_signal(number)
        self._bury()
        now_s = time.monotonic()
        due = [step for due_s, step in self._due if due_s <= now_s]
        self._due = [(due_s, step) for due_s, step in self._due if due_s > now_s]
        for step in due:
            step()
        self._end_silent(now_s)
        if self._kill_s is not None and now_s >= self._kill_s:
            log.warning("grace_is_over", killed=len(self._children))
            self._end_children(signal.SIGKILL)
            self._kill_s = now_s + self._pool.grace_s

    def _end_silent(self, now_s: float) -> None:
        """Kill the children that say nothing; their death is seen to like any other."""
        for child in self._children.values():
            if now_s <= child.silent_until_s(self._pool):
                continue
            silent_s = round(now_s - child.heard_s, 1)
            if child.built_s is None:
                app = self._settings.app
                log.error("start_overdue", pid=child.pid, app=app, limit_s=self._pool.start_s)
                self._figures.count("start_overdue")
            else:
                log.error("child_stuck", pid=child.pid, silent_s=silent_s)
                self._figures.count("child_stuck")
            child.heard_s = now_s
            send_signal(child.pid, signal.SIGKILL)

    def _own_ends(self) -> tuple[int, ...]:
        """The descriptors that no other process may keep open."""
        reading = [child.lines.descriptor for child in self._children.values()]
        others = (*self._reaper.ends, *self._metrics.ends)
        return (*self._signals.ends, *others, self._life_writing, *reading)

    def _start_child(self) -> int:
        name = f"{socket.gethostname()}.{secrets.token_hex(5)}"
        reading, writing = os.pipe()
        place, leave = self._figures.next_place() if self._metrics.is_wanted else (0, None)
        run = partial(child_main, name, self._settings, self._life_reading, writing, leave)
        pid = forked(run, (*self._own_ends(), reading))
        os.close(writing)
        self._figures.started(pid, place)
        workers = worker_names(name, self._settings.threads)
        lines = LineReader(reading)
        self._children[pid] = ChildProcess(pid, workers, lines, heard_s=time.monotonic())
        return pid

    def _hear(self, child: ChildProcess) -> None:
        for message in child.lines.take():
            child.heard_s = time.monotonic()
            if message["event"] == "alive":
                continue
            if message["event"] == "built":
                child.built_s = child.heard_s
            elif message["event"] == "ready":
                self._on_ready(child, message["channels"])
            elif self._was_ready or self._kill_s is not None:
                log.error("child_cannot_start", pid=child.pid, reason=message["reason"])
            else:
                log.error("cannot_start", reason=message["reason"])
                self._status = 1
                self._stop()

    def _on_ready(self, child: ChildProcess, channels: list[str]) -> None:
        child.ready_s = time.monotonic()
        self._reaper.tell({"channels": channels})
        self._figures.ready(child.pid, channels)
        if child.pid == self._incoming:
            self._incoming = None
            self._let_go()
            self._replace_next()
        if not self._was_ready and all(one.ready_s for one in self._children.values()):
            self._was_ready = True
            size = {"processes": len(self._children), "threads": self._settings.threads}
            log.info("workers_ready", **size, channels=channels)

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGHUP and self._kill_s is None:
            log.info("reloading", processes=len(self._children))
            self._reload()
        elif number in (signal.SIGTERM, signal.SIGINT):
            if self._kill_s is None:
                log.info("stopping", grace_s=self._pool.grace_s)
                self._stop()
            else:
                log.warning("stopping_hard", killed=len(self._children))
                self._end_children(signal.SIGKILL)

    def _stop(self) -> None:
        self._kill_s = time.monotonic() + self._pool.grace_s
        self._due.clear()
        self._to_replace.clear()
        self._end_children(signal.SIGTERM)

    def _end_children(self, number: signal.Signals) -> None:
        for child in self._children.values():
            child.leaving_s = time.monotonic()
            send_signal(child.pid, number)

    def _reload(self) -> None:
        """Replace all children one by one, each when its successor is ready."""
        self._is_reloading = True
        for child in self._staying():
            if child.pid not in self._to_replace:
                self._to_replace.append(child.pid)
        self._replace_next()

    def _staying(self) -> list[ChildProcess]:
        """The children that were not told to end."""
        return [child for child in self._children.values() if child.leaving_s is None]

    def _replace_next(self) -> None:
        """Start the next successor, unless one is on its way or somebody is still leaving.

        Who takes longer than the grace time to leave is not waited for: a job may run for hours.
        """
        if self._incoming is not None or self._kill_s is not None or not self._is_reloading:
            return
        leaving = [one.leaving_s for one in self._children.values() if one.leaving_s is not None]
        if any(time.monotonic() - since_s < self._pool.grace_s for since_s in leaving):
            return
        self._forget_gone()
        if self._to_replace:
            self._incoming = self._start_child()
        elif not leaving:
            self._is_reloading = False
            log.info("workers_reloaded", processes=self._pool.processes)

    def _let_go(self) -> None:
        """End a child whose successor is ready; none where the pool lost one meanwhile."""
        self._forget_gone()
        if self._to_replace and len(self._staying()) > self._pool.processes:
            child = self._children[self._to_replace.popleft()]
            child.leaving_s = time.monotonic()
            send_signal(child.pid, signal.SIGTERM)
            self._due.append((child.leaving_s + self._pool.grace_s, self._replace_next))

    def _forget_gone(self) -> None:
        while self._to_replace and self._to_replace[0] not in self._children:
            self._to_replace.popleft()

    def _bury(self) -> None:
        """See to all processes that ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._children.get(pid)
            if child is not None:
                self._on_death(child, status)
            elif self._reaper.has_died(pid, status):
                self._again(self._start_reaper, "reaper_died")
            elif self._metrics.has_died(pid, status):
                self._again(self._start_metrics, "metrics_process_died")

    def _again(self, start: Callable[[], object], event: str) -> None:
        """Start a process anew that is one of its kind."""
        self._figures.count(event)
        if self._kill_s is None:
            self._due.append((time.monotonic() + _ANEW_S, start))

    def _on_death(self, child: ChildProcess, status: int) -> None:
        self._hear(child)
        del self._children[child.pid]
        child.lines.close()
        self._figures.ended(child.pid)
        self._reaper.tell({"dead": list(child.workers)})
        if child.leaving_s is not None:
            self._replace_next()
            return
        log.error("child_died", pid=child.pid, how=described(status))
        self._figures.count("child_died")
        if child.pid == self._incoming:
            log.error("reload_failed", reason="the new child does not start; the old ones go on")
            self._incoming = None
            self._is_reloading = False
            self._to_replace.clear()
            if len(self._staying()) >= self._pool.processes:
                return
        now_s = time.monotonic()
        is_steady = child.ready_s is not None and now_s - child.ready_s > _STEADY_S
        self._failures = 0 if is_steady else self._failures + 1
        self._due.append((now_s + backoff_s(self._failures), self._fill))

    def _fill(self) -> None:
        """Start what the pool lacks; a successor on its way is one of it already."""
        for _ in range(self._pool.processes - len(self._staying())):
            self._start_child()

    def _start_reaper(self) -> None:
        self._reaper.start(self._own_ends())

    def _start_metrics(self) -> None:
        self._metrics.start(self._life_reading, self._own_ends())
