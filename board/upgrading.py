"""Brings a database's tables up to this version: `python -m board migrate`.

Holds no schema; the steps are in `migrations/versions/`.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from board.database import Database
from shared.errors import ConfigurationError

_FOLDER = Path(__file__).with_name("migrations")


def upgrade(database: Database) -> None:
    """Run the steps that this database lacks, all in one transaction."""
    with database.writing() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def check_version(database: Database) -> None:
    """Make sure that the tables are those of this version.

    Raises: ConfigurationError that says what to run when they are not.
    """
    wanted = ScriptDirectory.from_config(_config()).get_current_head()
    with database.reading() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    if found != wanted:
        raise ConfigurationError(
            f"the board's database is at version {found or 'none'}, this program needs {wanted}: "
            "run `python -m board migrate`"
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    return config
