"""Kills, stops, restarts and cuts on a running stack, by a schedule that a seed decides.

`schedule` is pure; `Faults` performs it beside the test. What must come of it is the tests' part.
"""

import os
import random
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from tests.parts import children_of
from tests.stack import Stack
from tests.system.relay import Relay

_RETURN_S = 3.0
"""How long what was killed stays away, where nobody brings it back at once."""


class Fault(NamedTuple):
    """Something bad at `at_s` from the start: what, to the how-manieth, for how long."""

    at_s: float
    what: str
    which: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.at_s:6.2f} s  {self.what} {self.which} for {self.seconds:.2f} s"


class Performed(NamedTuple):
    """A fault that was done: from when to when (seconds of the monotonic clock), to which pid."""

    what: str
    began: float
    ended: float
    pid: int


def schedule(
    seed: int, length_s: float, each_s: float, kinds: Sequence[str], *, jitter: float = 0.4
) -> tuple[Fault, ...]:
    """One fault about each `each_s` until `length_s`, the same for the same arguments."""
    choice = random.Random(seed)
    faults: list[Fault] = []
    at_s = 0.0
    while True:
        at_s += each_s * choice.uniform(1 - jitter, 1 + jitter)
        if at_s >= length_s:
            return tuple(faults)
        kind = choice.choice(kinds)
        seconds = choice.uniform(0.1, min(_RETURN_S, each_s))
        faults.append(Fault(round(at_s, 3), kind, choice.randrange(1000), round(seconds, 3)))


class Faults:
    """Performs a schedule from `__enter__` on; `__exit__` waits for its end and raises what failed.

    `relays` are what "cut", "drop", "delay", "half-close" and "refuse" happen to.
    """

    def __init__(self, stack: Stack, faults: Sequence[Fault], relays: Sequence[Relay] = ()) -> None:
        self.performed: list[Performed] = []
        self._stack = stack
        self._faults = faults
        self._relays = relays
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="faults", daemon=True)
        self._error: Exception | None = None

    def times(self, what: str) -> list[float]:
        """When each fault of that kind began."""
        return [done.began for done in self.performed if done.what == what]

    def __enter__(self) -> "Faults":
        for fault in self._faults:
            print(fault)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._is_over.set()
        self._thread.join()
        if kind is None and self._error is not None:
            raise self._error

    def _run(self) -> None:
        begin = time.monotonic()
        try:
            for fault in self._faults:
                if self._is_over.wait(max(0.0, begin + fault.at_s - time.monotonic())):
                    return
                began = time.monotonic()
                pid = self._perform(fault)
                self.performed.append(Performed(fault.what, began, time.monotonic(), pid))
        except Exception as error:  # raised in the test's thread, at its end
            self._error = error

    def _perform(self, fault: Fault) -> int:
        match fault.what:
            case "kill worker" | "stop worker":
                pids = worker_pids(self._stack)
                if not pids:
                    return 0
                pid = pids[fault.which % len(pids)]
                if fault.what == "kill worker":
                    os.kill(pid, signal.SIGKILL)
                    return pid
                os.kill(pid, signal.SIGSTOP)
                self._is_over.wait(fault.seconds)
                os.kill(pid, signal.SIGCONT)
                return pid
            case "kill valkey":
                self._stack.kill_valkey()
                self._is_over.wait(fault.seconds)
                return self._stack.start_valkey().pid
            case "kill server" | "end server":
                return self._end_server(fault)
            case _:
                self._disturb(fault)
                return 0

    def _end_server(self, fault: Fault) -> int:
        number = fault.which % len(self._stack.servers)
        part = self._stack.servers[number]
        assert part is not None
        if fault.what == "kill server":
            part.kill()
            self._is_over.wait(fault.seconds)
        else:
            part.stop()
        return self._stack.start_server(number).pid

    def _disturb(self, fault: Fault) -> None:
        relay = self._relays[fault.which % len(self._relays)]
        match fault.what:
            case "cut":
                relay.cut()
            case "half-close":
                relay.half_close()
            case "refuse":
                relay.refuse()
                relay.cut()
            case "drop":
                relay.drop()
            case "delay":
                relay.delay(fault.seconds / 10)
            case unknown:
                raise ValueError(f"expected a kind of fault, got {unknown!r}")
        self._is_over.wait(fault.seconds)
        relay.heal()


def worker_pids(stack: Stack) -> list[int]:
    """The processes that run handlers: children of the pools that have the records open."""
    records = str(stack.folder / RECORDS)
    found = []
    for pool in stack.workers:
        if pool.is_running:
            found += [pid for pid in children_of(pool.pid) if _has_open(pid, records)]
    return found


RECORDS = "records.db"
"""The file of `fault_records.Records` in a stack's folder."""


def _has_open(pid: int, path: str) -> bool:
    try:
        return any(os.readlink(link) == path for link in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False  # it ended while we looked
