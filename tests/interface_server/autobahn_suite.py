"""Runs the Autobahn test-suite against a real server with a worker that echoes, and shows a table.

`python -m tests.interface_server.autobahn_suite --wstest PATH` wants the suite's `wstest`, which is
a Python 2 program of its own: docs/websocket-conformance.md says how to install it. Judges nothing
by itself; what the suite calls failed, wrong or unclean ends it with status 1.
"""

import json
import subprocess
import tempfile
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path
from typing import Any

import click

from tests.stack import Stack

APP = "tests.interface_server.autobahn_app:build"

SERVER_OPTIONS = ("--max-message", "16m", "--max-socket-output", "64m", "--websocket-deflate")
"""The suite sends messages of 16 MiB (cases 9.1.6 and 9.2.6), sixteen times the usual limit, and
compressed ones; all else is as usual."""

AGENT = "channels-board"

GROUPS = (
    *(f"{group}.*" for group in (1, 2, 3, 4, 5, 6, 7, 9, 10)),
    *(f"12.{number}.*" for number in range(1, 6)),
    *(f"13.{number}.*" for number in range(1, 8)),
)
"""All cases of the suite; it has no 8.* and no 11.*."""

GOOD = frozenset({"OK", "NON-STRICT", "INFORMATIONAL"})
"""What the suite says of a case that is not failed: the last two where the RFC leaves it open."""


@click.command()
@click.option("--wstest", default="wstest", show_default=True, help="The suite's program.")
@click.option("--case", "cases", multiple=True, default=GROUPS, help="Such as 6.*; repeatable.")
@click.option("--out", default="", help="A folder for the suite's reports of each case.")
@click.option("--beside", default=1, show_default=True, help="Runs at a time.")
def main(wstest: str, cases: tuple[str, ...], out: str, beside: int) -> None:
    """Run cases of the suite and print a table of groups; status 1 unless all are good.

    Each `--case` is a run of its own, since the suite tells its results at the end of a run only.
    """
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reports = Path(out).resolve() if out else folder / "reports"
        with (
            Stack(folder, app=APP, server_options=SERVER_OPTIONS) as house,
            ThreadPoolExecutor(beside) as runs,
        ):
            run = partial(_run, wstest, house.socket_url, folder, reports)
            for done in as_completed([runs.submit(run, case) for case in cases]):
                results |= done.result()
    click.echo(table(results))
    bad = {case: result for case, result in results.items() if not is_good(result)}
    for case, result in sorted(bad.items()):
        click.echo(f"{case}: {result['behavior']}, its end {result['behaviorClose']}")
    raise SystemExit(1 if bad else 0)


def is_good(result: dict[str, Any]) -> bool:
    """Whether a case passed, and the connection ended as it asks."""
    return result["behavior"] in GOOD and result["behaviorClose"] in GOOD


def table(results: dict[str, Any]) -> str:
    """The results by group of cases, as Markdown."""
    groups: dict[int, Counter[str]] = defaultdict(Counter)
    ends: dict[int, Counter[str]] = defaultdict(Counter)
    for case, result in results.items():
        group = int(case.split(".")[0])
        groups[group][result["behavior"]] += 1
        ends[group][result["behaviorClose"]] += 1
    lines = ["| group | cases | behaviour | end of the connection |", "|---|---|---|---|"]
    for group in sorted(groups):
        count = groups[group].total()
        lines.append(f"| {group}.* | {count} | {_told(groups[group])} | {_told(ends[group])} |")
    return "\n".join(lines)


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.most_common())


def _run(wstest: str, url: str, folder: Path, reports: Path, case: str) -> dict[str, Any]:
    name = case.replace("*", "all")
    mine, file = reports / name, folder / f"{name}.json"
    specification = {
        "outdir": str(mine),
        "servers": [{"agent": AGENT, "url": url, "options": {"version": 18}}],
        "cases": [case],
        "exclude-cases": [],
        "exclude-agent-cases": {},
    }
    file.write_text(json.dumps(specification))
    command = [wstest, "-m", "fuzzingclient", "-s", str(file)]
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
    results: dict[str, Any] = json.loads((mine / "index.json").read_text())[AGENT]
    good = sum(map(is_good, results.values()))
    click.echo(f"{case}: {good} of {len(results)} are good")
    return results


if __name__ == "__main__":
    main()
