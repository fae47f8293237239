"""The one place where the parts of an interface server are joined, started and stopped.

Holds no rules of HTTP, WebSocket or the layer; each is a part of its own.
"""

import secrets
import sys
import time
from collections.abc import Sequence
from functools import partial
from random import SystemRandom
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred, DeferredList, ensureDeferred
from twisted.internet.interfaces import IProtocol
from twisted.python.failure import Failure

from channel_layer.redis_twisted import TwistedLayer
from interface_server.coalescing import Coalescer
from interface_server.draining import Crowd
from interface_server.health import unready_reason
from interface_server.http_messages import parse_head
from interface_server.http_parts import HttpParts
from interface_server.listening.listeners import Listeners
from interface_server.listening.opening import OpenSocket
from interface_server.listening.stack import Stack
from interface_server.proxies import Peer
from interface_server.reply_pump import ReplyPump
from interface_server.seeing.figures import Figures
from interface_server.seeing.opening import metrics_listener
from interface_server.seeing.vitals import Vitals
from interface_server.settings import ServerSettings
from interface_server.static_files import StaticFiles
from interface_server.wires import Call, TcpTransport
from interface_server.ws_autobahn import socket_factory
from interface_server.ws_deflate import NO_DEFLATE, agreed_window
from interface_server.ws_handshake import canonical_head, ws_connect
from interface_server.ws_protocol import socket_class
from interface_server.ws_socket import session_limits
from shared.access_log import AccessLog
from shared.errors import LayerError
from shared.logs import get_logger
from shared.settings import LayerSettings, LogSettings

REFRESHES_PER_EXPIRY = 3
"""Memberships are told to the layer again so often within the time in which they would expire."""

HEARTBEAT_S = 2.0
"""How often the layer hears that this process lives; it counts as dead after four times that."""

LAST_WORDS_S = 1.0
"""The end of the grace, half of it at most: for the 503s of requests that are still unanswered."""

RETIRE_TIMEOUT_S = 2.0
"""How long a stop waits for the layer to forget this process; a reaper does so otherwise."""

log = get_logger("interface_server")


