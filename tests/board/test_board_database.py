"""How the database is opened, and what its transactions promise."""

from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy import select, text, update

from board import tables
from board.database import Database
from shared.errors import ConfigurationError


@pytest.mark.parametrize(
    "url", ["", "nonsense", "mysql://x/y", "sqlite://", "sqlite:///:memory:", "sqlite:///"]
)
def test_urls_that_cannot_work_are_refused(url: str) -> None:
    """A database that the board cannot use is told with what was expected."""
    with pytest.raises(ConfigurationError, match="DATABASE_URL"):
        Database(url)


def test_sqlite_is_opened_for_many_readers(tmp_path: Path) -> None:
    """SQLite runs in WAL mode with foreign keys, in a folder that is made for it."""
    database = Database(f"sqlite:///{tmp_path}/new/board.db")
    with database.reading() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert connection.execute(text("PRAGMA foreign_keys")).scalar_one() == 1
    database.close()


def test_an_error_undoes_everything(database: Database) -> None:
    """A transaction that raises leaves no trace."""

    def fail() -> None:
        with database.writing() as connection:
            connection.execute(update(tables.board).values(title="changed"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with database.reading() as connection:
        assert connection.execute(select(tables.board.c.title)).scalar_one() == "Channels Board"


def test_a_reader_sees_one_moment(database: Database) -> None:
    """What is committed while somebody reads is not seen by the same reading."""
    titles = select(tables.board.c.title)
    with database.reading() as reading:
        assert reading.execute(titles).scalar_one() == "Channels Board"
        with database.writing() as writing:
            writing.execute(update(tables.board).values(title="changed"))
        assert reading.execute(titles).scalar_one() == "Channels Board"
    with database.reading() as reading:
        assert reading.execute(titles).scalar_one() == "changed"


def test_sqlites_second_writer_waits(sqlite_database: Database) -> None:
    """A writer that finds another one waits for its end instead of failing."""
    inside, done = Event(), []

    def second() -> None:
        inside.wait()
        with sqlite_database.writing() as connection:
            done.append(connection.execute(select(tables.board.c.title)).scalar_one())

    thread = Thread(target=second)
    thread.start()
    with sqlite_database.writing() as connection:
        inside.set()
        thread.join(0.05)
        assert not done
        connection.execute(update(tables.board).values(title="first"))
    thread.join()
    assert done == ["first"]
