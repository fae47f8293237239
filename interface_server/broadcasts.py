"""A group's message and the frames that carry it, made once for all members in this process.

Knows neither who the members are (`groups.py`) nor how a frame is written.
"""

from msgspec.structs import replace

from channel_layer.layer import Position
from interface_server.event_lines import event_lines, id_line
from interface_server.ws_deflate import NO_DEFLATE, deflated_frame
from interface_server.ws_frames import data_frame
from shared import codec
from shared.errors import InvalidMessage
from shared.event_ids import event_id
from shared.messages import Event, HttpReply, ResponseChunk, WsReply

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
    responses get the bare payload, event streams its event behind an id.
    """

    __slots__ = (
        "_deflated",
        "_event_lines",
        "_frame",
        "_http",
        "_id_line",
        "_ws",
        "group",
        "payload",
        "plain_frame",
        "position",
    )

    def __init__(self, group: str, payload: bytes, position: Position | None = None) -> None:
        self.group = group
        self.payload = payload
        self.position = position
        self._ws: WsReply | InvalidMessage | None = None
        self._http: HttpReply | InvalidMessage | None = None
        self._frame: bytes | None = None
        self.plain_frame: bytes | None = None
        """The frame that `ws_frame` gave, where it has data and ends no socket."""
        self._event_lines: bytes | None = None
        self._id_line: bytes | None = None
        self._deflated: dict[int, bytes] | None = None

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
            self._frame = data_frame(self.ws_reply)
            if self._frame and self.ws_reply.close is None:
                self.plain_frame = self._frame
        return self._frame

    def ws_frame_for(self, window: int) -> bytes:
        """The same for a socket that agreed to compression with that window (or to none).

        It is compressed once for all that have the same. Raises: InvalidMessage.
        """
        if window == NO_DEFLATE:
            return self.ws_frame
        if self._deflated is None:
            self._deflated = {}
        frame = self._deflated.get(window)
        if frame is None:
            frame = self._deflated[window] = deflated_frame(self.ws_frame, window)
        return frame

    @property
    def http_reply(self) -> HttpReply:
        """The message as a part of a response, or as an event. Raises: InvalidMessage."""
        if self._http is None:
            try:
                self._http = codec.decode_http_reply(self.payload)
            except InvalidMessage as error:
                self._http = error
        if isinstance(self._http, InvalidMessage):
            raise self._http.with_traceback(None)
        return self._http

    @property
    def event_lines(self) -> bytes:
        """What event streams write of it, behind the id: the event's lines, or raw content.

        Raises: InvalidMessage when it is neither.
        """
        if self._event_lines is None:
            self._event_lines = _event_lines(self.http_reply)
        return self._event_lines

    @property
    def id_line(self) -> bytes:
        """The line of its id for streams of this group alone; none without a position."""
        if self._id_line is None:
            position = self.position
            own = () if position is None else ((self.group, *position),)
            self._id_line = id_line(event_id(own)) if own else b""
        return self._id_line

    def _with_position(self, reply: WsReply) -> WsReply:
        if self.position is None:
            return reply
        line = position_line(self.group, self.position)
        if reply.text is not None:
            return replace(reply, text=line + reply.text)
        if reply.binary is not None:
            return replace(reply, binary=line.encode("ascii") + reply.binary)
        return WsReply(text=position_line(self.group, self.position, SKIPPED), close=reply.close)


def _event_lines(reply: HttpReply) -> bytes:
    if isinstance(reply, Event):
        return event_lines(reply)
    if isinstance(reply, ResponseChunk):
        return reply.content
    raise InvalidMessage("text", "an event or content for an event stream", type(reply).__name__)
