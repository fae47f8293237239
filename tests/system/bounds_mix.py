"""A mixed load for as long as a test wants, and the memory of every process meanwhile.

Asserts nothing: it counts what was asked and what went wrong, and fits a line through figures.
"""

import contextlib
import itertools
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx
import redis

from tests.stack import Stack
from tests.system.bounds_clients import TIMEOUT_S, RawSocket, memory_kib

SHOUTS_S = 0.2
"""Between two broadcasts."""


@dataclass(slots=True)
class Mix:
    """Threads that read, post, open sockets and listen until `stop`.

    `asked` counts what was done, `failures` what did not go as it should.
    """

    stack: Stack
    asked: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    _is_over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> "Mix":
        parts = (self._read, self._read, self._post, self._come_and_go, self._stay, self._shout)
        for part in parts:
            thread = threading.Thread(target=self._again_and_again, args=(part,), daemon=True)
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        with contextlib.suppress(httpx.HTTPError):  # who only listens must hear a last word
            httpx.post(f"{self.stack.url}/shout/1/0", timeout=TIMEOUT_S)
        for thread in self._threads:
            thread.join(2 * TIMEOUT_S)

    @property
    def total(self) -> int:
        """How much was asked."""
        return sum(self.asked.values())

    def _again_and_again(self, part: Callable[[httpx.Client], None]) -> None:
        with httpx.Client(base_url=self.stack.url, timeout=TIMEOUT_S) as http:
            while not self._is_over.is_set():
                try:
                    part(http)
                except (EOFError, OSError, httpx.HTTPError, AssertionError) as error:
                    self.failures.append(f"{part.__name__}: {error!r}")
                    if len(self.failures) > 20:
                        return

    def _read(self, http: httpx.Client) -> None:
        for path in ("/who", "/large/3", "/large/40", "/nothing/here", "/healthz"):
            status = http.get(path).status_code
            assert status == (404 if path == "/nothing/here" else 200), (path, status)
            self.asked["pages"] += 1

    def _post(self, http: httpx.Client) -> None:
        for size in (10, 3000, 70_000):
            assert http.post("/size", content=b"p" * size).text == str(size)
            self.asked["posts"] += 1

    def _come_and_go(self, _: httpx.Client) -> None:
        socket = RawSocket(self.stack.port, "/room")
        try:
            for word in ("one", "two"):
                socket.send(word)
                while socket.text() != word:
                    pass  # what is said in the room comes between
                self.asked["frames"] += 1
        finally:
            socket.leave()
        self.asked["sockets"] += 1

    def _stay(self, _: httpx.Client) -> None:
        socket = RawSocket(self.stack.port, "/room")
        try:
            while not self._is_over.is_set():
                socket.text()
                self.asked["broadcasts"] += 1
        finally:
            socket.leave()

    def _shout(self, http: httpx.Client) -> None:
        for number in itertools.count():
            assert http.post(f"/shout/1/{number}").status_code == 200
            if self._is_over.wait(SHOUTS_S):
                return


@dataclass(frozen=True, slots=True)
class Sample:
    """The figures of one moment: KiB by the process's name, and how much had been asked."""

    at_s: float
    asked: int
    kib: dict[str, float]


def sample(processes: dict[str, int], broker: "redis.Redis[bytes]", asked: int) -> Sample:
    """What every process and the broker's data need now."""
    kib: dict[str, float] = {name: memory_kib(pid) for name, pid in processes.items()}
    kib["broker's data"] = int(broker.info("memory")["used_memory"]) / 1024
    return Sample(time.monotonic(), asked, kib)


def slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """How much y grows with x, by the median of the slopes of all pairs (Theil and Sen).

    A step of one allocation, or one high sample, does not tilt it.
    """
    pairs = itertools.combinations(zip(xs, ys, strict=True), 2)
    return statistics.median((y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in pairs if x2 > x1)
