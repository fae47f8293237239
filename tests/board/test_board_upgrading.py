"""Migrations, from an empty database of each kind."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from board import tables
from board.database import Database
from board.reading import Reader
from board.upgrading import check_version, upgrade
from shared.errors import ConfigurationError


def test_an_empty_database_gets_all_tables(empty_database_url: str) -> None:
    """Migrating makes exactly the tables that the program works with, and the board /b/."""
    database = Database(empty_database_url)
    upgrade(database)
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
    board = Reader(database).board("b")
    assert board is not None
    assert (board.revision, board.rules.max_body) == (0, 4000)
    database.close()


def test_migrating_twice_changes_nothing(database: Database) -> None:
    """A second run finds everything in place."""
    upgrade(database)
    check_version(database)


def test_an_old_database_is_told_apart(empty_database_url: str) -> None:
    """A database that was not migrated is named with what to do."""
    database = Database(empty_database_url)
    with pytest.raises(ConfigurationError, match="python -m board migrate"):
        check_version(database)
    database.close()
