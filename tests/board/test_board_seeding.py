"""The example content and the commands, run as an operator runs them."""

import subprocess
import sys
from pathlib import Path

from board.seeding import seed
from board.site import Site
from tests.board.browsing import Browser

ROOT = Path(__file__).resolve().parents[2]


def test_examples_fill_the_board(site: Site) -> None:
    """Seeding writes threads with ready pictures that the pages show."""
    assert seed(site, 3) > 10
    text = Browser(site).get("/").text
    assert "Sunrise over the harbour" in text
    assert "/media/thumb/" in text
    assert 'class="pic wait"' not in text


def run(tmp_path: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "board", *arguments],
        cwd=ROOT,
        env={"VAR_DIR": str(tmp_path), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_commands_work_and_explain(tmp_path: Path) -> None:
    """`migrate` and `seed` work in that order; the other way round says what is missing."""
    early = run(tmp_path, "seed")
    assert early.returncode == 1
    assert "python -m board migrate" in early.stderr
    assert "Traceback" not in early.stderr
    assert run(tmp_path, "migrate").returncode == 0
    assert run(tmp_path, "migrate").returncode == 0
    assert "posts written" in run(tmp_path, "seed", "--threads", "1").stderr
    wrong = run(tmp_path, "migrate", DATABASE_URL="mysql://x")
    assert (wrong.returncode, "DATABASE_URL" in wrong.stderr) == (1, True)
    assert "DATABASE_URL" in run(tmp_path, "--help").stdout