class Service:
    """One interface server: the Gateway of its connections.

    `start` listens and connects to the layer, `stop` ends both in order. Where several processes
    share `sockets`, `index` is this one's place among them.
    """

    def __init__(
        self,
        reactor: Any,
        settings: ServerSettings,
        layer: LayerSettings,
        logs: LogSettings | None = None,
        sockets: Sequence[OpenSocket] | None = None,
        index: int = 0,
    ) -> None:
        self.settings = settings
        self.access_log = AccessLog(
            sys.stdout if settings.access_log else None,
            settings.log_addresses,
            time.time,
            partial(reactor.callLater, 0),
            as_json=logs is not None and logs.json,
        )
        self.static = _static_files(settings)
        self.figures = Figures()
        self._reactor = reactor
        self._inbox = f"server.response.{secrets.token_hex(8)}!"
        self._clients = 0
        self._request_ids = secrets.token_hex(6)
        self._requests = 0
        self._started_at = reactor.seconds()
        self._is_stopping = False
        self._layer = TwistedLayer(reactor, layer)
        refresh_s = layer.group_expiry_s / REFRESHES_PER_EXPIRY
        self.coalescer = Coalescer()
        self._pump = ReplyPump(
            reactor, self._layer, self._inbox, self.count, refresh_s, self.coalescer
        )
        self._crowd = Crowd(reactor, settings.drain_rate, settings.grace_s / 2, SystemRandom())
        # The rest of the Gateway: methods of our own would cost each request five more calls.
        self.register, self.unregister = self._pump.register, self._pump.unregister
        self.perform, self.submit = self._layer.perform, self._layer.submit
        self.perform_together = self._layer.perform_together
        self.hold, self.let_go = self._crowd.hold, self._crowd.let_go
        self.wall_clock = time.time
        self._http = HttpParts(self, reactor)
        self._socket_factory = socket_factory(reactor, settings)
        self._socket_class = socket_class(self._socket_factory)
        self._limits = session_limits(settings)
        self.stack = Stack(self._http)
        self._listeners = Listeners(reactor, settings, self.stack, sockets)
        self._metrics = metrics_listener(
            reactor, settings.metrics, self.figures, self.vitals, index
        )
        self._heartbeat: Call | None = None

    @property
    def urls(self) -> tuple[str, ...]:
        """Where it listens, as a person would open it."""
        return self._listeners.urls

    @property
    def metrics_address(self) -> str:
        """Where the metrics are; empty where they are off."""
        return self._metrics.address

    def start(self) -> None:
        """Listen, and begin to reach for the layer; requests wait until it is there.

        Raises: ConfigurationError when an address cannot be listened on.
        """
        self._listeners.start()
        self._metrics.start()
        # It fails only when the layer is closed before it was ever up, which its own log tells.
        self._layer.start().addErrback(lambda _: None)
        self._pump.start()
        self._beat()

    def stop(self) -> Deferred[None]:
        """End in order; fires when all is over, after `grace_s` at the latest."""
        return ensureDeferred(self._stop())

    async def _stop(self) -> None:
        if self._is_stopping:
            return
        self._is_stopping = True
        log.info("stopping", grace_s=self.settings.grace_s, sockets=self._crowd.sockets)
        await self._listeners.stop()
        ended: list[Deferred[Any]] = [self._http.drain(), *self._crowd.drain()]
        last_words_s = min(LAST_WORDS_S, self.settings.grace_s / 2)
        waits_s = self.settings.grace_s - last_words_s
        grace = self._reactor.callLater(waits_s, _cancel_all, ended)
        await DeferredList(ended, consumeErrors=True)
        if grace.active():
            grace.cancel()
        else:
            log.warning("grace_over", exchanges=self._exchanges, sockets=self._crowd.sockets)
            words = self._http.refuse_waiting().addTimeout(last_words_s, self._reactor)
            await DeferredList([words], consumeErrors=True)
        self._http.abort_all()
        self._pump.stop()
        await self._retire()
        await self._layer.close()
        await self._metrics.stop()

    async def _retire(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            self._heartbeat = None
        retired = self._layer.retire(self._inbox)
        try:
            await retired.addTimeout(RETIRE_TIMEOUT_S, self._reactor)
        except defer.TimeoutError:
            cause = f"no answer in {RETIRE_TIMEOUT_S:g} s"
            log.warning("not_retired", cause=cause, left_to="a reaper")
        except LayerError as error:
            log.warning("not_retired", cause=str(error), left_to="a reaper")

    def _beat(self) -> None:
        """Say that this process lives, and say so again."""
        if self._layer.is_up:
            self._layer.heartbeat(self._inbox).addErrback(_not_heard)
        self._heartbeat = self._reactor.callLater(HEARTBEAT_S, self._beat)

    # The Gateway

    @property
    def epoch(self) -> str:
        """The layer's epoch as far as this process knows."""
        return self._pump.epoch

    def new_reply_channel(self) -> str:
        """An unused reply channel of this process."""
        self._clients += 1
        return f"{self._inbox}{self._clients:x}"

    def new_request_id(self) -> str:
        """An unused name for a request: random for this process, then a number."""
        self._requests += 1
        return f"{self._request_ids}{self._requests:x}"

    def upgraded(self, transport: TcpTransport, head: bytes, rest: bytes, seen: Peer) -> IProtocol:
        """Take over a transport on which a checked WebSocket handshake arrived."""
        parsed = parse_head(head, self.settings.max_headers)
        connect = ws_connect(
            parsed,
            self._http.proxies.peer(seen, parsed.headers),
            self.new_reply_channel(),
            self.settings.root_path,
            self.new_request_id(),
        )
        protocol = self._socket_class(
            *(self._reactor, self._socket_factory, self, connect, self._limits),
            self._crowd.remove_socket,
            agreed_window(parsed) if self.settings.websocket_deflate else NO_DEFLATE,
        )
        self._crowd.add_socket(protocol.socket)
        self.figures.connections["websocket"] += 1
        protocol.makeConnection(transport)
        protocol.dataReceived(canonical_head(parsed))
        if rest:
            protocol.dataReceived(rest)
        if self._is_stopping:
            protocol.socket.stop()
        result: IProtocol = protocol
        return result

    def unready_reason(self) -> str | None:
        """Why new work should go elsewhere now; None while this process is ready for it."""
        return unready_reason(self._layer.is_up, self._is_stopping)

    def vitals(self) -> Vitals:
        """The figures of this moment."""
        return Vitals(
            unready_reason=self.unready_reason(),
            layer_up=self._layer.is_up,
            layer_buffered_bytes=self._layer.buffered_bytes,
            layer_operations=self._layer.operations,
            layer_reconnects=self._layer.reconnects,
            layer_times=self._layer.call_times,
            connections=self._http.connection_count,
            exchanges=self._exchanges,
            held=self._crowd.held,
            sockets=self._crowd.sockets,
            groups=self._pump.groups,
            members=self._pump.members,
            broadcasts=self._pump.broadcasts,
            deliveries=self._pump.deliveries,
            bodies_bytes=self._http.budget.held_bytes,
            uptime_s=self._reactor.seconds() - self._started_at,
        )

    def count(self, what: str) -> None:
        """Raise the counter `what` by one."""
        self.figures.counters[what] += 1

    @property
    def _exchanges(self) -> int:
        return max(0, self._pump.receivers - self._crowd.sockets - self._crowd.held)


def _static_files(settings: ServerSettings) -> StaticFiles | None:
    files = StaticFiles(settings.static, settings.media, settings.immutable_names)
    return files if settings.static or settings.media else None


def _not_heard(failure: Failure) -> None:
    if not isinstance(failure.value, LayerError):
        log.error("heartbeat_failed", traceback=failure.getTraceback())


def _cancel_all(waiting: list[Deferred[Any]]) -> None:
    for deferred in waiting:
        deferred.cancel()
