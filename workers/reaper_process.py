"""The reaper seen from its supervisor: start it, tell it things, end it.

What it does with them is `reaper.py`.
"""

import os
import select
import signal
import time
from collections import deque
from collections.abc import Iterable
from functools import partial

from shared.logs import get_logger
from shared.processes import SignalPipe, described, forked, send_signal, write_line
from workers.pool_figures import PoolFigures
from workers.reaper import ReaperSettings, reaper_main

_PATIENCE_S = 3.0
"""How long it may take for its last reclaim."""

log = get_logger("workers.supervisor")


class ReaperProcess:
    """One reaper at a time; what one did not hear because it died, the next one hears."""

    def __init__(self, settings: ReaperSettings, figures: PoolFigures) -> None:
        self._settings = settings
        self._figures = figures
        self._pid: int | None = None
        self._writing: int | None = None
        self._said: deque[dict[str, list[str]]] = deque(maxlen=100)

    @property
    def ends(self) -> tuple[int, ...]:
        """The descriptors that no other process may keep open."""
        return () if self._writing is None else (self._writing,)

    def start(self, close: Iterable[int]) -> None:
        """Start the process; `close` are the supervisor's own descriptors."""
        reading, writing = os.pipe()
        run = partial(reaper_main, self._settings, reading, self._figures.reaper_place())
        self._pid = forked(run, (*close, writing))
        os.close(reading)
        self._writing = writing
        for message in self._said:
            write_line(writing, message)

    def tell(self, message: dict[str, list[str]]) -> None:
        """Tell it that workers are `dead` or that `channels` are consumed."""
        if message not in self._said:
            self._said.append(message)
        if self._writing is not None:
            write_line(self._writing, message)

    def has_died(self, pid: int, status: int) -> bool:
        """Whether the process `pid`, which ended so, was the reaper."""
        if pid != self._pid:
            return False
        log.error("reaper_died", how=described(status))
        self._hang_up()
        self._pid = None
        return True

    def end(self, signals: SignalPipe) -> None:
        """End it; before that, it puts back what the last children left."""
        self._hang_up()
        deadline_s = time.monotonic() + _PATIENCE_S
        while self._pid is not None and time.monotonic() < deadline_s:
            select.select([signals.reading], [], [], 0.1)
            signals.take()
            if os.waitpid(self._pid, os.WNOHANG)[0]:
                self._pid = None
        if self._pid is not None:
            send_signal(self._pid, signal.SIGKILL)

    def _hang_up(self) -> None:
        if self._writing is not None:
            os.close(self._writing)
            self._writing = None
