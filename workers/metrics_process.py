"""The process behind `--metrics`: it reads the pool's board and asks the broker, once a scrape.

A process of its own, so that neither the supervisor nor a worker ever waits for whoever scrapes.
Python's own web server speaks HTTP here, one request at a time: nobody who is not trusted is to
reach it.
"""

import contextlib
import os
import select
import signal
import socket
from collections.abc import Callable, Iterable
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer

from prometheus_client import CollectorRegistry

from channel_layer.redis_blocking import RedisLayer
from shared.addresses import TcpPlace, UnixPlace
from shared.errors import ConfigurationError, LayerError
from shared.logs import get_logger
from shared.metric_families import METRICS_PATH, metrics_page
from shared.opening import open_tcp, open_unix, url_of
from shared.processes import described, forked, send_signal
from shared.settings import LayerSettings
from workers.exposition import Lists, pool_collector
from workers.figure_board import FigureBoard
from workers.pool_figures import PoolFigures, pool_now

_BACKLOG = 64
_SOCKET_MODE = 0o660
"""Who may read figures through a UNIX socket: the user and the group."""

_SCRAPE_S = 5.0
"""How long one who scrapes may take over a request; others wait behind it."""

_BROKER_S = 2.0
_MOST_LISTS = 200
"""Channels whose lists are asked for at a scrape."""

log = get_logger("workers.metrics")


class MetricsProcess:
    """One such process at a time, at `place`; for None there is none."""

    def __init__(
        self, place: TcpPlace | UnixPlace | None, layer: LayerSettings, figures: PoolFigures
    ) -> None:
        self.is_wanted = place is not None
        self._place = place
        self._layer = layer
        self._board = figures.board
        self._pid: int | None = None
        self._listening: socket.socket | None = None

    @property
    def ends(self) -> tuple[int, ...]:
        """The descriptors that no other process may keep open."""
        return () if self._listening is None else (self._listening.fileno(),)

    def open(self) -> None:
        """Listen. Raises: ConfigurationError when the address cannot be had."""
        if isinstance(self._place, UnixPlace):
            self._listening = open_unix(self._place.path, _SOCKET_MODE, _BACKLOG)
        elif self._place is not None:
            self._listening = open_tcp(
                self._place.host, self._place.port or 0, _BACKLOG, flags="--metrics"
            )
        if self._listening is not None:
            address = url_of(self._listening, "http").rstrip("/") + METRICS_PATH
            log.info("metrics_at", address=address)

    def start(self, life: int, close: Iterable[int]) -> None:
        """Start the process, which ends with the pipe `life`; `close` are ends of others."""
        if self._listening is not None:
            own = self._listening
            kept = [one for one in close if one != own.fileno()]
            self._pid = forked(partial(_serve, own, self._layer, self._board, life), kept)

    def has_died(self, pid: int, status: int) -> bool:
        """Whether the process `pid`, which ended so, was this one."""
        if pid != self._pid:
            return False
        log.error("metrics_process_died", how=described(status))
        self._pid = None
        return True

    def end(self) -> None:
        """End it and listen no more."""
        if self._pid is not None:
            send_signal(self._pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._pid, 0)
            self._pid = None
        if self._listening is not None:
            self._listening.close()
            if isinstance(self._place, UnixPlace):
                with contextlib.suppress(OSError):
                    os.unlink(self._place.path)


def _serve(listening: socket.socket, layer: LayerSettings, board: FigureBoard, life: int) -> int:
    """Answer until the supervisor's pipe ends; gives the exit status."""
    broker = RedisLayer(layer, answer_s=_BROKER_S)
    registry = CollectorRegistry(auto_describe=False)

    def lists() -> Lists:
        return _asked(broker, pool_now(board).channels)

    registry.register(pool_collector(lambda: pool_now(board), lists))
    server = HTTPServer(("", 0), _handler(partial(metrics_page, registry)), False)
    server.socket.close()
    server.socket = listening
    while True:
        readable = select.select([listening.fileno(), life], [], [])[0]
        if life in readable:
            return 0
        server.handle_request()


def _asked(broker: RedisLayer, channels: tuple[str, ...]) -> Lists:
    """What the broker says of the lists; nothing when it is away."""
    try:
        told = {name: broker.channel_statistics(name) for name in channels[:_MOST_LISTS]}
        dead = broker.count_dead_letters()
    except (LayerError, ConfigurationError) as error:
        log.debug("layer_away", reason=str(error))
        return Lists()
    waiting = {name: one["messages_pending"] for name, one in told.items()}
    return Lists(True, waiting, {name: one["messages_max_age"] for name, one in told.items()}, dead)


def _handler(page: Callable[[str], tuple[str, bytes]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _SCRAPE_S

        def do_GET(self) -> None:
            if self.path.partition("?")[0] != METRICS_PATH:
                self.send_error(404)
                return
            kind, content = page(self.headers.get("accept", ""))
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: who scrapes is no news."""

    return Handler
