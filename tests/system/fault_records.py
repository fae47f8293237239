"""What the handlers of the fault bench did: rows in one SQLite file, written by many processes.

Rows are only added, so that what happened twice is there twice.
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

_TABLES = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS notes (request_id TEXT PRIMARY KEY, number INTEGER);
CREATE TABLE IF NOT EXISTS tries (number INTEGER, attempt INTEGER);
CREATE TABLE IF NOT EXISTS ends (name TEXT, code INTEGER, attempt INTEGER, at REAL);
CREATE TABLE IF NOT EXISTS jobs (number INTEGER, id INTEGER, attempt INTEGER);
CREATE TABLE IF NOT EXISTS attempts (name TEXT, number INTEGER, attempt INTEGER);
"""


class End(NamedTuple):
    """One disconnect event; `at` is in seconds since 1970."""

    name: str
    code: int
    attempt: int
    at: float


class Records:
    """The file at `path`, made when there is none. Each thread has a connection of its own."""

    def __init__(self, path: Path | str) -> None:
        self._path = path
        self._own = threading.local()
        with self._connected() as connection:
            connection.executescript(_TABLES)

    def begin(self, number: int, attempt: int) -> None:
        """The handling of a post has begun."""
        with self._connected() as connection:
            connection.execute("INSERT INTO tries VALUES (?, ?)", (number, attempt))

    def note(self, request_id: str, number: int) -> None:
        """A post was handled: one row for its request id, however often."""
        with self._connected() as connection:
            connection.execute("INSERT OR IGNORE INTO notes VALUES (?, ?)", (request_id, number))

    def end(self, name: str, code: int, attempt: int) -> None:
        """A socket's end was handled."""
        row = (name, code, attempt, time.time())
        with self._connected() as connection:
            connection.execute("INSERT INTO ends VALUES (?, ?, ?, ?)", row)

    def job(self, number: int, job_id: int, attempt: int) -> None:
        """A job was handled."""
        with self._connected() as connection:
            connection.execute("INSERT INTO jobs VALUES (?, ?, ?)", (number, job_id, attempt))

    def attempt(self, name: str, number: int, attempt: int) -> None:
        """An event was handled at this attempt; the usual first one is not worth a row."""
        if attempt > 1:
            with self._connected() as connection:
                connection.execute("INSERT INTO attempts VALUES (?, ?, ?)", (name, number, attempt))

    def notes(self) -> list[int]:
        """The numbers of all notes, each as often as it has rows."""
        return [int(row[0]) for row in self._rows("SELECT number FROM notes")]

    def tries(self) -> list[tuple[int, int]]:
        """(number, attempt) of all posts whose handling began."""
        return [(int(a), int(b)) for a, b in self._rows("SELECT number, attempt FROM tries")]

    def ends(self) -> list[End]:
        """All disconnect events."""
        return [End(*row) for row in self._rows("SELECT name, code, attempt, at FROM ends")]

    def jobs(self) -> list[int]:
        """The numbers of all jobs that were handled, each as often as it was."""
        return [int(row[0]) for row in self._rows("SELECT number FROM jobs")]

    def repeated_jobs(self) -> list[int]:
        """The numbers of the jobs that were handled twice at the same attempt."""
        query = "SELECT number FROM jobs GROUP BY number, attempt HAVING count(*) > 1"
        return [int(row[0]) for row in self._rows(query)]

    def close(self) -> None:
        """Close this thread's connection."""
        kept = getattr(self._own, "connection", None)
        if kept is not None:
            kept.close()
            self._own.connection = None

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with self._connected() as connection:
            return connection.execute(query).fetchall()

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        kept = getattr(self._own, "connection", None)
        if kept is None:
            kept = sqlite3.connect(self._path, timeout=60, isolation_level="IMMEDIATE")
            # The processes are killed, the machine is not: the disk need not be waited for.
            kept.execute("PRAGMA synchronous = OFF")
            self._own.connection = kept
        with kept:
            yield kept
