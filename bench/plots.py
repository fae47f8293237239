"""The figures as pictures, one for a few works that belong together; it needs matplotlib.

Their grey and blue, and the absence of a background, can be read on dark and on light pages.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.report import OURS, Rows

PICTURES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("pages", ("page-64", "page-cookie-64", "static-1k.txt-64")),
    ("pace", ("pace-50", "pace-80")),
    ("echoes", ("echo-1", "echo-100", "echo-1000")),
    ("broadcasts", ("tell-1000", "tell-5000", "tell-15000")),
    ("connections", ("flood-5000", "connect-50", "idle-15000")),
    ("growth", ("cost-page", "groups-100", "groups-1000", "groups-10000")),
)
"""Name of each picture and the works that it shows, from top to bottom."""

_INK, _OURS, _OTHERS = "#808890", "#3b82d0", "#9aa4ae"
_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",  # text stays text: the file is small, the reader's font is used
    "svg.hashsalt": "bench",  # the same figures give the same file
}


def plot(rows: Sequence[Rows], folder: Path) -> list[Path]:
    """Draw what was measured; gives the files. Raises: ImportError without matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name, works in PICTURES:
        groups = [[row for row in rows if row.work.name == work and row.runs] for work in works]
        groups = [group for group in groups if group]
        if not groups:
            continue
        heights = [len(group) + 1.6 for group in groups]
        with pyplot.rc_context(_STYLE):
            figure, found = pyplot.subplots(
                *(len(groups), 1),
                figsize=(8, 0.26 * sum(heights)),
                height_ratios=heights,
                squeeze=False,
                layout="constrained",
            )
            for axes, group in zip(found[:, 0], groups, strict=True):
                _bars(axes, group)
            path = folder / f"{name}.svg"
            figure.savefig(path, transparent=True, metadata={"Date": None})
            pyplot.close(figure)
        made.append(path)
    return made


def _bars(axes: Any, rows: Sequence[Rows]) -> None:
    """The medians of one work with the range of their runs; every bar tells its figure."""
    medians = [statistics.median(row.values) for row in rows]
    spans = [
        [median - min(row.values) for median, row in zip(medians, rows, strict=True)],
        [max(row.values) - median for median, row in zip(medians, rows, strict=True)],
    ]
    colours = [_OURS if row.server.startswith(OURS) else _OTHERS for row in rows]
    titles = [row.title for row in rows]
    bars = axes.barh(titles, medians, 0.7, xerr=spans, color=colours, ecolor=_INK)
    axes.bar_label(bars, [f"{median:,.4g}" for median in medians], padding=4)
    axes.margins(x=0.12)
    axes.invert_yaxis()
    work = rows[0].work
    axes.set_title(
        f"{work.title} [{work.unit}], {'more' if work.more_is_better else 'less'} is better",
        loc="left",
        fontsize=9,
    )
