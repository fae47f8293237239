"""`python -m bench`: starts the parts, measures them beside each other, prints the table.

What is measured stands in `measures.py`, the servers in `processes.py`.
"""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from shutil import which
from statistics import median

import click

from bench import measures, processes
from bench.measures import Measured, Ratio

PEER = Path("bench/peers/channels4")
OURS = "this project"
BARE = ("bare, page ready", "bare, page rendered")
CONNECTIONS = (64, 256)
THEIRS = "Channels 4 + Daphne 4 + channels_redis"


@click.command()
@click.option("--rounds", default=3, show_default=True, help="Turns of wrk on each server.")
@click.option("--seconds", default=5, show_default=True, help="Seconds of each turn.")
@click.option("--sockets", default=1000, show_default=True, help="Sockets that hear a broadcast.")
@click.option("--broadcasts", default=20, show_default=True, help="Broadcasts to them.")
@click.option("--peers/--no-peers", default=True, help="Measure Channels 4 as well.")
@click.option("--write", is_flag=True, help="Write the table to docs/benchmarks.md too.")
def main(
    rounds: int, seconds: int, sockets: int, broadcasts: int, peers: bool, write: bool
) -> None:
    """Measure the hop against a bare responder, and broadcasts against Channels 4.

    Needs wrk; Channels 4 is installed into an environment of its own under var/bench.
    """
    if which("wrk") is None:
        raise click.ClickException("wrk is not installed (system package: wrk)")
    logs = Path("var/bench")
    logs.mkdir(parents=True, exist_ok=True)
    peer = _peer_python(logs) if peers else None
    measured = _pages(rounds, seconds, logs)
    measured += _sockets(sockets, broadcasts, seconds, peer, logs)
    table = measures.as_markdown(measured, _ratios(measured, sockets))
    click.echo(table)
    if write:
        Path("docs/benchmarks.md").write_text(table, encoding="utf-8")


def _pages(rounds: int, seconds: int, logs: Path) -> list[Measured]:
    """Bare and hop in turns, so that a busy minute of the machine hits both."""
    works = tuple((count, server) for count in CONNECTIONS for server in (*BARE, OURS))
    rates: dict[tuple[int, str], list[float]] = {work: [] for work in works}
    notes = dict.fromkeys(works, "")
    with (
        tempfile.TemporaryDirectory() as folder,
        processes.bare("ready", logs) as ready,
        processes.bare("rendered", logs) as rendered,
        processes.valkey(Path(folder) / "valkey", logs) as redis_url,
        processes.hop(redis_url, logs) as hop,
    ):
        measures.wait_for_page(hop)
        ports = dict(zip((*BARE, OURS), (ready, rendered, hop), strict=True))
        for number in range(rounds + 1):
            for work in works:
                count, server = work
                length = seconds if number else 1
                rate, bad = measures.pages_per_second(ports[server], "/page", count, length)
                if number:  # the first turn warms up
                    rates[work].append(rate)
                notes[work] = bad or notes[work]
                click.echo(f"page, {count} connections, {server}: {rate:,.0f}/s {bad}", err=True)
    return [
        Measured(_page_work(count), server, "/s", tuple(values), notes[count, server])
        for (count, server), values in rates.items()
    ]


def _page_work(connections: int) -> str:
    return f"page of 1 KB, {connections} connections"


def _sockets(
    sockets: int, times: int, seconds: int, peer: Path | None, logs: Path
) -> list[Measured]:
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        with (
            processes.valkey(Path(folder) / "ours", logs) as redis_url,
            processes.hop(redis_url, logs) as port,
        ):
            measures.wait_for_page(port)
            measured += _on_sockets(OURS, port, sockets, times, seconds)
        if peer is not None:
            with (
                processes.valkey(Path(folder) / "theirs", logs) as redis_url,
                processes.channels4(redis_url, peer, logs) as port,
            ):
                measures.wait_for_page(port)
                measured += _on_sockets(THEIRS, port, sockets, times, seconds)
    return measured


def _on_sockets(server: str, port: int, sockets: int, times: int, seconds: int) -> list[Measured]:
    values, note = measures.broadcasts(port, sockets, times)
    click.echo(f"broadcast, {server}: {median(values):,.1f} ms {note}", err=True)
    rate = measures.echoes(port, 100, seconds)
    click.echo(f"echo, {server}: {rate:,.0f}/s", err=True)
    return [
        Measured(f"broadcast, last of {sockets:,} sockets", server, "ms", values, note),
        Measured("echo over 100 sockets", server, "/s", (rate,)),
    ]


def _ratios(measured: list[Measured], sockets: int) -> list[Ratio]:
    """The first targets of this project, as far as their parts were measured."""
    of = {(one.work.split(" over")[0], one.server): one.median for one in measured}
    ratios = [
        Ratio(
            f"page through the hop / {server}, {count} connections",
            of[_page_work(count), OURS] / of[_page_work(count), server],
            0.3,
        )
        for count in CONNECTIONS
        for server in BARE
    ]
    broadcast = f"broadcast, last of {sockets:,} sockets"
    if (broadcast, THEIRS) in of:
        what = f"broadcast to {sockets:,} sockets / the same on {THEIRS}"
        ratios.append(Ratio(what, of[broadcast, OURS] / of[broadcast, THEIRS], 0.1, at_most=True))
    return ratios


def _peer_python(logs: Path) -> Path:
    """The Python of the peers' environment, which is made when its requirements changed."""
    folder = logs / "channels4"
    python, stamp = folder / "bin" / "python", folder / "requirements.txt"
    wanted = (PEER / "requirements.txt").read_text(encoding="utf-8")
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        click.echo("installing Channels 4 into var/bench/channels4", err=True)
        venv.create(folder, with_pip=True, clear=True)
        install = [python, "-m", "pip", "install", "--quiet", "-r", PEER / "requirements.txt"]
        subprocess.run([*install, "jinja2"], check=True)
        stamp.write_text(wanted, encoding="utf-8")
    return python.absolute()


if __name__ == "__main__":
    sys.exit(main())
