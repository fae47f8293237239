"""What a handler wants done, gathered as data while it runs.

Nothing here reaches the channel layer: the worker commits `operations` in one atomic step together
with the acknowledgement of the event, or forgets them all when the handler raises.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from channel_layer.layer import (
    MAX_MESSAGE_BYTES,
    MAX_SEND_BYTES,
    History,
    Join,
    Leave,
    Operation,
    Position,
    Send,
    SendGroup,
)
from shared import codec
from shared.channel_names import (
    MAX_LENGTH,
    check_channel,
    check_group,
    is_process_specific,
    is_single_reader,
)
from shared.errors import ChannelsBoardError, InvalidMessage, MessageTooLarge
from shared.messages import WsReply, ws_reply

CLOSE_GOING_WRONG = 4500
"""Close code of a socket whose handler raised: private use (RFC 6455 section 7.4.2), like HTTP's
500. Workers may not send the registered 1011."""


MAX_USER_CHARACTERS = 100
"""A key is enough to count by; names and pictures of users belong into a database."""

_MAX_HISTORY = 10_000
"""Messages kept of one group; who missed more is better served by a page."""

_MAX_HISTORY_S = 7 * 24 * 3600.0

_MAX_OFFSET = 2**53
"""Scripts count in doubles."""

_NOWHERE = Position("?", 0)
"""No history has this epoch."""

JOB_TTL_MS = 24 * 3600 * 1000
"""A job waits a day for a worker: its pool may be down for longer than a request waits, and nobody
would tell that it was forgotten."""


class NoSocket(ChannelsBoardError):
    """A step that needs this event's socket, taken where the event has none."""


class Outbox:
    """The steps that one handler asks for; they are performed in the order of the calls.

    `socket` is the reply channel of the event's socket, None for a request or a job. A message is
    packed at the call, so what is changed in it later changes nothing.
    """

    __slots__ = ("_operations", "_socket", "_state")

    def __init__(self, socket: str | None = None) -> None:
        self._socket = socket
        self._operations: list[Operation] = []
        self._state: bytes | None = None

    @property
    def operations(self) -> tuple[Operation, ...]:
        """All steps so far, in order."""
        return tuple(self._operations)

    @property
    def new_state(self) -> bytes | None:
        """The packed connection state to keep (`b""`: none), None when it stays as it was."""
        return self._state

    def accept(self, subprotocol: str | None = None) -> None:
        """Accept the handshake of this event's socket. Raises: NoSocket."""
        self._to_socket("accept", WsReply(accept=True, subprotocol=subprotocol))

    def refuse(self) -> None:
        """Refuse the handshake of this event's socket; the client sees 403. Raises: NoSocket."""
        self._to_socket("refuse", WsReply(accept=False))

    def send_text(self, text: str) -> None:
        """Send a text frame to this event's socket; accepts a waiting handshake.

        Raises: NoSocket, InvalidMessage when `text` is not a str.
        """
        if not isinstance(text, str):
            raise InvalidMessage("text", "text", text)
        self._to_socket("send_text", WsReply(text=text))

    def send_bytes(self, content: bytes) -> None:
        """Send a binary frame to this event's socket; accepts a waiting handshake.

        Raises: NoSocket, InvalidMessage when `content` is not bytes.
        """
        if not isinstance(content, bytes):
            raise InvalidMessage("bytes", "bytes", content)
        self._to_socket("send_bytes", WsReply(binary=content))

    def close(self, code: int = 1000) -> None:
        """Close this event's socket (a waiting handshake is refused).

        Raises: NoSocket, InvalidMessage when `code` is neither 1000 nor within 3000 to 4999.
        """
        reply = ws_reply({"close": code})
        if reply.close is None:
            raise InvalidMessage("close", "1000 or 3000 to 4999", code)
        self._to_socket("close", reply)

    def state(self, state: Mapping[str, Any]) -> None:
        """Keep `state` as this socket's connection state; its next event brings it back.

        It replaces the former state as a whole; an empty one keeps nothing. Raises: NoSocket,
        InvalidMessage when it holds what no message may hold, MessageTooLarge.
        """
        self._own_socket("state")
        self._state = _packed(state) if state else b""

    def reply(self, channel: str, message: Mapping[str, Any]) -> None:
        """Send a message to a reply channel that an earlier event brought.

        Raises: InvalidName, InvalidMessage, MessageTooLarge.
        """
        self.send(channel, message)

    def send(self, channel: str, message: Mapping[str, Any], delay_ms: int = 0) -> None:
        """Send a message to any channel, as a rule a job; it runs after this event's commit.

        `delay_ms`: how long it waits before a worker may take it. Raises: InvalidName,
        InvalidMessage, MessageTooLarge.
        """
        packed = _packed(message)
        is_job = not is_process_specific(check_channel(channel)) and not is_single_reader(channel)
        ttl_ms = JOB_TTL_MS if is_job else None
        self._operations.append(Send(channel, packed, ttl_ms=ttl_ms, delay_ms=delay_ms))

    def send_group(
        self,
        group: str,
        message: Mapping[str, Any],
        exclude: Iterable[str] = (),
        history: tuple[int, float] | None = None,
    ) -> None:
        """Send a message to every member of a group, as `{"text": "…"}` for sockets.

        `exclude`: members that do not get it, by full names. `history`: (messages, seconds), how
        many of the group's last messages are kept and for how long; its sockets then get each one
        with its position in front, the excluded ones the position alone (docs/protocol.md).
        Raises: InvalidName, InvalidMessage, MessageTooLarge.
        """
        left_out = tuple(map(check_channel, exclude))
        kept = None if history is None else _history(history)
        self._operations.append(SendGroup(check_group(group), _packed(message), left_out, kept))

    def join(
        self,
        group: str,
        channel: str | None = None,
        since: tuple[str, int] | None = None,
        user: str = "",
        presence: str = "",
    ) -> None:
        """Make a channel (None: this event's socket) a member of a group.

        `since`: (epoch, offset), the last position of the group's history that it knows; what
        came behind it is sent to the channel in the same step, or word of a gap when that is no
        longer kept. The epoch `""` says "from now on". A text and an int may come from a client
        as they are: a position that cannot be is a gap. `user`: whom the channel counts as a
        device of. Where a user's first device joins or the last one leaves, the normal channel
        `presence` gets
        `{"group", "user", "event": "join" or "leave", "devices"}`. Raises: InvalidName, NoSocket,
        InvalidMessage.
        """
        member = self._own_socket("join") if channel is None else check_channel(channel)
        position = None if since is None else _position(since)
        _check_user(user, presence)
        self._operations.append(
            Join(check_group(group), member, since=position, user=user, presence=presence)
        )

    def leave(self, group: str, channel: str | None = None) -> None:
        """End the membership of a channel (None: this event's socket) in a group.

        Raises: InvalidName, NoSocket.
        """
        member = self._own_socket("leave") if channel is None else check_channel(channel)
        self._operations.append(Leave(check_group(group), member))

    def _to_socket(self, step: str, reply: WsReply) -> None:
        packed = codec.encode(reply)
        _check_size(packed, MAX_SEND_BYTES)
        self._operations.append(Send(self._own_socket(step), packed))

    def _own_socket(self, step: str) -> str:
        if self._socket is None:
            raise NoSocket(f"{step!r} needs the socket of this event, but the event has none")
        return self._socket


