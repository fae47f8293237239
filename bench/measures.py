"""What is measured and how the numbers are put together; it starts no server."""

import platform
import re
import statistics
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from os import cpu_count

from bench.sockets import echoes_per_second, gather, last_arrival_ms

_RATE = re.compile(r"Requests/sec:\s+([0-9.]+)")
_BAD = re.compile(r"(Socket errors|Non-2xx).*")


@dataclass(frozen=True, slots=True)
class Measured:
    """All values of one measure on one server, in the order in which they were taken."""

    work: str
    server: str
    unit: str
    values: tuple[float, ...]
    note: str = ""

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A number that is held against a target; `at_most` tells the direction."""

    what: str
    value: float
    target: float
    at_most: bool = False

    @property
    def is_reached(self) -> bool:
        """Whether the value is on the right side of its target."""
        return self.value <= self.target if self.at_most else self.value >= self.target


def pages_per_second(port: int, path: str, connections: int, seconds: int) -> tuple[float, str]:
    """Requests a second that wrk makes, and what it complains of."""
    result = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"http://127.0.0.1:{port}{path}"],
        capture_output=True,
        text=True,
        check=True,
    )
    rate = _RATE.search(result.stdout)
    bad = _BAD.search(result.stdout)
    if rate is None:
        raise RuntimeError(f"wrk gave no rate:\n{result.stdout}")
    return float(rate[1]), bad[0] if bad else ""


def broadcasts(port: int, sockets: int, times: int) -> tuple[tuple[float, ...], str]:
    """For each broadcast the milliseconds until the last of `sockets` had it; what was lost."""
    crowd = gather(port, "/all", sockets)
    try:
        last_arrival_ms(crowd)  # the first one warms everything up
        taken = [last_arrival_ms(crowd) for _ in range(times)]
    finally:
        crowd.close()
    lost = sum(missing for _, missing in taken)
    notes = [f"{crowd.failed} handshakes failed"] if crowd.failed else []
    notes += [f"{lost} of {times * sockets} lost"] if lost else []
    return tuple(value for value, _ in taken), ", ".join(notes)


def echoes(port: int, sockets: int, seconds: float) -> float:
    """Round trips a second over `sockets` sockets."""
    crowd = gather(port, "/echo", sockets)
    try:
        return echoes_per_second(crowd, seconds)
    finally:
        crowd.close()


def wait_for_page(port: int, path: str = "/page", timeout_s: float = 30.0) -> None:
    """Return when the page is answered with 200. Raises: RuntimeError."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
                if reply.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise RuntimeError(f"no answer from port {port}; see the logs under var/bench")


def as_markdown(measured: Sequence[Measured], ratios: Sequence[Ratio]) -> str:
    """The page `docs/benchmarks.md`."""
    rows = [
        f"| {one.work} | {one.server} | {one.median:,.1f} {one.unit} | "
        f"{min(one.values):,.1f} – {max(one.values):,.1f} | {len(one.values)} | {one.note} |"
        for one in measured
    ]
    goals = [
        f"| {one.what} | {one.value:.2f} | {'≤' if one.at_most else '≥'} {one.target:.2f} | "
        f"{'yes' if one.is_reached else 'no'} |"
        for one in ratios
    ]
    machine = f"{cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    return "\n".join(
        [
            "# Benchmarks",
            "",
            "Written by `python -m bench --write`; do not edit. All numbers of one table come from "
            "one run on one machine; only their ratios mean something elsewhere. Every server has "
            "one process (ours: one interface server, one worker, one Valkey), and the client "
            "shares the machine with them.",
            "",
            f"Run of {datetime.now(UTC):%Y-%m-%d} on {machine}.",
            "",
            "| work | server | median | range | runs | remarks |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
            "| ratio | measured | target | reached |",
            "|---|---|---|---|",
            *goals,
            "",
        ]
    )
