"""Starts and ends the processes that are measured, and reads what they cost; measures no work."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_TICKS = os.sysconf("SC_CLK_TCK")

_LOOK_S, _RESTING = 0.5, 0.05
"""A server rests when it used at most this part of a processor between two looks: the timers of
idle processes take less, and the kernel counts in hundredths of a second."""


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers on `port`; `parts` are its processes by what they do.

    `ports` are those of all its servers, when it has several.
    """

    port: int
    parts: Mapping[str, tuple[int, ...]]
    redis_url: str = ""
    ports: tuple[int, ...] = ()

    @property
    def pids(self) -> tuple[int, ...]:
        """Every process of it."""
        return tuple(pid for pids in self.parts.values() for pid in pids)


Start = Callable[[Path, ExitStack], Running]
"""Starts it with a folder of its own; what ends it goes on the stack. Raises: Missing."""


class Spent:
    """The CPU that each part of a server uses between `begin` and `end`."""

    def __init__(self, server: Running) -> None:
        self._parts = server.parts
        self._before: dict[str, float] = {}
        self._spent: dict[str, float] = {}
        self.begin()

    def begin(self) -> None:
        """Count from here."""
        self._before = {part: cpu_s(pids) for part, pids in self._parts.items()}

    def end(self) -> None:
        """Count up to here."""
        self._spent = {part: cpu_s(p) - self._before[part] for part, p in self._parts.items()}

    def each(self, times: float) -> dict[str, float]:
        """Microseconds for each of so many, by part (`cpu_us server`)."""
        return {f"cpu_us {part}": s / max(times, 1) * 1e6 for part, s in self._spent.items()}

    def all(self, times: float) -> float:
        """Microseconds of all parts together for each of so many."""
        return sum(self.each(times).values())


def come_to_rest(servers: Iterable[Running], timeout_s: float = 15.0) -> bool:
    """Return when none of the servers has done anything for a moment; False: one still does."""
    parts = [server.pids for server in servers]
    end, before = time.monotonic() + timeout_s, [cpu_s(pids) for pids in parts]
    while time.monotonic() < end:
        time.sleep(_LOOK_S)
        now = [cpu_s(pids) for pids in parts]
        if all(new - old <= _RESTING * _LOOK_S for new, old in zip(now, before, strict=True)):
            return True
        before = now
    return False


def unused_port() -> int:
    """A TCP port of the loopback that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str], log: Path, env: Mapping[str, str] | None = None, cwd: Path = ROOT
) -> Iterator[int]:
    """The process's id while the block runs; it is ended behind it. Its lines go to `log`."""
    with log.open("ab") as lines:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=lines,
            stderr=lines,
            start_new_session=True,
        )
    try:
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def wait_for_port(port: int, timeout_s: float = 30.0) -> None:
    """Return when something listens on `port`. Raises: RuntimeError."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"nothing listens on port {port}; see the logs under var/bench")


def family(pid: int) -> tuple[int, ...]:
    """The process and all below it."""
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return ()
    return (pid, *(each for child in found for each in family(int(child))))


def cpu_of_each(pids: Iterable[int]) -> dict[int, float]:
    """Seconds of CPU that the processes and what is below them have used, by process."""
    found = {}
    for pid in pids:
        for each in family(pid):
            try:
                fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended meanwhile
            found[each] = (int(fields[11]) + int(fields[12])) / _TICKS
    return found


def cpu_s(pids: Iterable[int]) -> float:
    """Seconds of CPU that all of them have used together."""
    return sum(cpu_of_each(pids).values())


def memory_kib(pids: Iterable[int]) -> float:
    """Memory of the processes alone and their share of what they share, KiB."""
    total = 0
    for pid in pids:
        for each in family(pid):
            try:
                rollup = Path(f"/proc/{each}/smaps_rollup").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended meanwhile
            total += int(rollup.split("Pss:")[1].split()[0])
    return float(total)
