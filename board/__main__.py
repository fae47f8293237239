"""The board's own commands: `python -m board migrate`, `seed` and `sweep`.

Serves nothing; pages come from `python -m workers --app board.app:build`.
"""

import os
import sys

import click

from board.database import Database
from board.seeding import seed
from board.settings import VARIABLES, read_settings
from board.site import open_site
from board.upgrading import check_version, upgrade
from shared.errors import ConfigurationError


@click.group(epilog=VARIABLES)
def commands() -> None:
    """Look after the database of Channels Board."""


@commands.command("migrate", epilog=VARIABLES)
def migrate_command() -> None:
    """Bring the database's tables to this version; a new database gets the board /b/."""
    database = Database(read_settings(os.environ).database_url)
    upgrade(database)
    check_version(database)
    click.echo("the board's database is up to date", err=True)


@commands.command("seed", epilog=VARIABLES)
@click.option("--threads", default=8, show_default=True, help="How many threads to write.")
def seed_command(threads: int) -> None:
    """Fill the board with example threads and pictures, through the rules of real posting."""
    site = open_site(read_settings(os.environ))
    check_version(site.database)
    written = seed(site, threads)
    click.echo(f"{written} posts written", err=True)


@commands.command("sweep", epilog=VARIABLES)
def sweep_command() -> None:
    """Put right what lost jobs left behind: overdue pictures, old uploads, old events.

    Workers do this by themselves when somebody posts, and tell the readers at once; after this
    command readers see it when they next load or ask.
    """
    site = open_site(read_settings(os.environ))
    check_version(site.database)
    swept = site.sweeper.sweep(lambda _: None)
    click.echo(
        f"{swept.pictures} pictures called failed, {swept.uploads} uploads removed, "
        f"{swept.events} events forgotten",
        err=True,
    )


def main() -> None:
    """Run a command; an operator's mistake ends with one clear line."""
    try:
        commands()
    except ConfigurationError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
