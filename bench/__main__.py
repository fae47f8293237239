"""`python -m bench`: starts the servers, measures them in turns, prints the tables.

What is measured stands in `works.py`, the servers in `servers.py`, what is wanted in `targets.py`.
"""

import shlex
import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from fnmatch import fnmatchcase
from pathlib import Path

import click

from bench import environments, plots, report, tools
from bench.environments import Missing
from bench.processes import Running, come_to_rest
from bench.report import Rows
from bench.servers import PAGE, SERVERS, Server, started
from bench.tools import Unsound
from bench.work import Work
from bench.works import WORKS

QUICK = 0.2
"""How much of its time a work gets with --quick, and while it warms up."""

_PAGE, _PLOTS = Path("docs/benchmarks.md"), Path("docs/benchmarks")

_EXAMPLES = """\
Examples:

\b
python -m bench --list                       what can be measured, and on which servers
python -m bench --quick --peers none         whether all of it runs: about 3 minutes
python -m bench --only 'page-*' --peers none page-64 and its like, ours beside bare Twisted
python -m bench --only 'board-*' --only page-64 --peers none
                                             the board's pages and the target they have
python -m bench --rounds 2 --write           everything, beside all peers, into docs/

Run it on a machine that does nothing else. A range that is wide beside its median says that the
machine was busy: measure again.
"""


@click.command(epilog=_EXAMPLES)
@click.option(
    "--only",
    "only",
    metavar="GLOB",
    multiple=True,
    help="Works to measure, such as 'page-*'; may be repeated. See --list.",
)
@click.option(
    "--peers",
    "peers",
    metavar="NAME[,NAME…]|none|all",
    default="all",
    show_default=True,
    help="Which other servers are measured beside ours.",
)
@click.option(
    "--rounds",
    type=click.IntRange(1),
    help="Turns of each work that has more than one; else its own number.",
)
@click.option("--quick", is_flag=True, help="One short turn of each: whether all of it runs.")
@click.option("--list", "is_list", is_flag=True, help="Show the works and the servers, and end.")
@click.option("--write", is_flag=True, help="Write docs/benchmarks.md and its plots too.")
def main(
    only: Sequence[str], peers: str, rounds: int | None, quick: bool, is_list: bool, write: bool
) -> None:
    """Measure this project beside others, in turns, on this machine.

    The tables come on standard output, each turn's figures meanwhile on standard error. Targets
    are shown for what was measured in the same run.

    Each peer is installed into an environment of its own under var/bench, with pinned versions;
    what cannot be had is named and left out. Needs wrk and a C compiler, for plots the extra
    "bench".
    """
    if is_list:
        _show()
        return
    works = _works(only)
    servers = _servers(peers)
    rows: list[Rows] = []
    for work in works:
        able = [one for one in servers if work.wants in one.does]
        # What has one turn finds another state in a second: memory that is taken already.
        turns = 1 if quick or work.rounds == 1 else rounds or work.rounds
        rows += _measured(work, able, turns, quick)
    command = shlex.join(["python", "-m", "bench", *sys.argv[1:]])
    drawn = _drawn(rows) if write else []
    page = report.markdown(rows, command, environments.versions(), drawn)
    click.echo(page)
    if write:
        _PAGE.write_text(page, encoding="utf-8")


def _drawn(rows: Sequence[Rows]) -> list[str]:
    """The plots' addresses, as the page sees them; none without matplotlib."""
    try:
        made = plots.plot(rows, _PLOTS)
    except ImportError:
        click.echo("no plots: matplotlib is missing (pip install -e .[bench])", err=True)
        return []
    click.echo(f"wrote {len(made)} plots to {_PLOTS}", err=True)
    return [f"{_PLOTS.name}/{path.name}" for path in made]


def _measured(work: Work, servers: Sequence[Server], rounds: int, quick: bool) -> list[Rows]:
    """Each server is up during the whole work; the first of several turns is short, to warm up.

    A turn begins when all servers rest, so that none pays for what another one still clears away.
    """
    rows = []
    warms_up = rounds > 1
    with ExitStack() as stack:
        turns: list[tuple[Rows, Running]] = []
        for server in servers:
            row = Rows(work, server.name, server.title)
            folder = environments.HOME / "runs" / server.name
            shutil.rmtree(folder, ignore_errors=True)
            try:
                running = stack.enter_context(started(server, folder))
                if PAGE in server.does:
                    tools.wait_for(f"http://127.0.0.1:{running.port}/page")
            except (Missing, RuntimeError) as error:
                row.unsound = str(error)
                click.echo(f"{work.name}, {server.name}: {error}", err=True)
            else:
                turns.append((row, running))
            rows.append(row)
        for number in range(rounds + warms_up):
            is_warming_up = number == 0 and warms_up
            for row, running in turns:
                if not come_to_rest(other for _, other in turns):
                    click.echo(f"{work.name}, {row.server}: begins beside a busy server", err=True)
                share = QUICK if quick or is_warming_up else 1.0
                _take_turn(row, running, share, is_kept=not is_warming_up)
    return rows


def _take_turn(row: Rows, running: Running, share: float, is_kept: bool) -> None:
    try:
        figures = row.work.measure(running, share)
    except (Unsound, Missing) as error:
        row.unsound = str(error)
        click.echo(f"{row.work.name}, {row.server}: {error}", err=True)
        return
    if is_kept:
        row.runs.append(figures)
        shown = ", ".join(f"{name} {value:,.4g}" for name, value in figures.items())
        click.echo(f"{row.work.name}, {row.server}: {shown}", err=True)


def _works(only: Sequence[str]) -> list[Work]:
    names = [work.name for work in WORKS]
    for glob in only:
        if not any(fnmatchcase(name, glob) for name in names):
            raise click.UsageError(
                f"--only: expected a glob of {', '.join(names)}; got {glob!r}; see --list"
            )
    return [work for work in WORKS if not only or any(fnmatchcase(work.name, g) for g in only)]


def _servers(peers: str) -> list[Server]:
    names = {server.name for server in SERVERS if server.is_peer}
    wanted = names if peers == "all" else set() if peers == "none" else set(peers.split(","))
    if not wanted <= names:
        unknown, known = ", ".join(sorted(wanted - names)), ", ".join(sorted(names))
        raise click.UsageError(f"--peers: expected some of {known}, got {unknown}")
    return [server for server in SERVERS if not server.is_peer or server.name in wanted]


def _show() -> None:
    for work in WORKS:
        click.echo(f"{work.name:18} {work.title}, {work.unit}")
    click.echo()
    for server in SERVERS:
        click.echo(f"{server.name:18} {server.title}{'' if server.is_peer else ' (always)'}")


if __name__ == "__main__":
    sys.exit(main())
