"""The stack of the tests about bounds: limits so low that a test meets them, and a book.

It asserts nothing; what the clients do stands in `bounds_clients.py`.
"""

from collections import Counter
from pathlib import Path

from tests.stack import Stack

BOUNDS_APP = "tests.system.bounds_app:build"

MIB = 1024 * 1024
KIB = 1024

LOW_LIMITS = (
    *("--max-socket-output", "1m", "--max-output", "4m", "--stall-timeout", "2"),
    *("--head-timeout", "1", "--body-timeout", "1", "--idle-timeout", "2"),
    *("--max-body", "4m", "--inline-body", "64k", "--bodies-total", "8m"),
)
"""Options of the server under test."""


def bounds_stack(
    folder: Path,
    *,
    workers: int = 1,
    server_options: tuple[str, ...] = LOW_LIMITS,
    env: dict[str, str] | None = None,
) -> Stack:
    """A stack, not yet started, that runs `bounds_app` with its book in `folder`."""
    return Stack(
        folder,
        app=BOUNDS_APP,
        workers=workers,
        server_options=server_options,
        env={"BOUNDS_BOOK": str(book_of(folder)), **(env or {})},
    )


def book_of(folder: Path) -> Path:
    """Where the application of a stack in `folder` writes."""
    return folder / "book"


class Book:
    """What the application wrote down, read anew at each question."""

    def __init__(self, folder: Path) -> None:
        self._file = book_of(folder)

    def accepted(self) -> set[str]:
        """The reply channels of all sockets that a handler accepted, at whatever attempt."""
        return {words[1] for words in self._lines("accepted")}

    def ended(self) -> Counter[str]:
        """How many disconnects each reply channel had."""
        return Counter(words[1] for words in self._lines("ended"))

    def parked(self, name: str) -> str | None:
        """The reply channel of the request that is parked under `name`."""
        found = [words[2] for words in self._lines("parked") if words[1] == name]
        return found[0] if found else None

    def _lines(self, kind: str) -> list[list[str]]:
        if not self._file.exists():
            return []
        lines = self._file.read_text().splitlines()
        return [line.split() for line in lines if line.startswith(kind + " ")]
