"""Forked processes, the pipes between them, and signals as values to read.

What the processes do, and when they are started or ended, is told by their parents.
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class SignalPipe:
    """The signals that came for this process, readable like a file."""

    def __init__(self) -> None:
        self.reading, self._writing = os.pipe()
        for end in (self.reading, self._writing):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        for number in _HANDLED:
            signal.signal(number, lambda *_: None)

    @property
    def ends(self) -> tuple[int, int]:
        """Both ends of the pipe, to be closed in other processes."""
        return self.reading, self._writing

    def take(self) -> tuple[int, ...]:
        """The signals that came since the last call."""
        try:
            return tuple(os.read(self.reading, 1024))
        except BlockingIOError:
            return ()


def forked(run: Callable[[], int], close: Iterable[int]) -> int:
    """Start a process that does `run` and ends with the status it gives; returns its id.

    `close` are the descriptors of this process that are not the other's business. The other one
    starts with SIGTERM at its default and ignores SIGINT and SIGHUP: a terminal sends those to
    all, and only the supervisor decides what they mean.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    # A signal between fork and reset would be taken for one of the parent's.
    signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        return pid
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        for descriptor in close:
            os.close(descriptor)
        status = run()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def write_line(descriptor: int, message: dict[str, Any]) -> bool:
    """Write a message to a pipe as one line of JSON; whether its reader is still there."""
    try:
        os.write(descriptor, json.dumps(message).encode() + b"\n")
    except OSError:
        return False
    return True


@dataclass(slots=True)
class LineReader:
    """Reads such messages from a pipe as they come."""

    descriptor: int
    is_ended: bool = False
    _rest: bytes = field(default=b"")

    def __post_init__(self) -> None:
        os.set_blocking(self.descriptor, False)

    def take(self) -> list[dict[str, Any]]:
        """The whole messages that came since the last call."""
        while not self.is_ended:
            try:
                block = os.read(self.descriptor, 65_536)
            except BlockingIOError:
                break
            self._rest += block
            self.is_ended = not block
        *lines, self._rest = self._rest.split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        """Give up the pipe."""
        os.close(self.descriptor)


def described(status: int) -> str:
    """How a process ended, in words, from the status that `os.waitpid` gave."""
    if os.WIFSIGNALED(status):
        return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"ended with status {os.waitstatus_to_exitcode(status)}"


def send_signal(pid: int, number: signal.Signals) -> None:
    """Send a signal to a child of this process that may have ended meanwhile."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
