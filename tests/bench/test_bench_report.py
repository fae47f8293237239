"""The page of the bench: ratios, targets of every form, what a figure is to be held against."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from bench import plots, report
from bench.report import Rows
from bench.tools import Figures
from bench.works import WORKS


def _rows(name: str, server: str, title: str, *runs: Figures, unsound: str = "") -> Rows:
    work = next(work for work in WORKS if work.name == name)
    return Rows(work, server, title, list(runs), unsound)


def _page(rows: Sequence[Rows]) -> str:
    return report.markdown(rows, "python -m bench", {"wrk": "4"})


def test_the_page_tells_ratios_and_whether_targets_are_reached() -> None:
    """Medians, the range, ours over each peer, and a line for each target with both figures."""
    page = _page(
        [
            _rows("page-64", "ours", "this project", *({"per_s": v} for v in (90.0, 110.0, 100.0))),
            _rows("page-64", "bare", "bare", {"per_s": 250.0, "p99_ms": 2.0}),
            _rows("page-64", "daphne", "Daphne", unsound="not installed"),
        ]
    )
    assert "| page of 1 KB, 64 connections / bare | 0.4 | ≥ 0.5 | no |" in page
    assert "| this project | 100 | 90 – 110 | 3 | 1.00 |  |" in page
    assert "| bare | 250 | 250 – 250 | 1 | 0.40 | p99_ms 2 |" in page
    assert "| Daphne | – | | 0 | | not installed |" in page


def test_a_target_may_divide_two_works_or_take_a_figure_beside_the_main_one() -> None:
    """The board over the page, one system over another, a cost over a cost, a bound alone."""
    page = _page(
        [
            _rows("page-64", "ours", "this project", {"per_s": 1000.0}),
            _rows("board-index", "ours-board", "the board", {"per_s": 600.0}),
            _rows("cost-page", "ours", "this project", {"cpu_us": 100.0}),
            _rows("cost-page", "ours-1s-4w", "4 workers", {"cpu_us": 130.0}),
            _rows("flood-1000", "ours", "this project", {"per_s": 5.0, "cpu_us": 10.0}),
            _rows("flood-15000", "ours", "this project", {"per_s": 2.0, "cpu_us": 11.0}),
            _rows("idle-15000", "ours", "this project", {"KiB": 8.0, "KiB Valkey": 0.25}),
        ]
    )
    index = "the board's index, 150 threads, 64 connections that take gzip, the board"
    assert f"| {index} / page of 1 KB, 64 connections | 0.6 | ≥ 0.5 | yes |" in page
    assert "all parts, 64 connections, 4 workers / this project | 1.3 | ≤ 1.15 | no |" in page
    assert "to 15,000, deliveries, cpu_us / broadcasts back to back to 1,000, deliveries" in page
    assert "| 1.1 | ≤ 1.15 | yes |" in page
    assert "| memory of an idle socket of 15,000, KiB Valkey | 0.25 | ≤ 0.293 | yes |" in page


def test_a_loss_in_one_run_is_a_loss() -> None:
    """Nothing may be lost in any run, so the worst one is told, not the median."""
    page = _page(
        [
            _rows("tell-1000", "ours", "ours", *({"ms": 9.0, "lost": n} for n in (0, 3, 0))),
            _rows("echo-100", "ours", "ours", {"per_s": 90.0, "lost": 0}),
        ]
    )
    assert "| broadcast, last of 1,000, lost | 3 | ≤ 0 | no |" in page
    assert "| echo over 100 sockets, lost | 0 | ≤ 0 | yes |" in page
    assert "| lost 3 |" in page


def test_the_page_tells_what_limits_a_figure() -> None:
    """The load program's own limit, the interpreter's build, the servers that a Redis carries."""
    costs = {"per_s": 100.0, "cpu_us server": 60.0, "cpu_us Valkey": 20.0}
    page = _page(
        [
            _rows("page-64", "ours", "this project", costs),
            _rows("echo-100", "ours", "this project", {"per_s": 10.0}),
            _rows("echo-100", "limit", "C", {"per_s": 80.0}),
        ]
    )
    assert "one Redis carries about 3.0 servers" in page
    assert "with the responder in C: this project 12%." in page
    builds = ("built with optimisations", "built without PGO", "as the system brings it")
    assert sum(build in page for build in builds) == 1


def test_a_figure_that_a_run_does_not_know_counts_as_nothing() -> None:
    """An idle system may send a command in one run that it sends in none of the others."""
    rows = _rows("idle-commands", "ours-1s-4w", "ours", {"per_s": 1.0}, {"per_s": 2.0, "get/s": 1})
    assert rows.others() == {"get/s": 0.5}


def test_plots_are_small_and_have_no_background(tmp_path: Path) -> None:
    """One SVG for works that belong together, none for what was not measured."""
    pytest.importorskip("matplotlib")
    rows = [
        _rows("echo-1", "ours", "this project", {"per_s": 9.0}, {"per_s": 11.0}),
        _rows("echo-100", "ours", "this project", {"per_s": 90.0}),
        _rows("echo-100", "node", "Node", {"per_s": 900.0}),
    ]
    (made,) = plots.plot(rows, tmp_path)
    picture = made.read_text(encoding="utf-8")
    assert made.name == "echoes.svg"
    assert len(picture) < 40_000
    assert "this project" in picture
    assert "fill: #ffffff" not in picture


def test_every_picture_shows_works_that_exist() -> None:
    """A work that was renamed is renamed in the pictures too."""
    assert {name for _, works in plots.PICTURES for name in works} <= {work.name for work in WORKS}
