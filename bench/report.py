"""The figures as a page; it measures nothing, and the pictures are drawn in `plots.py`."""

import platform
import statistics
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from os import cpu_count

from bench.targets import TARGETS, Target
from bench.tools import Figures
from bench.work import LOST, Work

OURS, LIMIT = "ours", "limit"
"""The servers that others are compared with: this project, and the responder in C."""


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

    def others(self) -> Figures:
        """The medians of the figures beside the main one."""
        main = next(iter(self.runs[0]), "") if self.runs else ""
        names = dict.fromkeys(name for run in self.runs for name in run if name != main)
        return {name: self.of(name) for name in names}

    def of(self, figure: str) -> float:
        """The median of a figure, of losses the most; a run that does not know it counts as 0."""
        values = [run.get(figure, 0.0) for run in self.runs]
        return max(values) if figure == LOST else statistics.median(values)


Known = Mapping[tuple[str, str], Rows]
"""The rows with sound runs by work and server."""


def markdown(
    rows: Sequence[Rows], command: str, versions: Mapping[str, str], plots: Sequence[str] = ()
) -> str:
    """The page `docs/benchmarks.md`; `plots` are addresses of pictures as the page sees them."""
    known = {(row.work.name, row.server): row for row in rows if row.runs}
    machine = f"{cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    named = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    parts = [
        "# Benchmarks",
        "",
        f"Written by `{command}`; do not edit. Each work was measured in turns (ours, peer, ours, "
        "peer …) on one machine, which the load generators share; only ratios mean something "
        "elsewhere. Every figure is a median, of `lost` the most; the range is that of the runs. "
        "`bench/works.py` says "
        "what a work is, `bench/servers.py` how each server is started. `cpu_us` is the CPU that "
        "one request, echo or delivery costs a part, in microseconds.",
        "",
        f"Run of {datetime.now(UTC):%Y-%m-%d} on {machine} ({_build()}). Peers: {named}.",
        "",
        *_redis_lines(known),
        *_target_lines(known),
        *(line for plot in plots for line in (f"![{plot}]({plot})", "")),
    ]
    for work in dict.fromkeys(row.work for row in rows):
        parts += _work_lines(work, [row for row in rows if row.work is work])
    return "\n".join(parts)


def _build() -> str:
    """How the interpreter was built; it decides what each Python server can reach."""
    if sys.base_prefix == "/usr":  # its maker's options do not tell how it was compiled
        return "as the system brings it"
    options = sysconfig.get_config_var("CONFIG_ARGS") or ""
    parts = [
        "built with optimisations" if "--enable-optimizations" in options else "built without PGO",
        "with LTO" if "--with-lto" in options else "without LTO",
    ]
    return ", ".join(parts)


def _redis_lines(known: Known) -> list[str]:
    """How many interface servers one Redis carries, by what a page costs both."""
    row = known.get(("page-64", OURS))
    if row is None or not row.of("cpu_us Valkey") or not row.of("cpu_us server"):
        return []
    server, redis = row.of("cpu_us server"), row.of("cpu_us Valkey")
    return [
        f"A page of 1 KB costs Redis {redis:.0f} µs of CPU, the interface server {server:.0f} µs: "
        f"one Redis carries about {server / redis:.1f} servers that do nothing but pages.",
        "",
    ]


def _work_lines(work: Work, rows: Sequence[Rows]) -> list[str]:
    lines = [
        f"## {work.title}",
        "",
        f"`{work.name}`, {work.unit}; {'more' if work.more_is_better else 'less'} is better.",
        "",
        "| server | median | range | runs | ours / it | beside that |",
        "|---|---|---|---|---|---|",
    ]
    ours = next((row.median for row in rows if row.server == OURS), None)
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
    return [*lines, "", *_limit_lines(work, rows)]


def _limit_lines(work: Work, rows: Sequence[Rows]) -> list[str]:
    """How far each rate is from what the load program reaches with a responder that does nothing.

    A server near 100 % may be limited by the load program, not by itself.
    """
    limit = next((row.median for row in rows if row.server == LIMIT), None)
    if not limit or not work.more_is_better:
        return []
    parts = [
        f"{row.title} {row.median / limit:.0%}"
        for row in rows
        if row.median and row.server != LIMIT
    ]
    said = "Of what the load program reaches with the responder in C"
    return [f"{said}: {', '.join(parts)}.", ""] if parts else []


def _target_lines(known: Known) -> list[str]:
    lines = []
    for target in TARGETS:
        value = _value(target, known)
        if value is None:
            continue
        bound = f"{'≤' if target.at_most else '≥'} {_number(target.bound)}"
        reached = "yes" if target.is_reached(value) else "no"
        lines.append(f"| {_title(target, known)} | {_number(value)} | {bound} | {reached} |")
    if not lines:
        return []
    return [
        "| ours, or ours / peer | measured | target | reached |",
        "|---|---|---|---|",
        *lines,
        "",
    ]


def _title(target: Target, known: Known) -> str:
    above = known[target.work, target.of]
    figure = f", {target.figure}" if target.figure else ""
    who = "" if target.of == OURS else f", {above.title}"
    if target.below is None:
        return f"{above.work.title}{figure}{who}"
    below = known[target.below]
    beside = below.work.title if target.over else below.title
    return f"{above.work.title}{figure}{who} / {beside}"


def _value(target: Target, known: Known) -> float | None:
    above = _figure(target, known.get((target.work, target.of)))
    if target.below is None or above is None:
        return above
    below = _figure(target, known.get(target.below))
    return above / below if below else None


def _figure(target: Target, row: Rows | None) -> float | None:
    if row is None:
        return None
    return row.of(target.figure) if target.figure else row.median


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
