"""Keeps several interface servers on the same sockets, so that one command uses all cores.

Opens the sockets, starts and replaces the processes, passes signals on. Serves nobody itself: a
connection waits in the socket's row until one of them takes it.
"""

import os
import select
import signal
import time
from dataclasses import dataclass, replace
from functools import partial

from interface_server.listening.opening import open_all
from interface_server.running import OnReady, PoolPlace, run_server
from interface_server.settings import ServerSettings
from shared.errors import ConfigurationError
from shared.logs import get_logger
from shared.processes import LineReader, SignalPipe, described, forked, send_signal, write_line
from shared.settings import LayerSettings, LogSettings

FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.5, 30.0
STEADY_S = 1.0
"""A process that served for this long did not die of its start: the next one starts at once."""

LAST_RESERVE_S = 5.0
"""What a process may take longer than its grace before it is killed."""

log = get_logger("interface_server.pool")


@dataclass(slots=True)
class _Child:
    index: int
    lines: LineReader
    metrics: tuple[str, ...] = ()
    ready_s: float | None = None


class Pool:
    """Keeps `server.processes` servers; `on_ready` hears the addresses when all serve."""

    def __init__(
        self,
        server: ServerSettings,
        layer: LayerSettings,
        logs: LogSettings,
        on_ready: OnReady,
    ) -> None:
        self._server = server
        self._layer = layer
        self._logs = logs
        self._on_ready = on_ready
        self._children: dict[int, _Child] = {}
        self._due: list[tuple[float, int]] = []
        self._failures = 0
        self._was_ready = False
        self._kill_s: float | None = None
        self._status = 0

    def run(self) -> int:
        """Keep the servers until told to stop; gives the exit status.

        Raises: ConfigurationError when an address cannot be listened on.
        """
        self._sockets = open_all(self._server, os.environ)
        self._signals = SignalPipe()
        self._life_reading, self._life_writing = os.pipe()
        for index in range(self._server.processes):
            self._start(index)
        while self._children or self._due:
            self._turn()
        self._close_sockets()
        log.info("stopped", pid=os.getpid())
        return self._status

    def _turn(self) -> None:
        """Wait until something happens or is due, and see to it."""
        times = [due_s for due_s, _ in self._due] + ([self._kill_s] if self._kill_s else [])
        wait_s = max(0.0, min(times) - time.monotonic()) if times else None
        reading = [child.lines.descriptor for child in self._children.values()]
        reading = [each for each in reading if each >= 0]
        select.select([self._signals.reading, *reading], [], [], wait_s)
        for pid, child in tuple(self._children.items()):
            self._hear(pid, child)
        for number in self._signals.take():
            self._on_signal(number)
        self._bury()
        now_s = time.monotonic()
        due = [index for due_s, index in self._due if due_s <= now_s]
        self._due = [(due_s, index) for due_s, index in self._due if due_s > now_s]
        for index in due:
            self._start(index)
        if self._kill_s is not None and now_s >= self._kill_s:
            log.warning("grace_is_over", killed=len(self._children))
            self._signal_all(signal.SIGKILL)
            self._kill_s = now_s + LAST_RESERVE_S

    def _start(self, index: int) -> None:
        reading, writing = os.pipe()
        others = [child.lines.descriptor for child in self._children.values()]
        own = (*self._signals.ends, self._life_writing, reading, *others)
        sockets = [replace(each, path=None) for each in self._sockets]
        place = PoolPlace(index, self._life_reading, sockets)
        pid = forked(partial(_serve, self._server, self._layer, self._logs, place, writing), own)
        os.close(writing)
        self._children[pid] = _Child(index, LineReader(reading))

    def _hear(self, pid: int, child: _Child) -> None:
        for message in child.lines.take():
            if message["event"] == "ready":
                child.ready_s = time.monotonic()
                if self._was_ready:
                    log.info("server_replaced", index=child.index, pid=pid)
                child.metrics = tuple(message["metrics"])
                self._check_ready(tuple(message["urls"]))
            elif self._was_ready or self._kill_s is not None:
                log.error("server_cannot_start", pid=pid, reason=message["reason"])
            else:
                log.error("cannot_start", reason=message["reason"])
                self._status = 1
                self._stop()

    def _check_ready(self, urls: tuple[str, ...]) -> None:
        children = sorted(self._children.values(), key=lambda child: child.index)
        is_complete = len(children) == self._server.processes
        if not self._was_ready and is_complete and all(child.ready_s for child in children):
            self._was_ready = True
            self._on_ready(urls, sum((child.metrics for child in children), ()))

    def _on_signal(self, number: int) -> None:
        if number == signal.SIGHUP:
            self._signal_all(signal.SIGHUP)
        elif number in (signal.SIGTERM, signal.SIGINT):
            if self._kill_s is None:
                log.info("stopping", grace_s=self._server.grace_s, processes=len(self._children))
                self._stop()
            else:
                self._status = 128 + number
                self._signal_all(signal.SIGKILL)

    def _stop(self) -> None:
        self._kill_s = time.monotonic() + self._server.grace_s + LAST_RESERVE_S
        self._due.clear()
        self._signal_all(signal.SIGTERM)
        self._close_sockets()

    def _close_sockets(self) -> None:
        sockets, self._sockets = self._sockets, []
        for each in sockets:
            each.close()

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in self._children:
            send_signal(pid, number)

    def _bury(self) -> None:
        """See to all processes that ended."""
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            child = self._children.get(pid)
            if child is not None:
                self._hear(pid, child)
                del self._children[pid]
                child.lines.close()
                if self._kill_s is None:
                    self._replace(pid, child, status)

    def _replace(self, pid: int, child: _Child, status: int) -> None:
        now_s = time.monotonic()
        is_steady = child.ready_s is not None and now_s - child.ready_s > STEADY_S
        self._failures = 0 if is_steady else self._failures + 1
        wait_s = backoff_s(self._failures)
        log.error("server_died", pid=pid, index=child.index, how=described(status), wait_s=wait_s)
        self._due.append((now_s + wait_s, child.index))


def backoff_s(failures: int) -> float:
    """The wait before a dead process is replaced: none after the first failure to stay alive."""
    if failures <= 1:
        return 0.0
    return min(FIRST_BACKOFF_S * 2.0 ** min(failures - 2, 10), LONGEST_BACKOFF_S)


def _serve(
    server: ServerSettings,
    layer: LayerSettings,
    logs: LogSettings,
    place: PoolPlace,
    status: int,
) -> int:
    """Be one of the servers; gives the exit status."""

    def say_ready(urls: tuple[str, ...], metrics: tuple[str, ...]) -> None:
        write_line(status, {"event": "ready", "urls": urls, "metrics": metrics})

    try:
        run_server(server, layer, logs, say_ready, place)
    except ConfigurationError as error:
        write_line(status, {"event": "cannot_start", "reason": str(error)})
        return 1
    return 0
