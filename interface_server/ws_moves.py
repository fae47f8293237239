"""What an accepted socket does in each of its transitions; which one it is says `ws_session.py`.

Writes to no wire, asks no layer and reads no clock. Source: the ASGI draft's WebSocket messages;
RFC 6455 section 7.4 for the codes.
"""

from channel_layer.layer import Awaited, OpenSocket
from interface_server import ws_steps as step
from interface_server.ws_flow import EventFlow
from interface_server.ws_frames import data_frame
from interface_server.ws_steps import SessionLimits, State

VANISHED = 1006
MESSAGE_TOO_BIG = 1009
INTERNAL_ERROR = 1011
SERVICE_RESTART = 1012
TRY_AGAIN_LATER = 1013

_UNREGISTERED = frozenset({State.NEW, State.ENDED})


class Moves:
    """One socket and what it can do; before it is accepted: `ws_opening.py`.

    Each method takes what happened and `now` in seconds, and notes the actions. A line in the log
    names the cause of an end; what a socket loses behind that is counted only.
    """

    __slots__ = (
        "_actions",
        "_answer_by",
        "_close_code",
        "_flow",
        "_is_paused",
        "_is_reaped",
        "_limits",
        "_offered",
        "state",
    )

    def __init__(self, channel: str, path: str, limits: SessionLimits) -> None:
        self.state = State.NEW
        self._offered: tuple[str, ...] = ()
        self._limits = limits
        self._flow = EventFlow(channel, path, limits.event_timeout_s)
        self._answer_by: float | None = None
        self._is_paused = False
        self._is_reaped = False
        self._close_code = VANISHED
        self._actions: list[step.Action] = []

    @property
    def deadline(self) -> float | None:
        """When `TimePassed` is due."""
        if self._flow.retry_at is not None or self.state is State.LEAVING:
            return self._flow.retry_at
        return self._answer_by if self._answer_by is not None else self._flow.overdue_at

    @property
    def registration(self) -> OpenSocket | None:
        """How the layer is to know the socket; None when it need not, or when that is over."""
        is_ending = self.state is State.LEAVING and self._flow.retry_at is None
        if self.state in _UNREGISTERED or is_ending or self._is_reaped:
            return None
        return self._flow.registration

    @property
    def awaited(self) -> Awaited | None:
        """The event whose answer or receipt is to come."""
        return self._flow.awaited

    def actions(self) -> list[step.Action]:
        """What was noted since the last call, in order."""
        actions, self._actions = self._actions, []
        return actions

    def act(self, happened: step.Replied, now: float) -> None:
        """Send data, then close."""
        frame = data_frame(happened.reply)
        if frame:
            self._do(step.Write(frame))
        if happened.reply.close is not None:
            self._close(happened.reply.close, "worker")

    def complain(self, happened: step.Garbled, now: float) -> None:
        """Log a malformed reply and go on."""
        error = happened.error
        facts = {"key": error.key, "expected": error.expected, "came": error.came}
        self._report("error", "invalid_reply", **facts)
        self._do(step.Count("invalid_replies"))

    def miss(self, _: step.Replied, now: float) -> None:
        """Data for a socket that takes none any more."""
        self._do(step.Count("websocket_replies_too_late"))

    def overflow(self, _: step.Overflowed, now: float) -> None:
        """Close on a reader that does not read."""
        self._report("warning", "websocket_slow_reader", code=TRY_AGAIN_LATER)
        self._do(step.Count("websocket_slow_readers"))
        self._close(TRY_AGAIN_LATER, "slow_reader")

    def fail(self, _: step.PeerFailed, now: float) -> None:
        """Nothing more is written to a peer that its wire is done with."""
        self._begin_closing()

    def stop(self, _: step.Stopped, now: float) -> None:
        """Send the peer elsewhere."""
        self._close(SERVICE_RESTART, "server_stopping")

    def take_frame(self, happened: step.FrameCame, now: float) -> None:
        """Send a frame, or let it wait for the event in flight."""
        self._flow.push(happened.content)
        self._send_next(now)

    def drop_frame(self, _: step.FrameCame, now: float) -> None:
        """A frame that came behind our close frame."""
        self._do(step.Count("websocket_frames_after_close"))

    def land(self, happened: step.Receipted, now: float) -> None:
        """The event in flight was handled, or given up; the next may go."""
        if not self._landed(happened):
            return
        if happened.receipt.kind == "dead" and self.state is State.OPEN:
            self._report("error", "websocket_event_dead", order=happened.order)
            self._close(INTERNAL_ERROR, "event_dead")
        self._send_next(now)

    def retry_later(self, happened: step.Refused, now: float) -> None:
        """Pause the peer and try again, except what no list would ever take."""
        self._do(step.Count("websocket_events_" + happened.reason))
        if happened.reason != "too_large":
            self._flow.refused(happened.order, now)
            self._adjust_reading()
        elif happened.order == self._flow.order and self._flow.is_flying:
            self._flow.lose_flight()
            if self.state is State.OPEN:
                self._report("error", "websocket_event_too_large", order=happened.order)
                self._close(MESSAGE_TOO_BIG, "event_too_large")
            self._send_next(now)

    def check_time(self, _: step.TimePassed, now: float) -> None:
        """Try a refused flight again; give up one that nobody handled in time."""
        flow = self._flow
        if flow.overdue_at is not None and now >= flow.overdue_at:
            self._do(step.Count("websocket_event_timeouts"))
            flow.lose_flight()
            flow.lose_queue()
            if self.state is State.OPEN:
                self._report("error", "websocket_event_timeout", order=flow.order)
                self._close(TRY_AGAIN_LATER, "event_timeout")
            self._send_next(now)
        else:
            self.retry(step.TimePassed(), now)

    def retry(self, _: step.TimePassed, now: float) -> None:
        """Try a refused flight again."""
        if self._flow.retry_at is not None and now >= self._flow.retry_at:
            self._do(self._flow.again())
            self._adjust_reading()

    def go(self, happened: step.PeerGone, now: float) -> None:
        """The connection of an accepted socket ended: what waits, then the disconnect."""
        self.state, self._close_code, self._is_paused = State.GONE, happened.code, False
        self._send_next(now)

    def send_again(self, happened: step.Lost, now: float) -> None:
        """The layer lost the event in flight: it goes out once more.

        Not the connect of a socket that was accepted, which had its answer, nor what a socket
        sent before its disconnect by the reaper.
        """
        flow = self._flow
        repeated = flow.repeat(happened.order, now)
        if repeated is None:
            return
        is_answered = happened.order == 0 and self.state is not State.CONNECTING
        if is_answered or self._is_reaped:
            flow.lose_flight()
            self._send_next(now)
        else:
            self._do(step.Count("websocket_events_lost"))
            self._do(repeated)

    def leave_reaped(self, _: step.Reaped, now: float) -> None:
        """The disconnect may have been sent: what waits is not; an open socket is closed."""
        self._is_reaped = True
        self._flow.lose_queue()
        if self.state is State.OPEN:
            self._do(step.Count("websocket_reaped"))
            self._close(SERVICE_RESTART, "reaped")

    def left(self, happened: step.Placed, now: float) -> None:
        """The end of the registration is in the layer, the disconnect with it."""
        if happened.order == self._flow.order:
            self._end()

    def stay(self, happened: step.Refused, now: float) -> None:
        """The layer did not take it: it is told again until it does."""
        self._flow.refused(happened.order, now)

    def ignore(self, _: object, now: float) -> None:
        """It changes nothing in this state."""

    def _do(self, action: step.Action) -> None:
        self._actions.append(action)

    def _report(self, level: str, event: str, **facts: object) -> None:
        self._do(step.Report(level, event, tuple(facts.items())))

    def _withdraw(self, now: float) -> None:
        """End a handshake that came to nothing; the layer forgets its registration."""
        self.state, self._answer_by = State.LEAVING, None
        self._flow.lose_flight()
        self._do(self._flow.withdraw(now))

    def _close(self, code: int, cause: str) -> None:
        self._do(step.Close(code, cause))
        self._begin_closing()

    def _begin_closing(self) -> None:
        self.state = State.CLOSING
        self._adjust_reading()

    def _end(self) -> None:
        self.state, self._answer_by = State.ENDED, None
        self._flow.lose_flight()
        self._flow.lose_queue()
        self._do(step.End())

    def _landed(self, happened: step.Receipted) -> bool:
        if self._flow.landed(happened.order, happened.receipt):
            return True
        self._do(step.Count("websocket_receipts_unexpected"))
        return False

    def _send_next(self, now: float) -> None:
        """The frames that wait, or the end when the connection has ended."""
        sends = self._flow.next_frames(now)
        if sends is None and self.state is State.GONE and not self._flow.is_flying:
            self.state = State.LEAVING
            sends = self._flow.disconnect(self._close_code, now)
        if sends is not None:
            self._do(sends)
        self._adjust_reading()

    def _adjust_reading(self) -> None:
        """Pause past a bound, or while the layer refuses; resume at half of it."""
        flow, limits = self._flow, self._limits
        share = 2 if self._is_paused else 1
        wanted = self.state is State.OPEN and (
            flow.retry_at is not None
            or flow.queued_frames * share >= limits.queue_frames
            or flow.queued_bytes * share >= limits.queue_bytes
        )
        if wanted != self._is_paused:
            self._is_paused = wanted
            if wanted:
                self._do(step.Count("websocket_pauses"))
            self._do(step.PauseReading() if wanted else step.ResumeReading())
