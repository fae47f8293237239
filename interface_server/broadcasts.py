"""A group's message and the frames that carry it, made once for all members in this process.

Knows neither who the members are (`groups.py`) nor how a frame is written.
"""

from channel_layer.layer import Position
from shared import codec
from shared.errors import InvalidMessage
from shared.messages import HttpResponse, ResponseChunk, WsReply

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


JOINED = "joined"
"""The word for a socket that has everything up to a position."""

GAP = "gap"
"""What lies before the position is lost to it."""

SKIPPED = "skipped"
"""The message at the position has nothing for it."""


def position_line(group: str, position: Position, word: str = "") -> str:
    """The line that stands before the content of a message with a position, its end included."""
    return f"{group} {position.epoch} {position.offset}{' ' if word else ''}{word}\n"


class Broadcast:
    """A group's message, made once per list entry and shared by all members in this process.

    What members need of it is worked out at the first asking and kept, a refusal included. With
    a `position` what sockets get begins with its line, also where it has no data for them;
    responses get the bare payload.
    """

    __slots__ = ("_frame", "_http", "_ws", "group", "payload", "position")

    def __init__(self, group: str, payload: bytes, position: Position | None = None) -> None:
        self.group = group
        self.payload = payload
        self.position = position
        self._ws: WsReply | InvalidMessage | None = None
        self._http: HttpResponse | ResponseChunk | InvalidMessage | None = None
        self._frame: bytes | None = None

    @property
    def ws_reply(self) -> WsReply:
        """The message as a socket's reply. Raises: InvalidMessage."""
        if self._ws is None:
            try:
                self._ws = self._with_position(codec.decode_ws_reply(self.payload))
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

    def _with_position(self, reply: WsReply) -> WsReply:
        if self.position is None:
            return reply
        line = position_line(self.group, self.position)
        if reply.text is not None:
            return reply._replace(text=line + reply.text)
        if reply.binary is not None:
            return reply._replace(binary=line.encode("ascii") + reply.binary)
        return WsReply(text=position_line(self.group, self.position, SKIPPED), close=reply.close)


def _data_frame(reply: WsReply) -> bytes:
    if reply.text is not None:
        return unmasked_frame(TEXT_FRAME, reply.text.encode())
    if reply.binary is not None:
        return unmasked_frame(BINARY_FRAME, reply.binary)
    return b""
