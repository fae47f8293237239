"""The command `python -m interface_server`: reads settings and runs one server until told to stop.

The parts are joined in `service.py`, the settings explained in `settings.py`.
"""

import os
import resource
import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

import click
from twisted.logger import STDLibLogObserver, globalLogBeginner

from interface_server.settings import SectionedCommand, ServerSettings, server_options
from shared.errors import ConfigurationError
from shared.logs import configure_logging, get_logger
from shared.process_memory import collect_seldom, give_memory_back
from shared.settings import LayerSettings, LogSettings, layer_options, log_options

_HELP = """Hold the browsers' connections: HTTP/1.1 and WebSocket on one port.

Requests and sockets' events go to the workers through the channel layer, at the Redis or Valkey
server of --redis-url; replies come back the same way. Mounted folders, /healthz and /readyz are
answered here. Workers may come and go while this server runs.

SIGTERM or SIGINT: no new connections, what runs is finished within --grace, sockets are closed
with 1012. A second signal ends it at once. SIGHUP: the certificates are read again.

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
    from twisted.internet import reactor

    _run(reactor, server, layer, logs)


def _run(reactor: Any, server: ServerSettings, layer: LayerSettings, logs: LogSettings) -> None:
    from interface_server.service import Service

    try:
        service = Service(reactor, server, layer, logs)
        service.start()
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from error
    for url in service.urls:
        click.echo(f"interface server listens on {url}")
    if service.metrics_address:
        click.echo(f"metrics at {service.metrics_address}")
    log = get_logger("interface_server")
    log.info("started", address=",".join(service.urls), redis=layer.public_url, pid=os.getpid())
    reactor.addSystemEventTrigger("before", "shutdown", service.stop)
    reactor.callWhenRunning(_take_signals, reactor, service.stack.reload)
    collect_seldom()
    give_memory_back()
    reactor.run()
    service.access_log.flush()
    log.info("stopped")


def _take_signals(reactor: Any, reload: Callable[[], None]) -> None:
    """SIGHUP reloads, the first other signal begins an orderly stop, the second ends all."""
    seen: list[int] = []

    def on_signal(number: int, _: FrameType | None) -> None:
        if seen:
            os._exit(128 + number)
        seen.append(number)
        reactor.callFromThread(reactor.stop)

    def on_hangup(number: int, _: FrameType | None) -> None:
        reactor.callFromThread(reload)

    signal.signal(signal.SIGHUP, on_hangup)
    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)


def _allow_many_files() -> None:
    """Each socket is a file: use the whole of what the system allows this process."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    main()
