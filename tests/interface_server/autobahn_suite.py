"""Runs the Autobahn test-suite against a real server with a worker that echoes, and shows a table.

`python -m tests.interface_server.autobahn_suite --wstest PATH` wants the suite's `wstest`, which is
a Python 2 program of its own: docs/websocket-conformance.md says how to install it. Judges nothing
by itself; what the suite calls failed, wrong or unclean ends it with status 1.
"""

import json
import subprocess
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import click

from tests.stack import Stack

APP = "tests.interface_server.autobahn_app:build"

SERVER_OPTIONS = ("--max-message", "16m", "--max-socket-output", "64m", "--websocket-deflate")
"""The suite sends messages of 16 MiB (cases 9.1.6 and 9.2.6), sixteen times the usual limit, and
compressed ones; all else is as usual."""

AGENT = "channels-board"

GOOD = frozenset({"OK", "NON-STRICT", "INFORMATIONAL"})
"""What the suite says of a case that is not failed: the last two where the RFC leaves it open."""


@click.command()
@click.option("--wstest", default="wstest", show_default=True, help="The suite's program.")
@click.option("--case", "cases", multiple=True, default=("*",), help="Such as 6.*; repeatable.")
@click.option("--out", default="", help="A folder for the suite's reports of each case.")
def main(wstest: str, cases: tuple[str, ...], out: str) -> None:
    """Run cases of the suite and print a table of groups; status 1 unless all are good."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reports = Path(out).resolve() if out else folder / "reports"
        house = Stack(folder, app=APP, server_options=SERVER_OPTIONS)
        with house:
            _run(wstest, house.socket_url, cases, folder, reports)
        results = json.loads((reports / "index.json").read_text())[AGENT]
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


def _run(wstest: str, url: str, cases: tuple[str, ...], folder: Path, reports: Path) -> None:
    specification = {
        "outdir": str(reports),
        "servers": [{"agent": AGENT, "url": url, "options": {"version": 18}}],
        "cases": list(cases),
        "exclude-cases": [],
        "exclude-agent-cases": {},
    }
    file = folder / "fuzzingclient.json"
    file.write_text(json.dumps(specification))
    subprocess.run([wstest, "-m", "fuzzingclient", "-s", str(file)], check=True, cwd=folder)


if __name__ == "__main__":
    main()
