"""The command `python -m workers`: flags and environment to a running pool.

It decides nothing; the pool is `supervisor.py`.
"""

import os
import sys

import click

from shared.addresses import TcpPlace, UnixPlace, port_place
from shared.errors import ConfigurationError
from shared.logs import configure_logging
from shared.settings import (
    FiniteRange,
    LayerSettings,
    LogSettings,
    layer_options,
    log_options,
)
from workers.child import ChildSettings
from workers.pool_settings import PoolSettings
from workers.supervisor import Supervisor


@click.command(
    context_settings={
        "auto_envvar_prefix": "WORKERS",
        "show_default": True,
        "max_content_width": 100,
    },
    epilog="Signals: TERM or INT finishes what is in hand and gives the rest back; a second one "
    "stops hard. HUP replaces the processes one by one, which loads changed code. "
    "Every option can also be set in the environment, as in WORKERS_PROCESSES=4.",
)
@click.option(
    "--app",
    required=True,
    metavar="MODULE:CALLABLE",
    help="The callable that builds the application's App, as in board.app:build. It is called "
    "once in every process.",
)
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=lambda: os.cpu_count() or 1,
    show_default="one for each core",
    help="Worker processes. More of them use more cores.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 64),
    default=1,
    help="Threads in each process. More of them help handlers that wait for a database.",
)
@click.option(
    "--only-channels",
    multiple=True,
    metavar="GLOB",
    help="Consume only channels that fit, as in 'websocket.*'. May be given several times (in the "
    "variable: separated by blanks).",
)
@click.option(
    "--exclude-channels",
    multiple=True,
    metavar="GLOB",
    help="Leave channels that fit to other workers. May be given several times.",
)
@click.option(
    "--batch",
    type=click.IntRange(1, 1000),
    default=32,
    help="Most messages that a worker takes at once.",
)
@click.option(
    "--batch-budget-ms",
    type=FiniteRange(min=0),
    default=5.0,
    help="Milliseconds of handling after which a worker sends what it has done so far. A worker "
    "that needs longer for one message gives those behind it to others.",
)
@click.option(
    "--lease-time",
    type=FiniteRange(min=1),
    default=10.0,
    help="Seconds of silence after which a worker counts as dead and its messages go to others. "
    "The death of a process of one's own is noticed at once. Use one value for a whole site.",
)
@click.option(
    "--attempt-limit",
    type=click.IntRange(min=1),
    default=5,
    help="Workers that a message may kill before it is given up.",
)
@click.option(
    "--start-time",
    type=FiniteRange(min=1),
    default=30.0,
    help="Seconds that building the application may take before the process is killed.",
)
@click.option(
    "--grace",
    type=FiniteRange(min=0),
    default=30.0,
    help="Seconds that handlers may take to end at a stop before the processes are killed.",
)
@click.option(
    "--stuck-time",
    type=FiniteRange(min=10),
    default=60.0,
    help="Seconds without a sign of life after which a process of this pool is killed.",
)
@click.option(
    "--metrics",
    metavar="[HOST:]PORT|unix:PATH",
    callback=lambda _context, _option, value: None if value is None else port_place(value),
    help="Serve /metrics for Prometheus there, on the loopback without a host. For your own "
    "network only. Off by default.",
)
@click.option("--debug", is_flag=True, help="Show tracebacks in the browser. Never in public.")
@click.option("--reload", is_flag=True, help="Replace the processes when a source file changes.")
@layer_options
@log_options
def main(
    app: str,
    processes: int,
    threads: int,
    only_channels: tuple[str, ...],
    exclude_channels: tuple[str, ...],
    batch: int,
    batch_budget_ms: float,
    lease_time: float,
    attempt_limit: int,
    start_time: float,
    grace: float,
    stuck_time: float,
    metrics: TcpPlace | UnixPlace | None,
    debug: bool,
    reload: bool,
    layer: LayerSettings,
    logs: LogSettings,
) -> None:
    """Run workers: the processes that handle requests, sockets and jobs.

    \b
    Workers take messages from the channel layer, call the application's handlers and
    send back what these want done. They can be started, stopped, killed and multiplied
    at any time, on any number of machines:
    \b
        python -m workers --app board.app:build
        python -m workers --app board.app:build --only-channels board.picture
    """
    configure_logging(logs)
    settings = ChildSettings(
        app,
        layer,
        threads,
        only_channels,
        exclude_channels,
        batch,
        batch_budget_ms / 1000,
        lease_time,
        debug,
    )
    pool = PoolSettings(processes, start_time, grace, stuck_time, attempt_limit, reload, metrics)
    try:
        sys.exit(Supervisor(pool, settings).run())
    except ConfigurationError as error:
        raise click.ClickException(f"--metrics: {error}") from error


if __name__ == "__main__":
    main()
