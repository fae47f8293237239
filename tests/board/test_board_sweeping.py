"""What a sweep puts right, and when it is asked for."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from board.database import Database
from board.live import Live
from board.media import MediaFolder
from board.presenting import Presenter
from board.reading import Reader
from board.records import NewPicture, NewPost, Posted
from board.site import Site
from board.store import Store
from board.sweeping import SWEEP, Sweeper, Swept
from tests.board.browsing import Browser
from workers.consumers import JobAttempt
from workers.outbox import Outbox
from workers.rendering import Templates

ROOT = Path(__file__).resolve().parents[2]
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
FIRST = JobAttempt(1, 4, 1)


class House:
    """A sweeper with all that it sweeps, and a clock that the test sets."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.now_ms = 1_795_374_644_000
        self.store, self.reader = Store(database), Reader(database)
        self.folder = folder
        self.media = MediaFolder(folder, "/media", lambda: 1000 * self.now_ms)
        live = Live(
            self.reader,
            Presenter(self.media, Templates(ROOT / "templates")),
            lambda: self.now_ms,
        )
        self.sweeper = Sweeper(self.media, self.reader, self.store, live, lambda: self.now_ms)

    def upload(self) -> int:
        """A file that came in now; gives its name."""
        tim = 1000 * self.now_ms
        while self.media.incoming_path(tim).exists():
            tim += 1
        self.media.incoming_path(tim).write_bytes(b"x")
        return tim

    def post(self, tim: int) -> Posted:
        """A thread with that picture, not made yet."""
        picture = NewPicture(tim, "0" * 64, "PNG", ".png", 10, 20, 10, 20, 50, "a.png")
        new = NewPost("b", f"k{tim}", self.now_ms, "T", "", "x", picture)
        done = self.store.start_thread(new)
        assert isinstance(done, Posted)
        return done

    def state(self, tim: int) -> str:
        """What became of a picture."""
        found = self.reader.picture(tim)
        assert found is not None
        return found[1].state

    def uploads(self) -> list[int]:
        """The files that wait."""
        return sorted(int(path.name) for path in (self.folder / "incoming").iterdir())

    def sweep(self) -> tuple[Swept, list[int]]:
        """Sweep; gives also the threads whose readers were told of a picture."""
        told: list[int] = []
        swept = self.sweeper.sweep(lambda settled: told.append(settled.thread.no))
        return swept, told


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path / "media")


def test_a_lost_job(house: House) -> None:
    """A picture whose job was lost is called failed after ten minutes, once, and that is told."""
    old = house.upload()
    no = house.post(old).thread.no
    house.now_ms += 9 * MINUTE_MS
    young = house.upload()
    house.post(young)
    assert house.sweep() == (Swept(0, 0, 0), [])
    house.now_ms += 2 * MINUTE_MS
    assert house.sweep() == (Swept(1, 0, 0), [no])
    assert (house.state(old), house.state(young)) == ("failed", "pending")
    assert house.sweep() == (Swept(0, 0, 0), [])


def test_uploads_that_nobody_makes(house: House) -> None:
    """Uploads of refused posts and failed pictures go after an hour; what is awaited stays."""
    lost, failed = house.upload(), house.upload()
    house.post(failed)
    house.store.settle_picture(failed, None, house.now_ms)
    (house.folder / "incoming" / "readme.txt").write_text("mine")
    house.now_ms += 59 * MINUTE_MS
    awaited = house.upload()
    house.post(awaited)
    assert house.sweep()[0].uploads == 0
    house.now_ms += 2 * MINUTE_MS
    assert house.sweep()[0] == Swept(0, 2, 0)
    assert sorted(path.name for path in (house.folder / "incoming").iterdir()) == [
        str(awaited),
        "readme.txt",
    ]
    assert not house.media.incoming_path(lost).exists()


def test_old_events(house: House) -> None:
    """Events are forgotten after two days."""
    tim = house.upload()
    no = house.post(tim).thread.no
    house.now_ms += 49 * HOUR_MS
    house.post(house.upload())
    assert house.sweep() == (Swept(1, 1, 1), [no])
    assert house.sweep() == (Swept(0, 0, 0), [])


def test_orders(house: House) -> None:
    """However many posts come, a process asks for a sweep once in ten minutes."""
    ordered = []
    for _ in range(41):
        outbox = Outbox()
        house.sweeper.order(outbox)
        ordered.append(len(outbox.operations))
        house.now_ms += MINUTE_MS
    assert sum(ordered) == 5
    assert ordered[0] == 1


def test_a_post_brings_it_along(site: Site) -> None:
    """Posting asks for the sweep, which tells the readers of what it found."""
    browser = Browser(site)
    done = browser.write("/b/post", title="T", body="x")
    assert [channel for channel, _ in done.jobs] == [SWEEP]
    outbox = Outbox()
    site.sweeper.run({}, outbox, FIRST)
    assert outbox.operations == ()


def test_the_command(tmp_path: Path, picture: Callable[..., bytes]) -> None:
    """`python -m board sweep` says what it did, and does nothing the second time."""
    environment = {**os.environ, "VAR_DIR": str(tmp_path), "SECRET_KEY": "a secret of the tests"}
    environment.pop("DATABASE_URL", None)

    def run(command: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "board", command],
            cwd=ROOT,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stderr

    run("migrate")
    database = Database(f"sqlite:///{tmp_path}/board.db")
    house = House(database, tmp_path / "media")
    house.now_ms = 1_000_000_000_000
    house.post(house.upload())
    house.upload()
    database.close()
    said = "1 pictures called failed, 2 uploads removed, 2 events forgotten"
    assert said.replace("2 events", "1 events") in run("sweep")
    assert said.replace("1 ", "0 ").replace("2 ", "0 ") in run("sweep")
    assert house.uploads() == []
