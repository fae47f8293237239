"""Turns entries that a plain reader popped into the messages that the ASGI draft speaks of.

A reader of a process's inbox learns here which channels are in which group, and gets one message
for each of its members when a group message arrives; positions and gaps are not for it. It pops
nothing itself.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any

from channel_layer import entries
from channel_layer.layer import Entry, Kind
from shared import codec

Arrived = tuple[str, dict[str, Any]]
"""(full channel name, message)."""


class Arrivals:
    """The members that a reader of inboxes knows of, and messages popped but not yet handed out."""

    def __init__(self) -> None:
        self._members: dict[tuple[str, str], dict[str, None]] = {}
        self._ready: dict[str, deque[Arrived]] = {}

    def ready(self, lists: Sequence[str]) -> Arrived | None:
        """A message of one of the lists that was popped before."""
        for name in lists:
            queue = self._ready.get(name)
            if queue:
                arrived = queue.popleft()
                if not queue:
                    del self._ready[name]
                return arrived
        return None

    def keep(self, list_name: str, arrived: Arrived) -> None:
        """Put a message that was handed to nobody back in front."""
        self._ready.setdefault(list_name, deque()).appendleft(arrived)

    def take_in(self, list_name: str, entry: Entry) -> None:
        """Learn from an entry, or make its messages ready.

        Raises: InvalidMessage when its payload is no message; it is gone then.
        """
        if entry.kind in (Kind.JOIN, Kind.LEAVE):
            self._learn(list_name, entry)
        elif entry.kind in (Kind.GROUP, Kind.GROUP_MORE):
            message = entries.group_message(entry)
            for channel in tuple(self._members.get((list_name, entry.channel), ())):
                if channel not in message.exclude:
                    self._append(list_name, channel, message.payload)
        elif entry.kind is Kind.REPLAY:
            for _, payload in entries.replay(entry).messages:
                self._append(list_name, entry.channel, payload)
        else:
            self._append(list_name, entry.channel, entry.payload)

    def _append(self, list_name: str, channel: str, payload: bytes) -> None:
        message = codec.unpack(payload)
        self._ready.setdefault(list_name, deque()).append((channel, message))

    def _learn(self, list_name: str, entry: Entry) -> None:
        if entry.kind is Kind.JOIN:
            joined = (list_name, entries.joining(entry).group)
            self._members.setdefault(joined, {})[entry.channel] = None
            return
        key = (list_name, entry.payload.decode("ascii"))
        members = self._members.get(key)
        if members is not None:
            members.pop(entry.channel, None)
            if not members:
                del self._members[key]
