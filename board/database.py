"""The connection to SQLite or PostgreSQL: how it is opened, and what a transaction means on it.

Knows no tables. A write transaction on SQLite takes the write lock at its beginning, so that it
waits instead of failing at its end; on PostgreSQL the store locks rows.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from shared.errors import ConfigurationError

BUSY_TIMEOUT_MS = 10_000
"""How long a writer waits for another on SQLite; a post takes a few milliseconds."""

_WRITES = "board_writes"


class Database:
    """An open database; `close` gives its connections up. Safe to use from many threads."""

    def __init__(self, url: str) -> None:
        self._engine = _engine(_checked(url))

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite, which has no row locks."""
        return self._engine.dialect.name == "sqlite"

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one moment of the database in all its statements."""
        with self._engine.connect() as connection:
            if not self.is_sqlite:
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection in a transaction that is committed at the end and undone by an error."""
        with self._engine.connect() as connection:
            connection.execution_options(**{_WRITES: True})
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _checked(text: str) -> URL:
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise ConfigurationError(
            "DATABASE_URL: expected sqlite:///PATH or postgresql://USER@HOST/NAME"
        ) from error
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "postgresql+psycopg"):
        raise ConfigurationError(
            "DATABASE_URL: expected sqlite:///PATH or postgresql://USER@HOST/NAME, "
            f"got the kind {url.drivername!r}"
        )
    if url.drivername == "sqlite" and url.database in (None, "", ":memory:"):
        raise ConfigurationError("DATABASE_URL: SQLite needs a file, as in sqlite:///var/board.db")
    return url


def _engine(url: URL) -> Engine:
    if url.drivername != "sqlite":
        return create_engine(url, pool_pre_ping=True)
    if url.database is not None:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url)
    event.listen(engine, "connect", _open_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _open_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    """Prepare a new connection; WAL lets readers go on while one writes."""
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout = {BUSY_TIMEOUT_MS}",
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    """Begin by ourselves: Python's driver would begin too late for a consistent read."""
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
