"""The connection to SQLite or PostgreSQL: how it is opened, and what a transaction means on it.

Knows no tables. A write transaction on SQLite takes the write lock at its beginning, so that it
waits instead of failing at its end; on PostgreSQL the store locks rows. The question that every
page asks goes past SQLAlchemy, whose way to a row takes four times as long as SQLite's own.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Select, create_engine, event
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
        self._kept = threading.local()
        self._all_kept: set[Any] = set()

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

    def question(self, statement: Select[Any]) -> "Question":
        """The statement, which has one parameter, as a question that is asked very often."""
        return Question(self, statement)

    def ask(self, sql: str, values: Any) -> tuple[Any, ...] | None:
        """The one row of a statement in the driver's own words, on a connection of this thread.

        It sees everything that was committed before. A connection that has died meanwhile, with
        the database's server for instance, is replaced once.
        """
        kept = getattr(self._kept, "connection", None)
        if kept is not None:
            try:
                return _first_row(kept, sql, values)
            except self._driver_error:
                self._forget(kept)
        return _first_row(self._keep(), sql, values)

    def compiled(self, statement: Select[Any]) -> tuple[str, str | None]:
        """A statement's text in the driver's words, and its parameter's name where it has one."""
        found = statement.compile(dialect=self._engine.dialect)
        (name,) = found.params
        return str(found), None if found.positional else name

    def close(self) -> None:
        """Close all connections."""
        while self._all_kept:
            self._all_kept.pop().close()
        self._engine.dispose()

    @property
    def _driver_error(self) -> type[Exception]:
        error: type[Exception] = self._engine.dialect.loaded_dbapi.Error
        return error

    def _keep(self) -> Any:
        """A connection for this thread that stays out of the pool, each statement by itself."""
        found = self._engine.raw_connection()
        kept: Any = found.dbapi_connection
        found.detach()
        if not self.is_sqlite:
            kept.autocommit = True  # SQLite's are opened so
        self._all_kept.add(kept)
        self._kept.connection = kept
        return kept

    def _forget(self, kept: Any) -> None:
        self._kept.connection = None
        self._all_kept.discard(kept)
        with suppress(self._driver_error):
            kept.close()


class Question:
    """A statement of one parameter and at most one row; an answer takes a few microseconds."""

    def __init__(self, database: Database, statement: Select[Any]) -> None:
        self._database = database
        self._sql, self._name = database.compiled(statement)

    def ask(self, value: int | str) -> tuple[Any, ...] | None:
        """The row for that value of the parameter, None without one."""
        name = self._name
        return self._database.ask(self._sql, (value,) if name is None else {name: value})


def _first_row(connection: Any, sql: str, values: Any) -> tuple[Any, ...] | None:
    # All rows are taken: a statement that is not at its end holds its moment of the database.
    rows = connection.execute(sql, values).fetchall()
    return rows[0] if rows else None


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
