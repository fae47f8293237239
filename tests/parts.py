"""Real processes for tests: started, listened to and ended for certain.

It knows no part of the board; `stack.py` puts the parts together.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class PartEnded(AssertionError):
    """A process ended although it was still needed, or said nothing in time."""


class Part:
    """One process in a session of its own, whose lines can be awaited.

    Standard output and error are one stream of lines; all of them are kept.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path = ROOT,
    ) -> None:
        self.name = name
        self.lines: list[str] = []
        self._heard = threading.Condition()
        self._silent = False
        self._process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @classmethod
    def module(
        cls, module: str, *options: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT
    ) -> "Part":
        """A process that runs `python -m module` of this project, in any folder."""
        own = {"PYTHONPATH": str(ROOT), **(env or {})}
        return cls(module, [sys.executable, "-m", module, *options], env=own, cwd=cwd)

    @property
    def pid(self) -> int:
        """The process's id, which is its group's too."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    @property
    def text(self) -> str:
        """All that it wrote until now."""
        with self._heard:
            return "".join(self.lines)

    def wait_for(self, pattern: str, timeout_s: float = 30.0) -> re.Match[str]:
        """The first match of `pattern` in a line that it wrote or writes.

        Raises: PartEnded when it ends, or writes no such line in time.
        """
        sought = re.compile(pattern)
        end = time.monotonic() + timeout_s
        number = 0
        with self._heard:
            while True:
                for line in self.lines[number:]:
                    match = sought.search(line)
                    if match:
                        return match
                number = len(self.lines)
                left = end - time.monotonic()
                if self._silent or left <= 0:
                    said = "".join(self.lines[-40:])
                    raise PartEnded(f"{self.name}: no line with {pattern!r}; it wrote:\n{said}")
                self._heard.wait(left)

    def wait(self, timeout_s: float = 30.0) -> int:
        """The status with which it ends. Raises: subprocess.TimeoutExpired."""
        status = self._process.wait(timeout_s)
        self._close()
        return status

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process itself."""
        self._process.send_signal(number)

    def stop(self, timeout_s: float = 30.0) -> int:
        """End it as an operator does (SIGTERM); what does not end in time is killed.

        Raises: PartEnded when it had to be killed.
        """
        if self.is_running:
            self._process.terminate()
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()
                raise PartEnded(f"{self.name} did not end by itself:\n{self.text}") from None
        self._close()
        return self._process.returncode

    def kill(self) -> None:
        """End it and its whole group at once (SIGKILL)."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(10)
        self._close()

    def _close(self) -> None:
        self._reader.join(5)
        if self._process.stdout is not None and not self._reader.is_alive():
            self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._heard:
                self.lines.append(line.decode(errors="replace"))
                self._heard.notify_all()
        with self._heard:
            self._silent = True
            self._heard.notify_all()


def children_of(pid: int) -> list[int]:
    """The ids of the processes whose parent is `pid`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended while we looked
            if int(fields[1]) == pid:
                found.append(int(entry.name))
    return sorted(found)
