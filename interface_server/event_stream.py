"""One event stream: what its client is written, each message of its groups once and in order.

Groups' messages in, bytes out. Knows no exchange and no time; `long_poll.py` is its brother.
"""

from channel_layer.layer import Position
from interface_server.broadcasts import GAP, JOINED, SKIPPED, Broadcast
from interface_server.event_lines import event_lines, id_line, word_lines
from shared.event_ids import event_id
from shared.messages import Event, Hold, ResponseChunk


class EventStream:
    """Where one client is in each group with history, and what it is told next.

    `is_over` turns True with the last thing to be written.
    """

    __slots__ = ("_positions", "is_over")

    def __init__(self, hold: Hold) -> None:
        self._positions = {
            group: Position(epoch, offset) for group, epoch, offset in hold.since if epoch
        }
        self.is_over = False

    def event(self, event: Event) -> bytes:
        """What a worker says to this stream alone; it has no position."""
        self.is_over = self.is_over or event.is_last
        return event_lines(event)

    def broadcast(self, broadcast: Broadcast) -> bytes:
        """A group's message; nothing if the client has it already.

        One that does not follow the last one says first that something was lost. Raises:
        InvalidMessage when it is nothing for a stream.
        """
        reply, position = broadcast.http_reply, broadcast.position
        lines = broadcast.event_lines
        if position is None:
            return self._said(reply, lines)
        group = broadcast.group
        known = self._positions.get(group)
        if known is None or position == (known.epoch, known.offset + 1):
            before = b""
        elif known.epoch == position.epoch and position.offset <= known.offset:
            return b""
        else:
            before = self._word(GAP, group, position)
        self._positions[group] = position
        if isinstance(reply, ResponseChunk):
            return self._said(reply, before + lines + self._id_line() + b"\n")
        is_alone = len(self._positions) == 1
        id_line_ = broadcast.id_line if is_alone else self._id_line()
        return self._said(reply, before + id_line_ + (lines or b"\n"))

    def positioned(self, group: str, position: Position, word: str) -> bytes:
        """The client is at this position without a message; see `broadcasts.py` for the words."""
        known = self._positions.get(group)
        if known is None or known.epoch != position.epoch:
            has_hole = word == SKIPPED and known is not None
        elif position.offset <= known.offset:
            return self._word(JOINED, group, known) if word == JOINED else b""
        else:
            has_hole = word == SKIPPED and position.offset > known.offset + 1
        if word == GAP or has_hole:
            return self._word(GAP, group, position)
        if word == JOINED:
            return self._word(JOINED, group, position)
        self._positions[group] = position
        return self._id_line() + b"\n"

    def _word(self, word: str, group: str, position: Position) -> bytes:
        self._positions[group] = position
        return word_lines(word, self._id(), group)

    def _said(self, reply: object, lines: bytes) -> bytes:
        if isinstance(reply, Event):
            self.is_over = self.is_over or reply.is_last
        elif isinstance(reply, ResponseChunk):
            self.is_over = self.is_over or not reply.more_content
        return lines

    def _id_line(self) -> bytes:
        return id_line(self._id())

    def _id(self) -> str:
        return event_id((group, *position) for group, position in self._positions.items())
