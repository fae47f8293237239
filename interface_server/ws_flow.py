"""The stream of one socket's events to the workers: one flight at a time, in order.

Knows queue, order numbers, connection state and retries; not whether the socket is open, which is
`ws_session.py`. A flight is one event, or several frames that queued up, chained.
"""

from collections import deque

from channel_layer.layer import Awaited, CloseSocket, OpenSocket, Operation, Send
from interface_server.ws_steps import PlaceEvents
from shared import codec
from shared.messages import (
    REAPED_CODE,
    REAPED_ORDER,
    Receipt,
    WsConnect,
    WsDisconnect,
)

CHAIN_FRAMES = 32
CHAIN_BYTES = 256 * 1024
"""Most frames and bytes of a flight: past the size of a worker's batch more brings nothing."""

RETRY_FIRST_S = 0.1
RETRY_MOST_S = 2.0
"""Waits before a refused flight is tried again: doubled each time up to the second."""

DISCONNECT_TTL_MS = 24 * 3600 * 1000
"""A disconnect waits a day for a worker: nothing else tells an application of the end."""

SENT_AGAIN = 2
"""The attempt of an event that is sent once more, since the layer lost it."""


class EventFlow:
    """What of one socket is on its way to the workers, and what waits behind it."""

    __slots__ = (
        "_channel",
        "_frames",
        "_next_order",
        "_operations",
        "_order",
        "_path",
        "_queue",
        "_retry_s",
        "_since",
        "_state",
        "_timeout_s",
        "queued_bytes",
        "retry_at",
    )

    def __init__(self, channel: str, path: str, timeout_s: float) -> None:
        self._channel = channel
        self._path = path
        self._timeout_s = timeout_s
        self._next_order = 0
        self._state = b""
        self._queue: deque[str | bytes] | None = None
        self._frames: list[str | bytes] = []
        self._operations: tuple[Operation, ...] = ()
        self._order = 0
        self._since = 0.0
        self._retry_s = RETRY_FIRST_S
        self.queued_bytes = 0
        self.retry_at: float | None = None

    @property
    def is_flying(self) -> bool:
        """Whether an event is in flight or waits to be tried again."""
        return bool(self._operations)

    @property
    def order(self) -> int:
        """The order of the last event that was sent."""
        return self._order

    @property
    def queued_frames(self) -> int:
        """How many frames wait behind the flight."""
        return len(self._queue) if self._queue else 0

    @property
    def overdue_at(self) -> float | None:
        """When the flight counts as lost; None without one."""
        return self._since + self._timeout_s if self._operations else None

    @property
    def registration(self) -> OpenSocket:
        """How the layer knows the socket: with the disconnect that the reaper is to send."""
        event = WsDisconnect(self._channel, self._path, REAPED_ORDER, REAPED_CODE, self._state)
        return OpenSocket(self._channel, codec.encode(event))

    @property
    def awaited(self) -> Awaited | None:
        """The event whose receipt is to come; None while it is to be tried again."""
        if not self._operations or self.retry_at is not None:
            return None
        first = self._operations[0]
        if not isinstance(first, Send):
            return None
        return Awaited(first.channel, self._channel, self._order)

    def connect(self, connect: WsConnect, ttl_s: float, now: float) -> PlaceEvents:
        """The handshake's event; unread it dies after `ttl_s`, since nobody waits longer."""
        ttl_ms = int(ttl_s * 1000)
        packed = codec.encode(connect)
        send = Send("websocket.connect", packed, self._channel, ttl_ms=ttl_ms)
        return self._fly((send, self.registration), 1, now)

    def push(self, content: str | bytes) -> None:
        """Put a frame behind what waits."""
        if self._queue is None:
            self._queue = deque()
        self._queue.append(content)
        self.queued_bytes += len(content)

    def next_frames(self, now: float) -> PlaceEvents | None:
        """The frames that leave now: None when none waits or a flight is out."""
        if self._operations or not self._queue:
            return None
        frames: list[str | bytes] = []
        size = 0
        while self._queue and len(frames) < CHAIN_FRAMES and size < CHAIN_BYTES:
            content = self._queue.popleft()
            size += len(content)
            frames.append(content)
        self.queued_bytes -= size
        if not self._queue:
            self._queue = None
        self._frames = frames
        receives = self._receives()
        return self._fly(receives, len(receives), now)

    def disconnect(self, code: int, now: float) -> PlaceEvents:
        """The last event; it passes full lists and asks for no receipt."""
        event = WsDisconnect(self._channel, self._path, self._next_order, code, self._state)
        packed = codec.encode(event)
        ttl_ms = DISCONNECT_TTL_MS
        send = Send("websocket.disconnect", packed, ttl_ms=ttl_ms, urgent=True)
        return self._fly((CloseSocket(self._channel, send),), 1, now)

    def withdraw(self, now: float) -> PlaceEvents:
        """End the registration of a socket that was never accepted; no worker hears of it."""
        return self._fly((CloseSocket(self._channel),), 1, now)

    def landed(self, order: int, receipt: Receipt) -> bool:
        """Whether this receipt was the flight's; then the flight is over."""
        if not self._operations or order != self._order:
            return False
        self._operations, self.retry_at = (), None
        self._retry_s = RETRY_FIRST_S
        if receipt.state is not None:
            self._state = receipt.state
        return True

    def refused(self, order: int, now: float) -> bool:
        """Whether this flight was meant; then it is tried again at `retry_at`.

        A chain is halved for that: the list may be one that never takes so many at once.
        """
        if not self._operations or order != self._order:
            return False
        self.retry_at = now + self._retry_s
        self._retry_s = min(self._retry_s * 2, RETRY_MOST_S)
        if len(self._operations) > 1:
            self._halve()
        return True

    def repeat(self, order: int, now: float) -> PlaceEvents | None:
        """The awaited flight once more, which the layer lost; None when another one is meant."""
        if self.awaited is None or order != self._order:
            return None
        self._operations = tuple(
            operation._replace(attempt=SENT_AGAIN) if isinstance(operation, Send) else operation
            for operation in self._operations
        )
        self._since = now
        return PlaceEvents(self._operations, self._order)

    def again(self) -> PlaceEvents:
        """The flight once more."""
        self.retry_at = None
        return PlaceEvents(self._operations, self._order)

    def lose_flight(self) -> None:
        """Wait no longer for the flight."""
        self._operations, self.retry_at = (), None

    def lose_queue(self) -> None:
        """Forget the frames that wait."""
        self._queue, self.queued_bytes = None, 0

    def _fly(self, operations: tuple[Operation, ...], events: int, now: float) -> PlaceEvents:
        self._order = self._next_order + events - 1
        self._next_order += events
        self._operations, self._since = operations, now
        return PlaceEvents(operations, self._order)

    def _halve(self) -> None:
        kept = len(self._frames) // 2
        back = self._frames[kept:]
        del self._frames[kept:]
        if self._queue is None:
            self._queue = deque()
        self._queue.extendleft(reversed(back))
        self.queued_bytes += sum(map(len, back))
        self._next_order -= len(back) + kept
        self._operations = self._receives()
        self._next_order += kept
        self._order = self._next_order - 1

    def _receives(self) -> tuple[Send, ...]:
        """The frames of the flight as chained events, the last of which asks for the receipt."""
        last = len(self._frames) - 1
        return tuple(
            [
                self._receive(content, self._next_order + at, at == last)
                for at, content in enumerate(self._frames)
            ]
        )

    def _receive(self, content: str | bytes, order: int, is_last: bool) -> Send:
        key = "text" if isinstance(content, str) else "bytes"
        event = {"reply_channel": self._channel, "path": self._path, "order": order, key: content}
        if self._state:
            event["state"] = self._state
        return Send(
            "websocket.receive",
            codec.pack_known(event),
            self._channel if is_last else "",
            order,
            not is_last,
            int(self._timeout_s * 1000),
        )
