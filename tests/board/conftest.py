"""Fixtures of the board's tests: real databases, an open site, and browsers' requests."""

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from PIL import Image

from board.database import Database
from board.settings import BoardSettings, read_settings
from board.site import Site, open_site
from board.upgrading import upgrade
from tests.ports import unused_port

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a real PostgreSQL server of this test run, without a database's name."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        pytest.skip("PostgreSQL's server is not installed")
    as_user: list[str] = []
    folder = Path(tempfile.mkdtemp(prefix="board-postgres-"))
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root.
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        shutil.chown(folder, "postgres", "postgres")
    port = unused_port()
    database = folder / "data"
    try:
        subprocess.run(
            [*as_user, programs[-1] / "initdb", "-D", database, "-U", "board", "-A", "trust"],
            check=True,
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -k {folder} -c fsync=off"
        command = [*as_user, programs[-1] / "pg_ctl", "-D", database, "-w"]
        log = ["-l", folder / "log", "-o", options]
        subprocess.run([*command, *log, "start"], check=True, cwd=folder, stdout=subprocess.DEVNULL)
        try:
            yield f"postgresql://board@127.0.0.1:{port}"
        finally:
            subprocess.run(
                [*command, "-m", "immediate", "stop"],
                check=True,
                cwd=folder,
                stdout=subprocess.DEVNULL,
            )
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def postgres_database_url(postgres_url: str) -> str:
    """The address of a new, empty PostgreSQL database."""
    name = f"t{next(_numbers)}"
    with psycopg.connect(f"{postgres_url}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return f"{postgres_url}/{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a new, empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/board.db"
    url: str = request.getfixturevalue("postgres_database_url")
    return url


@pytest.fixture
def database(empty_database_url: str) -> Iterator[Database]:
    """A new database with the board's tables, once of each kind."""
    found = Database(empty_database_url)
    upgrade(found)
    yield found
    found.close()


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[Database]:
    """A new SQLite database with the board's tables."""
    found = Database(f"sqlite:///{tmp_path}/board.db")
    upgrade(found)
    yield found
    found.close()


@pytest.fixture
def settings(tmp_path: Path) -> BoardSettings:
    """Settings of a site in the test's own folder."""
    return read_settings(
        {
            "VAR_DIR": str(tmp_path),
            "SECRET_KEY": "a secret of the tests",
            "TEMPLATES_DIR": str(TEMPLATES),
        }
    )


@pytest.fixture
def clock_us() -> Callable[[], int]:
    """A clock that goes on by one second at each look."""
    return itertools.count(1_795_374_644_000_000, 1_000_000).__next__


@pytest.fixture
def site(settings: BoardSettings, clock_us: Callable[[], int]) -> Iterator[Site]:
    """An open site on SQLite with the board /b/."""
    found = open_site(settings, clock_us)
    upgrade(found.database)
    yield found
    found.close()


@pytest.fixture
def picture() -> Callable[..., bytes]:
    """Makes the bytes of a picture: format, size, and what Pillow's `save` takes."""

    def make(kind: str = "JPEG", size: tuple[int, int] = (640, 480), **options: Any) -> bytes:
        file = BytesIO()
        image = Image.linear_gradient("L").resize(size).convert("RGB")
        image.save(file, kind, **options)
        return file.getvalue()

    return make
