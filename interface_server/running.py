"""One interface server process from its settings to its end: reactor, service, signals.

Several processes are kept by `pool.py`; the parts are joined in `service.py`.
"""

import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from interface_server import event_loop
from interface_server.listening.opening import OpenSocket, open_all
from interface_server.settings import ServerSettings
from shared.errors import ConfigurationError
from shared.logs import get_logger
from shared.process_memory import collect_seldom, give_memory_back
from shared.settings import LayerSettings, LogSettings

log = get_logger("interface_server")


OnReady = Callable[[tuple[str, ...], tuple[str, ...]], object]
"""Hears the addresses of the site and those of the metrics."""


@dataclass(frozen=True, slots=True)
class PoolPlace:
    """The place of one process among several on the same sockets.

    `index` counts from 0; a successor takes that of the one that died. `life` is a pipe that ends
    with the parent.
    """

    index: int
    life: int
    sockets: Sequence[OpenSocket]


def run_server(
    server: ServerSettings,
    layer: LayerSettings,
    logs: LogSettings,
    on_ready: OnReady,
    place: PoolPlace | None = None,
) -> None:
    """Serve until told to stop; `on_ready` hears the addresses once it listens.

    Raises: ConfigurationError when it cannot start.
    """
    # Before Twisted's endpoints are imported: they take LISTEN_FDS out of the environment.
    sockets = open_all(server, os.environ) if place is None else place.sockets

    event_loop.install()
    from twisted.internet import reactor

    from interface_server.service import Service

    loop: Any = reactor
    try:
        service = Service(loop, server, layer, logs, sockets, 0 if place is None else place.index)
        service.start()
    except ConfigurationError:
        for each in sockets if place is None else ():
            each.close()
        raise
    on_ready(service.urls, (service.metrics_address,) if service.metrics_address else ())
    log.info("started", address=",".join(service.urls), redis=layer.public_url, pid=os.getpid())
    loop.addSystemEventTrigger("before", "shutdown", service.stop)
    if place is None:
        loop.callWhenRunning(_take_signals, loop, service.stack.reload)
    else:
        loop.callWhenRunning(_obey_parent, loop, service.stack.reload, place.life)
    collect_seldom()
    give_memory_back()
    loop.run()
    service.access_log.flush()
    log.info("stopped", pid=os.getpid())


def _take_signals(reactor: Any, reload: Callable[[], None]) -> None:
    """SIGHUP reloads, the first other signal begins an orderly stop, the second ends all."""
    seen: list[int] = []

    def on_signal(number: int, _: FrameType | None) -> None:
        if seen:
            os._exit(128 + number)
        seen.append(number)
        reactor.callFromThread(reactor.stop)

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    _reload_on_hangup(reactor, reload)


def _obey_parent(reactor: Any, reload: Callable[[], None], life: int) -> None:
    """SIGTERM or the parent's end begin an orderly stop; a repeated one is the parent's own affair.

    Whoever ends a whole group of processes tells parent and child, so a child hears it twice.
    """
    seen: list[str] = []

    def stop(reason: str) -> None:
        if not seen:
            seen.append(reason)
            reactor.stop()

    def on_signal(_: int, __: FrameType | None) -> None:
        reactor.callFromThread(stop, "SIGTERM")

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _reload_on_hangup(reactor, reload)

    def orphaned() -> None:
        if not seen:
            log.warning("parent_died")
        stop("orphaned")

    reactor.addReader(_Life(reactor, life, orphaned))


def _reload_on_hangup(reactor: Any, reload: Callable[[], None]) -> None:
    def on_hangup(_: int, __: FrameType | None) -> None:
        reactor.callFromThread(reload)

    signal.signal(signal.SIGHUP, on_hangup)


@implementer(IReadDescriptor)
class _Life:
    """The pipe on which nothing ever comes but its end."""

    def __init__(self, loop: Any, descriptor: int, ended: Callable[[], object]) -> None:
        self._loop = loop
        self._descriptor = descriptor
        self._ended = ended

    def fileno(self) -> int:
        """The pipe's reading end."""
        return self._descriptor

    def doRead(self) -> None:  # noqa: N802  the interface's name
        """It ended, as reactors say that do not see the difference."""
        self._loop.removeReader(self)
        self._ended()

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802
        """It ended."""
        self._ended()

    def logPrefix(self) -> str:  # noqa: N802
        """The name for Twisted's own log."""
        return "life"
