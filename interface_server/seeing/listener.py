"""The metrics listener: `/metrics` for Prometheus, and health with figures, on a port of its own.

It is for the operator's network; nothing of it is on the public port. Twisted's own web server
speaks HTTP here, since nobody who is not trusted is to reach it.
"""

import contextlib
import json
import os
from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from twisted.internet.defer import Deferred, succeed
from twisted.web.resource import Resource
from twisted.web.server import Site

from interface_server.health import LIVE_PATH, READY_PATH, health
from interface_server.seeing.exposition import server_collector
from interface_server.seeing.figures import Figures
from interface_server.seeing.vitals import Vitals
from interface_server.wires import Call, Clock
from shared.addresses import TcpPlace, UnixPlace
from shared.metric_families import METRICS_PATH, metrics_page
from shared.opening import open_tcp, open_unix, url_of

_Site: Any = Site
_Resource: Any = Resource
"""Twisted's web server has no types that mypy could check."""

BACKLOG = 64
SOCKET_MODE = 0o660
"""Who may read figures through a UNIX socket: the user and the group."""

LAG_TICK_S = 0.25
"""How often the reactor's lateness is measured while this listener is open."""


class MetricsListener:
    """Listens at `place` and says what `figures` and `vitals` hold."""

    def __init__(
        self,
        reactor: Any,
        place: TcpPlace | UnixPlace,
        figures: Figures,
        vitals: Callable[[], Vitals],
    ) -> None:
        self._reactor = reactor
        self._place = place
        self._lag = LoopLag(reactor, figures)
        self._site = _Quiet(_pages(figures, vitals), reactor=reactor)
        self._site.displayTracebacks = False
        self._port: Any = None
        self._address = ""

    @property
    def address(self) -> str:
        """Where it listens, as a person would write it."""
        return self._address

    def start(self) -> None:
        """Listen. Raises: ConfigurationError when the address cannot be had."""
        place = self._place
        if isinstance(place, UnixPlace):
            opened = open_unix(place.path, SOCKET_MODE, BACKLOG)
        else:
            opened = open_tcp(place.host, place.port or 0, BACKLOG, flags="--metrics")
        with opened:
            self._address = url_of(opened, "http").rstrip("/") + METRICS_PATH
            self._port = self._reactor.adoptStreamPort(opened.fileno(), opened.family, self._site)
        self._lag.start()

    def stop(self) -> Deferred[Any]:
        """Take no new connection; fires when the place is closed."""
        self._lag.stop()
        if isinstance(self._place, UnixPlace) and self._port is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._place.path)
        port, self._port = self._port, None
        return succeed(None) if port is None else port.stopListening()


class LoopLag:
    """Measures how late the reactor is for a call that is due every `LAG_TICK_S`."""

    def __init__(self, clock: Clock, figures: Figures) -> None:
        self._clock = clock
        self._figures = figures
        self._due = 0.0
        self._call: Call | None = None

    def start(self) -> None:
        """Begin."""
        self._due = self._clock.seconds() + LAG_TICK_S
        self._call = self._clock.callLater(LAG_TICK_S, self._tick)

    def stop(self) -> None:
        """End."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _tick(self) -> None:
        self._figures.loop_lag.add(self._clock.seconds() - self._due)
        self.start()


class _Quiet(_Site):  # type: ignore[misc]  # its base is untyped on purpose
    noisy = False


class _Page(_Resource):  # type: ignore[misc]
    """A page that is made when it is asked for: status, content type and content."""

    isLeaf = True  # noqa: N815  the interface's name

    def __init__(self, make: Callable[[str], tuple[int, str, bytes]]) -> None:
        super().__init__()
        self._make = make

    def render_GET(self, request: Any) -> bytes:  # noqa: N802
        """Give it; twisted.web leaves the content out for HEAD."""
        status, kind, content = self._make(request.getHeader("accept") or "")
        request.setResponseCode(status)
        request.setHeader("content-type", kind)
        request.setHeader("cache-control", "no-store")
        return content


def _pages(figures: Figures, vitals: Callable[[], Vitals]) -> Any:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(server_collector(figures, vitals))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)

    def metrics(accept: str) -> tuple[int, str, bytes]:
        kind, text = metrics_page(registry, accept)
        return 200, kind, text

    def live(_: str) -> tuple[int, str, bytes]:
        return 200, "application/json", json.dumps(vitals().as_json(figures.counters)).encode()

    def ready(_: str) -> tuple[int, str, bytes]:
        status, content = health(vitals().unready_reason)
        return status, "application/json", content

    root = _Resource()
    for path, make in ((METRICS_PATH, metrics), (LIVE_PATH, live), (READY_PATH, ready)):
        root.putChild(path[1:].encode("ascii"), _Page(make))
    return root
