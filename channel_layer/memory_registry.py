"""Which servers hold which sockets in the memory layer, and what becomes of a dead one's.

The same as the registry's part of `lua/`; the time comes in with each call.
"""

from collections.abc import Callable, Iterator

from channel_layer.answers import Outcome, Reaped, Verdict
from channel_layer.layer import CloseSocket, Entry, Kind, OpenSocket, Send
from channel_layer.memory_lists import MemoryLists
from shared import codec
from shared.channel_names import list_name
from shared.errors import InvalidMessage

DISCONNECTS = "websocket.disconnect"
EVENTS = ("websocket.connect", "websocket.receive", DISCONNECTS)
"""The lists that a socket's events are sent to."""

FAREWELL_TTL_MS = 86_400_000
"""A day: workers may be away for long, and each disconnect is said once."""

EPOCH = "memory0123456789"
"""The model loses nothing, so its epoch is always the same. It is as long as one on Redis, since
epochs in entries count against the bounds of lists."""

_DONE = Outcome(Verdict.DONE)


class MemoryRegistry:
    """Sockets with their farewells by inbox, and each inbox's last sign of life."""

    def __init__(self, lists: MemoryLists) -> None:
        self._lists = lists
        self._farewells: dict[str, dict[str, bytes]] = {}
        self._signs_ms: dict[str, int] = {}
        self._taken_for_dead: set[str] = set()
        self._came_back: set[str] = set()

    def open(self, operation: OpenSocket, now_ms: int) -> None:
        """Register a socket, which is a sign of life of its server too."""
        inbox = list_name(operation.channel)
        self._farewells.setdefault(inbox, {})[operation.channel] = operation.farewell
        self._signs_ms[inbox] = now_ms

    def is_dead(self, inbox: str) -> bool:
        """Whether the inbox's owner was taken for dead and did not come back."""
        return inbox in self._taken_for_dead and inbox not in self._came_back

    def come_back(self, inbox: str) -> None:
        """The inbox's owner was there after all, and learned that it was taken for dead."""
        self._came_back.add(inbox)

    def change(self, channel: str, farewell: bytes) -> None:
        """Another farewell for a socket that is registered."""
        sockets = self._farewells.get(list_name(channel), {})
        if channel in sockets:
            sockets[channel] = farewell

    def close(self, operation: CloseSocket, now_ms: int) -> Outcome:
        """End a registration and send the disconnect, when there was one and it fits."""
        channel, disconnect = operation.channel, operation.disconnect
        sockets = self._farewells.get(list_name(channel), {})
        if channel not in sockets and not self._was_lost(operation):
            return _DONE
        if disconnect is not None and not self._lists.send(disconnect, now_ms):
            return Outcome(Verdict.FULL, disconnect.channel)
        sockets.pop(channel, None)
        return _DONE

    def reap(
        self,
        silent_ms: int,
        leased: Iterator[Entry],
        forget_members: Callable[[str], bool],
        now_ms: int,
    ) -> Reaped:
        """Say the farewells of sockets whose server is silent and whose events are all handled."""
        silent = [name for name, sign in self._signs_ms.items() if sign < now_ms - silent_ms]
        events = (entry for name in EVENTS for entry in self._lists.entries(name))
        delayed = self._lists.delayed("websocket.*")
        busy = {entry.receipt for part in (events, delayed, leased) for entry in part}
        gone, disconnects, waiting = [], 0, 0
        for inbox in silent:
            had_members = forget_members(inbox)
            sockets = self._farewells.get(inbox, {})
            idle = [channel for channel in sockets if channel not in busy]
            for channel in idle:
                farewell = sockets.pop(channel)
                if not self._is_refused(inbox, channel):
                    self._say_farewell(farewell, now_ms)
                    disconnects += 1
            waiting += len(sockets)
            if had_members or idle or not sockets:
                self._taken_for_dead.add(inbox)
                self._came_back.discard(inbox)
            if not sockets:
                gone.append(inbox)
                self._forget(inbox)
        return Reaped(tuple(gone), disconnects, waiting)

    def _was_lost(self, operation: CloseSocket) -> bool:
        """Whether a missing registration went with the data of another epoch, not by a reaping."""
        epoch = operation.epoch.partition(".")[0]
        return epoch not in ("", EPOCH) and list_name(operation.channel) not in self._taken_for_dead

    def _is_refused(self, inbox: str, channel: str) -> bool:
        """Whether a worker refused the handshake and the server died before it read that."""
        return any(
            entry.channel == channel and entry.kind is Kind.MESSAGE and _refuses(entry.payload)
            for entry in self._lists.entries(inbox)
        )

    def _say_farewell(self, farewell: bytes, now_ms: int) -> None:
        send = Send(DISCONNECTS, farewell, ttl_ms=FAREWELL_TTL_MS, urgent=True)
        self._lists.send(send, now_ms)

    def _forget(self, inbox: str) -> None:
        self._farewells.pop(inbox, None)
        del self._signs_ms[inbox]


def _refuses(payload: bytes) -> bool:
    try:
        return codec.unpack(payload).get("accept") is False
    except InvalidMessage:
        return False
