"""A function in a process of its own, which a test speaks with: load that must not slow the test.

It knows nothing of what the function does.
"""

import multiprocessing
import resource
import signal
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

_SPAWN = multiprocessing.get_context("spawn")

Work = Callable[..., None]
"""Takes its end of the pipe first, then the arguments; it ends by returning."""


class AsideFailed(AssertionError):
    """The function raised, or said nothing in time."""


class Aside:
    """Runs `work(pipe, *arguments)` from `__enter__` to its end; both sides send what they like."""

    def __init__(self, work: Work, *arguments: object) -> None:
        self._pipe, far = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_run, args=(far, work, arguments), daemon=True)
        self._far = far
        self._name = getattr(work, "__qualname__", repr(work))

    def tell(self, *words: object) -> None:
        """Send `words` as one tuple."""
        self._pipe.send(words)

    def hear(self, timeout_s: float = 30.0) -> Any:
        """The next value that it sends. Raises: AsideFailed."""
        if not self._pipe.poll(timeout_s):
            raise AsideFailed(f"{self._name} said nothing for {timeout_s} s")
        try:
            kind, value = self._pipe.recv()
        except EOFError:
            raise AsideFailed(f"{self._name} ended without a word") from None
        if kind == "failed":
            raise AsideFailed(f"{self._name} failed:\n{value}")
        return value

    def ask(self, *words: object, timeout_s: float = 30.0) -> Any:
        """Send `words` and return what it says next."""
        self.tell(*words)
        return self.hear(timeout_s)

    def __enter__(self) -> "Aside":
        self._process.start()
        self._far.close()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pipe.close()
        self._process.join(5 if kind is None else 0.2)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(5)
        self._process.close()


class Mouth:
    """The function's end of the pipe."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def say(self, value: object) -> None:
        """Send a value to the test."""
        self._pipe.send(("said", value))

    def heard(self, timeout_s: float | None = 0.0) -> tuple[Any, ...] | None:
        """The test's next words; None when there are none in time, `("gone",)` when it left."""
        try:
            return self._pipe.recv() if self._pipe.poll(timeout_s) else None
        except EOFError:
            return ("gone",)

    def fileno(self) -> int:
        """What can be watched for words."""
        return self._pipe.fileno()


def raise_file_limit() -> None:
    """Let this process open as many files as the machine allows."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _run(pipe: Connection, work: Work, arguments: tuple[object, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise_file_limit()
    try:
        work(Mouth(pipe), *arguments)
    except Exception:
        pipe.send(("failed", traceback.format_exc()))