def _packed(message: Mapping[str, Any]) -> bytes:
    packed = codec.pack(message)
    _check_size(packed)
    return packed


def _check_size(packed: bytes, limit_bytes: int = MAX_MESSAGE_BYTES) -> None:
    if len(packed) > limit_bytes:
        raise MessageTooLarge(len(packed), limit_bytes)


def _history(history: object) -> History:
    match history:
        case (int(messages), int() | float() as seconds) if (
            type(messages) is int
            and 1 <= messages <= _MAX_HISTORY
            and 0.001 <= seconds <= _MAX_HISTORY_S
        ):
            return History(messages, round(1000 * seconds))
    expected = f"(1 to {_MAX_HISTORY} messages, up to {_MAX_HISTORY_S:.0f} seconds)"
    raise InvalidMessage("history", expected, history)


def _position(since: object) -> Position:
    match since:
        case (str(epoch), int(offset)) if type(offset) is int:  # no bool, which scripts refuse
            can_be = epoch.isascii() and len(epoch) <= MAX_LENGTH and 0 <= offset < _MAX_OFFSET
            return Position(epoch, offset) if can_be else _NOWHERE
    raise InvalidMessage("since", "(epoch text, offset int)", since)


def _is_text(text: str) -> bool:
    """Whether it can be written as UTF-8; halves of surrogate pairs cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_user(user: object, presence: object) -> None:
    if not isinstance(user, str) or len(user) > MAX_USER_CHARACTERS or not _is_text(user):
        raise InvalidMessage("user", f"text of at most {MAX_USER_CHARACTERS} characters", user)
    if presence == "":
        return
    if is_process_specific(check_channel(presence)):
        raise InvalidMessage("presence", "a normal channel", presence)
    if not user:
        raise InvalidMessage("user", "whom the presence is told of", user)
