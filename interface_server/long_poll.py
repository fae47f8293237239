"""One long poll: gathers what its groups were sent since its client asked last, into one answer.

Groups' messages in, a response out. Knows no exchange and no time.
"""

import json

from channel_layer.layer import Position
from interface_server.broadcasts import GAP, SKIPPED, Broadcast
from shared.errors import InvalidMessage
from shared.event_ids import event_id
from shared.messages import Event, Hold, HttpResponse


class LongPoll:
    """What was heard so far; `is_over` turns True when there is something to answer with.

    A poll without a position for one of its groups is answered at once, with the position from
    which its client asks next. What each group missed comes first and as a whole.
    """

    __slots__ = ("_events", "_has_gap", "_headers", "_is_first", "_missing", "_positions")

    def __init__(self, hold: Hold) -> None:
        self._headers = hold.headers
        self._positions = {
            group: Position(epoch, offset) for group, epoch, offset in hold.since if epoch
        }
        self._missing = {group for group, _, _ in hold.since}
        self._is_first = len(self._positions) < len(self._missing)
        self._has_gap = False
        self._events: list[dict[str, str]] = []

    @property
    def is_over(self) -> bool:
        """See above."""
        return not self._missing and bool(self._events or self._has_gap or self._is_first)

    def event(self, event: Event) -> bytes:
        """What a worker says to this poll alone."""
        self._take(event, "")
        return b""

    def broadcast(self, broadcast: Broadcast) -> bytes:
        """A group's message. Raises: InvalidMessage when it is no event."""
        event, group, position = broadcast.http_reply, broadcast.group, broadcast.position
        if not isinstance(event, Event):
            raise InvalidMessage("text", "an event for a long poll", type(event).__name__)
        if position is not None:
            known = self._positions.get(group)
            if known is not None and known.epoch == position.epoch:
                if position.offset <= known.offset:
                    return b""
                self._has_gap = self._has_gap or position.offset > known.offset + 1
            elif known is not None:
                self._has_gap = True
            self._positions[group] = position
        self._take(event, group)
        return b""

    def positioned(self, group: str, position: Position, word: str) -> bytes:
        """The client is at this position; with any word but "skipped" all that it missed came."""
        if word != SKIPPED:
            self._missing.discard(group)
        known = self._positions.get(group)
        if known is None or known.epoch != position.epoch or known.offset < position.offset:
            self._positions[group] = position
        self._has_gap = self._has_gap or word == GAP
        return b""

    def answer(self) -> HttpResponse:
        """JSON: the events, the id to ask from next, and whether some are lost."""
        positions = ((group, *position) for group, position in self._positions.items())
        said = {"id": event_id(positions), "gap": self._has_gap, "events": self._events}
        content = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
        return HttpResponse(200, self._headers, content.encode())

    def _take(self, event: Event, group: str) -> None:
        if event.text is not None:
            self._events.append({"group": group, "event": event.name, "data": event.text})
