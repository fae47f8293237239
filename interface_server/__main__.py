"""The command `python -m interface_server`: reads settings and runs servers until told to stop.

One process is run by `running.py`, several are kept by `pool.py`.
"""

import resource
from typing import Any

import click
from twisted.logger import STDLibLogObserver, globalLogBeginner

from interface_server.pool import Pool
from interface_server.running import run_server
from interface_server.settings import SectionedCommand, ServerSettings, server_options
from shared.errors import ConfigurationError
from shared.logs import configure_logging
from shared.settings import LayerSettings, LogSettings, layer_options, log_options

_HELP = """Hold the browsers' connections: HTTP/1.1, HTTP/2 and WebSocket on one port.

Requests and sockets' events go to the workers through the channel layer, at the Redis or Valkey
server of --redis-url; replies come back the same way. Mounted folders, /healthz and /readyz are
answered here. Workers may come and go while this server runs.

SIGTERM or SIGINT: no new connections, what runs is finished within --grace, sockets are closed
with 1012. A second signal ends it at once. SIGHUP: the certificates are read again.

With --processes N a parent keeps N servers on the same addresses and replaces one that dies; only
that one's connections end. Bounds such as --max-connections hold for each of them.

Sizes may be written as 65536, 64k or 16m. Every option can be set by its environment variable.
"""


@click.command(name="interface_server", cls=SectionedCommand, help=_HELP)
@server_options
@layer_options
@log_options
def main(server: ServerSettings, layer: LayerSettings, logs: LogSettings) -> None:
    """Run one interface server."""
    configure_logging(logs)
    observer: Any = STDLibLogObserver()
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
    _allow_many_files()
    try:
        if server.processes > 1:
            raise SystemExit(Pool(server, layer, logs, _tell).run())
        run_server(server, layer, logs, _tell)
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error


def _tell(urls: tuple[str, ...], metrics: tuple[str, ...]) -> None:
    for url in urls:
        click.echo(f"interface server listens on {url}")
    for address in metrics:
        click.echo(f"metrics at {address}")


def _allow_many_files() -> None:
    """Each socket is a file: use the whole of what the system allows this process."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    main()
