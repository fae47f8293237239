"""The figures as a page and as plots; it measures nothing."""

import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from os import cpu_count
from pathlib import Path

from bench.targets import TARGETS, Target
from bench.tools import Figures
from bench.work import Work


@dataclass(slots=True)
class Rows:
    """All runs of one work on one server, in the order in which they were made."""

    work: Work
    server: str
    title: str
    runs: list[Figures] = field(default_factory=list)
    unsound: str = ""

    @property
    def values(self) -> list[float]:
        """The main figure of each run."""
        return [next(iter(run.values())) for run in self.runs]

    @property
    def median(self) -> float | None:
        """Of the main figure; None without a sound run."""
        return statistics.median(self.values) if self.runs else None

    def others(self) -> dict[str, float]:
        """The medians of the figures beside the main one."""
        main = next(iter(self.runs[0]), "") if self.runs else ""
        names = dict.fromkeys(name for run in self.runs for name in run if name != main)
        return {name: self.of(name) for name in names}

    def of(self, figure: str) -> float:
        """The median of a figure; a run that does not know it counts as 0."""
        return statistics.median(run.get(figure, 0.0) for run in self.runs)


def markdown(rows: Sequence[Rows], command: str, versions: Mapping[str, str]) -> str:
    """The page `docs/benchmarks.md`."""
    machine = f"{cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    named = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    parts = [
        "# Benchmarks",
        "",
        f"Written by `{command}`; do not edit. Each work was measured in turns (ours, peer, ours, "
        "peer …) on one machine, which the load generators share; only ratios mean something "
        "elsewhere. Every figure is a median; the range is that of the runs. `bench/works.py` says "
        "what a work is, `bench/servers.py` how each server is started.",
        "",
        f"Run of {datetime.now(UTC):%Y-%m-%d} on {machine}. Peers: {named}.",
        "",
        *_target_lines(rows),
    ]
    for work in dict.fromkeys(row.work for row in rows):
        parts += _work_lines(work, [row for row in rows if row.work is work])
    return "\n".join(parts)


def _work_lines(work: Work, rows: Sequence[Rows]) -> list[str]:
    lines = [
        f"## {work.title}",
        "",
        f"`{work.name}`, {work.unit}; {'more' if work.more_is_better else 'less'} is better.",
        "",
        "| server | median | range | runs | ours / it | beside that |",
        "|---|---|---|---|---|---|",
    ]
    ours = next((row.median for row in rows if row.server == "ours"), None)
    for row in rows:
        if row.median is None:
            lines.append(f"| {row.title} | – | | 0 | | {row.unsound} |")
            continue
        ratio = f"{ours / row.median:.2f}" if ours and row.median else ""
        beside = ", ".join(f"{name} {_number(value)}" for name, value in row.others().items())
        note = f"{beside}; {row.unsound}" if row.unsound else beside
        span = f"{_number(min(row.values))} – {_number(max(row.values))}"
        lines.append(
            f"| {row.title} | {_number(row.median)} | {span} | {len(row.runs)} | {ratio} | {note} |"
        )
    return [*lines, ""]


def _target_lines(rows: Sequence[Rows]) -> list[str]:
    known = {(row.work.name, row.server): row for row in rows if row.runs}
    lines = []
    for target in TARGETS:
        value = _value(target, known)
        if value is None:
            continue
        bound = f"{'≤' if target.at_most else '≥'} {_number(target.bound)}"
        beside = f" / {known[target.work, target.server].title}" if target.server else ""
        title = known[target.work, "ours"].work.title
        reached = "yes" if target.is_reached(value) else "no"
        lines.append(f"| {title}{beside} | {_number(value)} | {bound} | {reached} |")
    if not lines:
        return []
    return [
        "| ours, or ours / peer | measured | target | reached |",
        "|---|---|---|---|",
        *lines,
        "",
    ]


def _value(target: Target, known: Mapping[tuple[str, str], Rows]) -> float | None:
    ours = known.get((target.work, "ours"))
    if ours is None or ours.median is None:
        return None
    if target.server is None:
        return ours.median
    theirs = known.get((target.work, target.server))
    return ours.median / theirs.median if theirs is not None and theirs.median else None


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def plot(rows: Sequence[Rows], folder: Path) -> list[Path]:
    """One picture a work: bars of the medians with the range; needs matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for work in dict.fromkeys(row.work for row in rows):
        shown = [row for row in rows if row.work is work and row.runs]
        figure, axes = pyplot.subplots(figsize=(8, 0.5 * len(shown) + 1))
        medians = [statistics.median(row.values) for row in shown]
        spans = [
            [median - min(row.values) for median, row in zip(medians, shown, strict=True)],
            [max(row.values) - median for median, row in zip(medians, shown, strict=True)],
        ]
        colours = ["#2266aa" if row.server == "ours" else "#999999" for row in shown]
        axes.barh([row.title for row in shown], medians, xerr=spans, color=colours)
        axes.invert_yaxis()
        axes.set_xlabel(f"{work.title}, {work.unit}")
        path = folder / f"{work.name}.png"
        figure.savefig(path, bbox_inches="tight", dpi=80)
        pyplot.close(figure)
        made.append(path)
    return made
