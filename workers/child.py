"""One worker process from the inside: its application, its threads, and the thread that minds them.

It is told by signals and a pipe when to end; it starts and replaces no process (`supervisor.py`).
"""

import importlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from types import FrameType

from channel_layer.redis_blocking import RedisLayer
from shared.errors import ConfigurationError, LayerUnavailable
from shared.logs import get_logger
from shared.process_memory import collect_seldom, give_memory_back
from shared.processes import write_line
from shared.settings import LayerSettings
from workers.figures import Figures
from workers.handling import Handling, consumed_channels
from workers.pool_figures import Leave
from workers.routing import App
from workers.watchdog import Watchdog
from workers.worker import Worker, WorkerSettings

_LOOK_EVERY_S = 0.05
ALIVE_EVERY_S = 5.0
_FIGURES_EVERY_S = 1.0
"""How old figures may be that somebody scrapes."""

_LAST_WORDS_S = 2.0
"""How long the neighbours of an overdue handler have to finish before the process ends hard."""

_BODY_PATIENCE_MS = 10_000
"""A request is sent when its body is complete, so waiting here means a slow broker only."""

_WATCHDOG_ANSWER_S = 5.0
"""How long the watchdog waits for the broker: it must say "alive" within the supervisor's limit."""

_LATE_BODY_PATIENCE_MS = 1_000
"""The same, on the watchdog's layer: shorter than its patience with an answer."""

EXIT_OVERDUE = 70
"""Exit status of a process that ended because of an overdue handler or a thread that died."""

_KEPT_BYTES, _MAPPED_BYTES = 16 * 1024 * 1024, 4 * 1024 * 1024
"""A commit of many answers of 55 KB is several blocks of 1 MB. Mapped anew each time they took half
of a worker's 220 µs for each answer; no slow reader makes a worker keep what lies between them."""

log = get_logger("workers.child")


@dataclass(frozen=True, slots=True)
class ChildSettings:
    """What one worker process does; `app` is `module:callable`."""

    app: str
    layer: LayerSettings
    threads: int = 1
    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    batch: int = 32
    budget_s: float = 0.005
    lease_s: float = 10.0
    debug: bool = False


def load_app(name: str) -> App:
    """The application that the callable `module:callable` builds.

    Raises: ConfigurationError when there is none; whatever the application's own code raises.
    """
    module_name, _, attribute = name.partition(":")
    if not module_name or not attribute:
        raise ConfigurationError(f"--app: expected MODULE:CALLABLE, got {name!r}")
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ConfigurationError(f"--app: there is no module {error.name!r}") from error
    build = getattr(module, attribute, None)
    if not callable(build):
        raise ConfigurationError(f"--app: {module_name!r} has no callable {attribute!r}")
    app = build()
    if not isinstance(app, App):
        raise ConfigurationError(f"--app: {name} gave {type(app).__name__}, expected an App")
    return app


def worker_names(child: str, threads: int) -> tuple[str, ...]:
    """The names under which the threads of a process take work."""
    return tuple(f"{child}.{number}" for number in range(threads))


