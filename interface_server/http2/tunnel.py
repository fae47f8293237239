"""A WebSocket on one stream of an HTTP/2 connection: a transport for the protocol of sockets.

Turns that protocol's HTTP/1.1 answer into a head of HTTP/2 and counts windows; its bytes are not
looked at. Source: RFC 8441.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IAddress
from twisted.python.failure import Failure

from interface_server.http2.frames import MAX_FRAME
from interface_server.http2.heads import StreamRequest, response_fields
from interface_server.http2.outgoing import StreamOutput
from interface_server.http2.stream import CANCEL, Deadline, StreamOwner
from interface_server.http_messages import END_OF_HEAD, RequestRefused
from interface_server.proxies import Peer
from interface_server.wires import TcpTransport
from interface_server.ws_handshake import check_handshake

MAX_WAITING = 64 * 1024
"""Bytes on their way out past which a producer is asked to pause; ours."""


class Tunnel:
    """A stream as the connection sees it, and a transport as the socket's protocol does.

    `is_receiving` says whether the client may send still; `awaited` is None, since sockets say
    themselves what they await.
    """

    awaited = None

    def __init__(self, owner: StreamOwner, stream_id: int, wire: TcpTransport) -> None:
        self._owner = owner
        self._clock = owner.parts.clock
        self._settings = owner.parts.gateway.settings
        self._peer, self._host = wire.getPeer(), wire.getHost()
        self._producer: Any = None
        self._is_streaming = False
        self._head: bytes | None = b""
        self._early: deque[tuple[bytes, int]] = deque()
        self._is_paused = False
        self._is_lost = False
        self._unopened = 0
        self.protocol: Any = None
        self.path = self.request_id = "-"
        self.is_receiving = True
        self.output = StreamOutput(stream_id)
        self.output.on_empty = self._emptied

    def start(self, request: StreamRequest, seen: Peer) -> None:
        """Hand the handshake over. Raises: RequestRefused."""
        parts, head = self._owner.parts, request.head
        peer = parts.proxies.peer(seen, head.headers)
        if head.is_for_https and peer.scheme != "https":
            raise RequestRefused(421, "an https address on a connection without TLS")
        check_handshake(head, peer, self._settings.websocket_origins)
        if b"\x85" in request.raw:  # a line end to Autobahn, which reads it as text
            raise RequestRefused(400, "a byte in the head that is no part of a handshake")
        self.path = head.path
        self.protocol = parts.gateway.upgraded(self, request.raw, b"", seen)

    @property
    def is_with_workers(self) -> bool:
        """Whether workers have the socket, or will: also when its client left it."""
        return self.protocol is not None and self.protocol.socket.is_with_workers

    # What the connection says

    def content(self, content: bytes, size: int) -> None:
        """Bytes came."""
        if self._is_paused and content:
            self._keep(content, size)
            return
        self._unopened += size
        if content and not self._is_lost:
            self.protocol.dataReceived(content)
        if self._unopened >= self._settings.http2_window // 4 and not self._is_paused:
            size, self._unopened = self._unopened, 0
            self._owner.open_window(self.output.stream_id, size)

    def ended(self) -> None:
        """The client's side is over, which ends a WebSocket."""
        self.is_receiving = False
        if self._head is not None:  # no head was sent that content could end behind
            self._owner.reset(self.output.stream_id, CANCEL, "http.h2_socket_cut")
        elif not self._early:
            self._finish()

    def give_up(self) -> None:
        """The stream is over, whoever ended it."""
        self.output.on_empty = None
        if self.output.is_complete:
            self._lose(ConnectionDone())
        else:
            self._lose(ConnectionLost())

    def refuse_waiting(self) -> None:
        """Sockets are ended by others."""

    def deadlines(self) -> Iterator[Deadline]:
        """What is waited for now, with its end."""
        if self.output.blocked_since is not None:
            yield self.output.blocked_since + self._settings.stall_timeout_s, self.abortConnection

    # The transport

    def write(self, data: bytes) -> None:
        """Send bytes; the first are the answer to the handshake."""
        if self._is_lost or self.output.is_over:
            return
        if self._head is not None:
            self._head += data
            head, end, data = self._head.partition(END_OF_HEAD)
            if not end:
                return
            self._head = None
            status, fields = response_fields(head)
            self.output.head(((b":status", b"%d" % status), *fields))
        self.output.put(data)
        self._owner.want(self.output)
        if self._is_streaming and self.output.held_bytes > MAX_WAITING:
            self._producer.pauseProducing()

    def loseConnection(self) -> None:  # noqa: N802  the interface's name
        """End once everything is sent."""
        self.output.end()
        self._owner.want(self.output)

    loseWriteConnection = loseConnection  # noqa: N815

    def abortConnection(self) -> None:  # noqa: N802
        """End now."""
        self._owner.reset(self.output.stream_id, CANCEL, "http.h2_socket_cut")

    def pauseProducing(self) -> None:  # noqa: N802
        """Give the protocol nothing; the client's window closes."""
        self._is_paused = True

    def resumeProducing(self) -> None:  # noqa: N802
        """Give it what came meanwhile, and go on."""
        self._is_paused = False
        while self._early and not self._is_paused:
            self.content(*self._early.popleft())
        if not self.is_receiving and not self._early:
            self._finish()

    def registerProducer(self, producer: Any, streaming: bool) -> None:  # noqa: N802
        """Tell `producer` when the client takes more."""
        self._producer, self._is_streaming = producer, streaming
        if not streaming and self.output.is_empty:
            producer.resumeProducing()

    def unregisterProducer(self) -> None:  # noqa: N802
        """Stop that."""
        self._producer, self._is_streaming = None, False

    def writeSequence(self, pieces: list[bytes]) -> None:  # noqa: N802
        """Send all of them."""
        self.write(b"".join(pieces))

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802
        """The connection's own business."""

    def setTcpKeepAlive(self, enabled: bool) -> None:  # noqa: N802
        """The same."""

    def getPeer(self) -> IAddress:  # noqa: N802
        """The other end."""
        return self._peer

    def getHost(self) -> IAddress:  # noqa: N802
        """This end."""
        return self._host

    def _keep(self, content: bytes, size: int) -> None:
        """Hold bytes for later, small pieces in one: each would cost a hundred bytes more."""
        if self._early and len(self._early[-1][0]) + len(content) <= MAX_FRAME:
            last, last_size = self._early.pop()
            content, size = last + content, last_size + size
        self._early.append((content, size))

    def _emptied(self) -> None:
        if self._producer is not None and not self._is_lost:
            self._producer.resumeProducing()

    def _finish(self) -> None:
        self._lose(ConnectionDone())
        self.output.end()
        self._owner.want(self.output)

    def _lose(self, reason: Exception) -> None:
        """Tell the protocol later, as TCP does: it may be in the middle of something."""
        if not self._is_lost and self.protocol is not None:
            self._is_lost = True
            self._clock.callLater(0, self.protocol.connectionLost, Failure(reason))
