"""The one place where the parts of an interface server are joined, started and stopped.

Holds no rules of HTTP, WebSocket or the layer; each is a part of its own.
"""

import secrets
import sys
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, ensureDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress, IProtocol

from channel_layer.layer import Operation, Outcome, Send
from channel_layer.redis_twisted import TwistedLayer
from interface_server.gateway import Receiver
from interface_server.health import Vitals, health
from interface_server.http1 import HttpFactory
from interface_server.http_messages import parse_head
from interface_server.http_parts import HttpParts
from interface_server.proxies import Peer, address_of
from interface_server.reply_pump import ReplyPump
from interface_server.settings import ServerSettings
from interface_server.static_files import StaticFiles
from interface_server.wires import TcpTransport
from interface_server.ws_handshake import canonical_head, ws_connect
from interface_server.ws_protocol import SocketProtocol, session_limits, socket_factory
from interface_server.ws_socket import Socket
from shared.errors import ConfigurationError
from shared.logs import AccessLog, get_logger
from shared.settings import LayerSettings

REFRESHES_PER_EXPIRY = 3
"""Memberships are told to the layer again so often within the time in which they would expire."""

log = get_logger("interface_server")


class Service:
    """One interface server: the Gateway of its connections.

    `start` listens and connects to the layer, `stop` ends both in order.
    """

    def __init__(self, reactor: Any, settings: ServerSettings, layer: LayerSettings) -> None:
        self.settings = settings
        self.access_log = AccessLog(
            sys.stdout, settings.log_addresses, time.time, partial(reactor.callLater, 0)
        )
        self.static = _static_files(settings)
        self._reactor = reactor
        self._layer_settings = layer
        self._inbox = f"server.response.{secrets.token_hex(8)}!"
        self._clients = 0
        self._request_ids = secrets.token_hex(6)
        self._requests = 0
        self._counters: Counter[str] = Counter()
        self._started_at = reactor.seconds()
        self._is_stopping = False
        self._layer = TwistedLayer(reactor, layer)
        refresh_s = layer.group_expiry_s / REFRESHES_PER_EXPIRY
        self._pump = ReplyPump(reactor, self._layer, self._inbox, self.count, refresh_s)
        self._http = HttpParts(self, reactor)
        self._socket_factory = socket_factory(reactor, settings)
        self._limits = session_limits(settings)
        self._sockets: set[Socket] = set()
        self._sockets_gone: Deferred[None] | None = None
        self._port: Any = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port on which it listens."""
        host = self._port.getHost()
        return host.host, host.port

    def start(self) -> None:
        """Listen, and begin to reach for the layer; requests wait until it is there.

        Raises: ConfigurationError when the port cannot be listened on.
        """
        settings = self.settings
        try:
            self._port = self._reactor.listenTCP(
                settings.port, HttpFactory(self._http), settings.backlog, settings.host
            )
        except CannotListenError as error:
            raise ConfigurationError(
                f"cannot listen on {settings.host}:{settings.port}: {error.socketError}"
            ) from error
        # It fails only when the layer is closed before it was ever up, which its own log tells.
        self._layer.start().addErrback(lambda _: None)
        self._pump.start()

    def stop(self) -> Deferred[None]:
        """End in order; fires when all is over, after `grace_s` at the latest."""
        return ensureDeferred(self._stop())

    async def _stop(self) -> None:
        if self._is_stopping:
            return
        self._is_stopping = True
        log.info("stopping", grace_s=self.settings.grace_s, sockets=len(self._sockets))
        await self._port.stopListening()
        ended: list[Deferred[Any]] = [self._http.drain(), self._drain_sockets()]
        grace = self._reactor.callLater(self.settings.grace_s, _cancel_all, ended)
        await DeferredList(ended, consumeErrors=True)
        if grace.active():
            grace.cancel()
        else:
            log.warning("grace_over", exchanges=self._exchanges, sockets=len(self._sockets))
        self._http.abort_all()
        self._pump.stop()
        await self._layer.close()

    def _drain_sockets(self) -> Deferred[None]:
        gone: Deferred[None] = Deferred()
        self._sockets_gone = gone
        for socket in tuple(self._sockets):
            socket.stop()
        self._check_sockets_gone()
        return gone

    def _check_sockets_gone(self) -> None:
        gone = self._sockets_gone
        if gone is not None and not self._sockets and not gone.called:
            gone.callback(None)

    # The Gateway

    def new_reply_channel(self) -> str:
        """An unused reply channel of this process."""
        self._clients += 1
        return f"{self._inbox}{self._clients:x}"

    def register(self, channel: str, receiver: Receiver) -> None:
        """Let `receiver` hear what comes for `channel`."""
        self._pump.register(channel, receiver)

    def unregister(self, channel: str) -> None:
        """Stop that; the channel leaves its groups."""
        self._pump.unregister(channel)

    def perform(self, operation: Operation) -> Deferred[Outcome]:
        """One step of the channel layer."""
        return self._layer.perform(operation)

    def perform_chain(self, sends: Sequence[Send]) -> Deferred[Outcome]:
        """Several sends to one list as a whole or not at all."""
        return self._layer.perform_chain(sends)

    def new_request_id(self) -> str:
        """An unused name for a request: random for this process, then a number."""
        self._requests += 1
        return f"{self._request_ids}{self._requests:x}"

    def wall_clock(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def upgraded(
        self, transport: TcpTransport, head: bytes, rest: bytes, peer: IAddress
    ) -> IProtocol:
        """Take over a transport on which a checked WebSocket handshake arrived."""
        parsed = parse_head(head, self.settings.max_headers)
        seen = Peer(address_of(peer), address_of(transport.getHost()))
        connect = ws_connect(
            parsed,
            self._http.proxies.peer(seen, parsed.headers),
            self.new_reply_channel(),
            self.settings.root_path,
        )
        protocol = SocketProtocol(
            self._reactor, self._socket_factory, self, connect, self._limits, self._socket_ended
        )
        self._sockets.add(protocol.socket)
        protocol.makeConnection(transport)
        protocol.dataReceived(canonical_head(parsed))
        if rest:
            protocol.dataReceived(rest)
        if self._is_stopping:
            protocol.socket.stop()
        result: IProtocol = protocol
        return result

    def health(self) -> tuple[int, bytes]:
        """What `/healthz` answers."""
        vitals = Vitals(
            layer_up=self._layer.is_up,
            layer_buffered_bytes=self._layer.buffered_bytes,
            connections=self._http.connection_count,
            exchanges=self._exchanges,
            sockets=len(self._sockets),
            groups=self._pump.groups,
            uptime_s=self._reactor.seconds() - self._started_at,
            counters=dict(self._counters),
        )
        return health(vitals, self._is_stopping)

    def count(self, what: str) -> None:
        """Raise the counter `what` by one."""
        self._counters[what] += 1

    @property
    def _exchanges(self) -> int:
        return max(0, self._pump.receivers - len(self._sockets))

    def _socket_ended(self, socket: Socket) -> None:
        self._sockets.discard(socket)
        self._check_sockets_gone()


def _static_files(settings: ServerSettings) -> StaticFiles | None:
    if not settings.static and not settings.media:
        return None
    return StaticFiles(settings.static, settings.media)


def _cancel_all(waiting: list[Deferred[Any]]) -> None:
    for deferred in waiting:
        deferred.cancel()