class Child:
    """The threads of one process, minded by the thread that calls `run`."""

    def __init__(
        self, name: str, app: App, settings: ChildSettings, leave: Leave | None = None
    ) -> None:
        channels = consumed_channels(app, settings.only, settings.exclude)
        random = Random()  # noqa: S311 - spreads retries in time, guards nothing
        own = WorkerSettings(channels, settings.batch, settings.budget_s, settings.lease_s)
        self.channels = channels
        self._leave = leave
        self._left_s = 0.0
        self._figures: list[Figures] = []
        self._layers: list[RedisLayer] = []
        self._workers: list[Worker] = []
        for worker_name in worker_names(name, settings.threads):
            layer = RedisLayer(settings.layer)
            handling = Handling(app, _body_reader(layer), random, settings.debug)
            self._layers.append(layer)
            self._figures.append(handling.figures)
            self._workers.append(Worker(worker_name, layer, handling, own, random))
        self._own_layer = RedisLayer(settings.layer, answer_s=_WATCHDOG_ANSWER_S)
        failing = Handling(app, _body_reader(self._own_layer, _LATE_BODY_PATIENCE_MS), random)
        self._figures.append(failing.figures)
        self._watchdog = Watchdog(self._own_layer, self._workers, failing, settings.lease_s)
        self._threads = [
            threading.Thread(target=worker.run, name=worker.name, daemon=True)
            for worker in self._workers
        ]
        self._blocked = list(self._layers)
        self._said_s = 0.0
        self._is_told_to_stop = False

    def stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """Ask all threads to end after what they have in hand; may be called by a signal."""
        self._is_told_to_stop = True

    def run(self, life: int, say: Callable[[str], object]) -> int:
        """Work until told to stop or until the pipe `life` ends; gives the exit status.

        `say` tells the supervisor "built" at once, "ready" when each thread had its first answer
        from the layer, and "alive" every few seconds. Raises: ConfigurationError when the layer
        is none to work on.
        """
        say("built")
        for thread in self._threads:
            thread.start()
        is_ready = False
        while any(thread.is_alive() for thread in self._threads):
            if select.select([life], [], [], 0 if self._is_told_to_stop else _LOOK_EVERY_S)[0]:
                self._is_told_to_stop = True
            if not is_ready and all(worker.looked.is_set() for worker in self._workers):
                is_ready = True
                say("ready")
            self._say_alive(say)
            self._tell_figures()
            if self._is_told_to_stop:
                self._stop_threads()
                time.sleep(_LOOK_EVERY_S)
            elif not all(thread.is_alive() for thread in self._threads):
                self._raise_failure()
                died = [thread.name for thread in self._threads if not thread.is_alive()]
                log.error("thread_died", threads=died)
                return EXIT_OVERDUE
            if self._watchdog.look(lambda: self._say_alive(say)):
                self._finish_neighbours()
                return EXIT_OVERDUE
        self._raise_failure()
        return 0

    def leave_figures(self) -> None:
        """Leave what all threads did where the pool's metrics are read, if anybody wants them."""
        if self._leave is not None:
            self._left_s = time.monotonic()
            self._leave(Figures.sum(self._figures).packed())

    def _tell_figures(self) -> None:
        if self._leave is not None and time.monotonic() - self._left_s > _FIGURES_EVERY_S:
            self.leave_figures()

    def _raise_failure(self) -> None:
        """Say why a thread cannot work on this layer, where one found that."""
        failures = [worker.failure for worker in self._workers if worker.failure is not None]
        if failures and not self._is_told_to_stop:
            raise ConfigurationError(failures[0])

    def _say_alive(self, say: Callable[[str], object]) -> None:
        now_s = time.monotonic()
        if now_s - self._said_s > ALIVE_EVERY_S:
            self._said_s = now_s
            say("alive")

    def _stop_threads(self) -> None:
        """Tell the threads to stop and wake those that wait for work."""
        for worker in self._workers:
            worker.stop()
        self._blocked = [layer for layer in self._blocked if not _is_unblocked(layer)]

    def _finish_neighbours(self) -> None:
        self._stop_threads()
        deadline_s = time.monotonic() + _LAST_WORDS_S
        for thread in self._threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))


def child_main(
    name: str, settings: ChildSettings, life: int, status: int, leave: Leave | None = None
) -> int:
    """Be a worker process until told to stop or until the pipe `life` ends.

    What the supervisor must know goes to the pipe `status`; gives the exit status.
    """
    try:
        child = Child(name, load_app(settings.app), settings, leave)
    except ConfigurationError as error:
        write_line(status, {"event": "failed", "reason": str(error)})
        return 1
    except (Exception, SystemExit) as error:
        log.error("app_failed", app=settings.app, exc_info=True)
        write_line(status, {"event": "failed", "reason": f"{settings.app} raised {error!r}"})
        return 1

    def say(event: str) -> None:
        write_line(status, {"event": event, "channels": child.channels})

    collect_seldom()
    give_memory_back(_KEPT_BYTES, _MAPPED_BYTES)
    signal.signal(signal.SIGTERM, child.stop)
    try:
        return child.run(life, say)
    except ConfigurationError as error:
        write_line(status, {"event": "failed", "reason": str(error)})
        return 1
    finally:
        child.leave_figures()


def _body_reader(layer: RedisLayer, patience_ms: int = _BODY_PATIENCE_MS) -> Callable[[str], bytes]:
    return lambda channel: layer.read_body(channel, patience_ms)


def _is_unblocked(layer: RedisLayer) -> bool:
    try:
        layer.unblock()
    except LayerUnavailable:
        return False
    return True
