"""The seam between the connections of this process and what they share.

Names what a connection may ask of its process (`Gateway`) and what it must be able to hear
(`Receiver`). `service.py` implements the first, `http1.py` and `ws_protocol.py` the second.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from channel_layer.layer import Entry, Operation, Outcome, Send
from shared import codec
from shared.errors import InvalidMessage
from shared.messages import HttpResponse, ResponseChunk, WsReply

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IAddress, IProtocol

    from interface_server.settings import ServerSettings
    from interface_server.static_files import StaticFiles
    from interface_server.wires import TcpTransport
    from shared.logs import AccessLog

TEXT_FRAME = 0x1
"""The opcode of a text frame. Source: RFC 6455 section 5.2."""

BINARY_FRAME = 0x2
CLOSE_FRAME = 0x8


def unmasked_frame(opcode: int, payload: bytes) -> bytes:
    """One whole frame as a server sends it: final, unmasked, uncompressed.

    Source: RFC 6455 section 5.2.
    """
    size = len(payload)
    first = 0x80 | opcode
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65536:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


class Broadcast:
    """A group's message, made once per list entry and shared by all members in this process.

    What members need of it is worked out at the first asking and kept, a refusal included.
    """

    __slots__ = ("_frame", "_http", "_ws", "group", "payload")

    def __init__(self, group: str, payload: bytes) -> None:
        self.group = group
        self.payload = payload
        self._ws: WsReply | InvalidMessage | None = None
        self._http: HttpResponse | ResponseChunk | InvalidMessage | None = None
        self._frame: bytes | None = None

    @property
    def ws_reply(self) -> WsReply:
        """The message as a socket's reply. Raises: InvalidMessage."""
        if self._ws is None:
            try:
                self._ws = codec.decode_ws_reply(self.payload)
            except InvalidMessage as error:
                self._ws = error
        if isinstance(self._ws, InvalidMessage):
            raise self._ws.with_traceback(None)
        return self._ws

    @property
    def ws_frame(self) -> bytes:
        """The frame that carries the data to a socket; `b""` when there is none.

        Raises: InvalidMessage.
        """
        if self._frame is None:
            self._frame = _data_frame(self.ws_reply)
        return self._frame

    @property
    def http_reply(self) -> HttpResponse | ResponseChunk:
        """The message as a part of a response. Raises: InvalidMessage."""
        if self._http is None:
            try:
                self._http = codec.decode_http_reply(self.payload)
            except InvalidMessage as error:
                self._http = error
        if isinstance(self._http, InvalidMessage):
            raise self._http.with_traceback(None)
        return self._http


class Receiver(Protocol):
    """One exchange or one socket: what hears the replies to its channel."""

    def reply(self, entry: Entry) -> None:
        """A message came for the channel; its payload is still packed."""

    def receipt(self, entry: Entry) -> None:
        """An event of this receiver was taken, done or given up; it comes behind the replies."""

    def broadcast(self, broadcast: Broadcast) -> None:
        """A message came for a group in which the channel is a member."""


class Gateway(Protocol):
    """What a connection needs of its process."""

    settings: "ServerSettings"
    access_log: "AccessLog"
    static: "StaticFiles | None"
    """The mounted folders; None when nothing is mounted."""

    def new_reply_channel(self) -> str:
        """An unused reply channel of this process, `server.response.PROC!CLIENT`."""

    def register(self, channel: str, receiver: Receiver) -> None:
        """Let `receiver` hear what comes for `channel`."""

    def unregister(self, channel: str) -> None:
        """Stop that; the channel leaves its groups. No error when it is not registered.

        An exchange unregisters with its last reply, so its receipt comes to a channel that no
        one holds any more: that is normal and neither logged nor counted.
        """

    def perform(self, operation: Operation) -> "Deferred[Outcome]":
        """One step of the channel layer. Order is kept among all calls of this process.

        The Deferred fails with LayerUnavailable when too much waits for a layer that is away,
        and with MessageTooLarge.
        """

    def perform_chain(self, sends: Sequence[Send]) -> "Deferred[Outcome]":
        """Several sends to one list as a whole or not at all; all but the last are `chained`."""

    def new_request_id(self) -> str:
        """An unused name for a request, of letters and digits."""

    def wall_clock(self) -> float:
        """Seconds since the epoch."""

    def upgraded(
        self, transport: "TcpTransport", head: bytes, rest: bytes, peer: "IAddress"
    ) -> "IProtocol":
        """Take over a transport on which a checked WebSocket handshake arrived.

        `head` is the raw request head up to and with its blank line, `rest` what came behind
        it. The protocol that is returned is connected (`makeConnection`) and has been given
        both; the caller only points the transport at it.
        """

    def health(self) -> tuple[int, bytes]:
        """Status and JSON body of `/healthz`."""

    def count(self, what: str) -> None:
        """Raise the counter `what` by one."""


def _data_frame(reply: WsReply) -> bytes:
    if reply.text is not None:
        return unmasked_frame(TEXT_FRAME, reply.text.encode())
    if reply.binary is not None:
        return unmasked_frame(BINARY_FRAME, reply.binary)
    return b""
