"""Runs one socket's session: tells it what happened and does what it says.

Speaks with the layer through the gateway and with the peer through a `Wire`; every rule is in
`ws_session.py`, every byte in `ws_protocol.py`.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from twisted.python.failure import Failure

from channel_layer.answers import Outcome, Verdict
from channel_layer.layer import Awaited, CloseSocket, Entry, OpenSocket, Position
from interface_server import ws_steps as step
from interface_server.broadcasts import Broadcast, position_line
from interface_server.gateway import Gateway
from interface_server.lazy_timer import LazyTimer
from interface_server.settings import ServerSettings
from interface_server.wires import Clock
from interface_server.ws_deflate import deflated_frame
from interface_server.ws_record import SocketRecord
from interface_server.ws_session import Session
from interface_server.ws_steps import SessionLimits, State
from interface_server.ws_wire import NO_WIRE, Wire
from shared import codec
from shared.errors import InvalidMessage, LayerError, LayerUnavailable, MessageTooLarge
from shared.logs import get_logger
from shared.messages import WsConnect, WsReply

_OPEN = State.OPEN
"""Python 3.11 takes 0.1 µs to read a member off its class; a broadcast does so for each socket."""

log = get_logger("websocket")


def session_limits(settings: ServerSettings) -> SessionLimits:
    """The bounds of each socket of a process."""
    return SessionLimits(
        settings.websocket_connect_timeout_s,
        settings.websocket_event_timeout_s,
        settings.socket_queue_frames,
        settings.socket_queue_bytes,
    )


class Socket:
    """One socket; a Receiver for its reply channel. `on_end` is called once, at its very end."""

    __slots__ = (
        "_channel",
        "_clock",
        "_doing",
        "_gateway",
        "_held",
        "_on_end",
        "_record",
        "_session",
        "_timer",
        "_wire",
    )

    def __init__(
        self,
        clock: Clock,
        gateway: Gateway,
        connect: WsConnect,
        limits: SessionLimits,
        wire: Wire,
        on_end: Callable[["Socket"], None],
    ) -> None:
        self._clock = clock
        self._gateway = gateway
        self._channel = connect.reply_channel
        self._record = SocketRecord(gateway, connect)
        self._wire = wire
        self._on_end = on_end
        self._session = Session(self._channel, connect.path, limits)
        self._timer = LazyTimer(clock, self._time_passed)
        self._doing: list[step.Action] | None = None
        self._held: list[WsReply] = []

    @property
    def request_id(self) -> str:
        """What names its handshake."""
        return self._record.request_id

    @property
    def is_with_workers(self) -> bool:
        """Whether workers were told of it and it is not over for them."""
        return self._session.state not in (State.NEW, State.ENDED)

    def shake_hands(self, connect: WsConnect) -> None:
        """A valid handshake came: ask a worker."""
        self._record.began()
        self._gateway.register(self._channel, self)
        self._feed(step.Started(connect))

    def never_began(self) -> None:
        """The handshake was refused before anybody was asked."""
        self._wire = NO_WIRE
        self._record.refused(400, "upgrade_refused")
        self._on_end(self)

    def message_came(self, content: str | bytes) -> None:
        """The peer sent one whole message."""
        self._feed(step.FrameCame(content))

    def overflowed(self) -> None:
        """Too much waits for the peer to read."""
        self._feed(step.Overflowed())

    def failed(self, code: int, cause: str, detail: str) -> None:
        """The peer broke a rule and is told so; its connection is about to end."""
        self._record.failed(code, cause, detail)
        self._feed(step.PeerFailed())

    def fell_silent(self) -> None:
        """The peer answered no ping; its connection is about to be cut."""
        self._record.fell_silent()
        self._feed(step.PeerFailed())

    def ended(self, code: int) -> None:
        """The connection is over."""
        self._record.ended(code)
        self._feed(step.PeerGone(code))
        self._wire = NO_WIRE  # it holds this, and this lives on until workers are done with it

    def stop(self) -> None:
        """This server goes: refuse a waiting handshake, close an open socket with 1012."""
        if self._session.state is not State.NEW:
            self._feed(step.Stopped())

    def reply(self, entry: Entry) -> None:
        """A worker's reply."""
        try:
            happened: step.Input = step.Replied(codec.decode_ws_reply(entry.payload))
        except InvalidMessage as error:
            happened = step.Garbled(error)
        self._feed(happened)

    def receipt(self, entry: Entry) -> None:
        """What became of an event."""
        try:
            happened: step.Input = step.Receipted(entry.order, codec.decode_receipt(entry.payload))
        except InvalidMessage as error:
            happened = step.Garbled(error)
        self._feed(happened)

    def broadcast(self, broadcast: Broadcast) -> None:
        """A group's message: its frame was built once for all members.

        One with a position accepts no handshake: it is held until that was accepted. Raises:
        InvalidMessage when it is no reply to a socket.
        """
        state, wire = self._session.state, self._wire
        if broadcast.plain_frame is not None and state is _OPEN and not wire.window:
            wire.write_frame(broadcast.plain_frame)
            return
        reply = broadcast.ws_reply
        if state is _OPEN and reply.close is None:
            frame = broadcast.ws_frame_for(wire.window)
            if frame:
                wire.write_frame(frame)
        elif state is State.CONNECTING and broadcast.position is not None:
            self._held.append(reply)
        elif state is State.OPEN or state is State.CONNECTING:
            self._feed(step.Replied(reply))

    def positioned(self, group: str, position: Position, word: str) -> None:
        """Where the socket is in a group's history: a frame without content, held like those."""
        reply = WsReply(text=position_line(group, position, word))
        if self._session.state is State.CONNECTING:
            self._held.append(reply)
        elif self._session.state is State.OPEN:
            self._feed(step.Replied(reply))

    def registration(self) -> OpenSocket | None:
        """How the layer is to know the socket."""
        return self._session.registration

    def awaited(self) -> Awaited | None:
        """The event whose answer or receipt is to come."""
        return self._session.awaited

    def lost(self, order: int) -> bool:
        """The layer lost the awaited event; whether it was sent again."""
        self._feed(step.Lost(order))
        return self._session.awaited is not None

    def missed(self) -> None:
        """Sockets go on: what has positions is asked for again, the rest was never promised."""

    def reaped(self) -> None:
        """This server was taken for dead."""
        self._feed(step.Reaped())

    def _feed(self, happened: step.Input) -> None:
        """Tell the session, then act; what happens while acting is acted on behind it."""
        actions = self._session.feed(happened, self._clock.seconds())
        if self._doing is not None:
            self._doing.extend(actions)
            return
        self._doing = actions
        try:
            for action in actions:
                self._perform(action)
        finally:
            self._doing = None
        if self._held:
            self._let_out()
        deadline = self._session.deadline
        if deadline is not None:
            self._timer.not_after(deadline)

    def _let_out(self) -> None:
        """Write what was held for the handshake, unless it waits still or came to nothing."""
        if self._session.state is State.CONNECTING:
            return
        held, self._held = self._held, []
        for reply in held:
            if self._session.state is State.OPEN:
                self._feed(step.Replied(reply))

    def _perform(self, action: step.Action) -> None:
        match action:
            case step.PlaceEvents():
                self._place(action)
            case step.Write(frame):
                window = self._wire.window
                figures = self._gateway.figures
                figures.frames_out += 1
                figures.frames_out_bytes += len(frame)
                self._wire.write_frame(deflated_frame(frame, window) if window else frame)
            case step.Accept(subprotocol):
                self._record.accepted()
                self._wire.accept(subprotocol)
            case step.RefuseHandshake(status, cause):
                self._record.refused(status, cause)
                self._wire.refuse(status)
            case step.Close(code, cause):
                self._record.closing(code, cause)
                self._wire.close(code)
            case step.PauseReading():
                self._wire.pause_reading()
            case step.ResumeReading():
                self._wire.resume_reading()
            case step.Report(level, event, facts):
                write = log.error if level == "error" else log.warning
                write(event, path=self._record.path, **dict(facts), request_id=self.request_id)
            case step.Count(what):
                self._gateway.count(what)
            case step.End():
                self._timer.stop()
                self._gateway.unregister(self._channel)
                self._on_end(self)

    def _time_passed(self) -> None:
        deadline = self._session.deadline
        if deadline is None:
            return
        if self._clock.seconds() >= deadline:
            self._feed(step.TimePassed())
        else:
            self._timer.not_after(deadline)

    def _place(self, action: step.PlaceEvents) -> None:
        operations, order = action.operations, action.order
        first = operations[0]
        if isinstance(first, CloseSocket):
            placed = self._gateway.perform(replace(first, epoch=self._gateway.epoch))
        elif len(operations) == 1:
            self._gateway.submit(first, partial(self._trouble, order))
            return
        else:
            placed = self._gateway.perform_together(operations)
        placed.addCallbacks(
            self._placed, self._unplaced, callbackArgs=(order,), errbackArgs=(order,)
        )

    def _placed(self, outcome: Outcome, order: int) -> None:
        if outcome.verdict is Verdict.FULL:
            self._feed(step.Refused(order, "full"))
        elif self._session.state is State.LEAVING:
            self._feed(step.Placed(order))

    def _unplaced(self, failure: Failure, order: int) -> None:
        self._failed(order, failure.value)

    def _trouble(self, order: int, came: Outcome | Exception) -> None:
        if isinstance(came, Outcome):
            self._placed(came, order)
        else:
            self._failed(order, came)

    def _failed(self, order: int, error: BaseException | None) -> None:
        if isinstance(error, MessageTooLarge):
            self._feed(step.Refused(order, "too_large"))
            return
        if not isinstance(error, LayerError):
            log.error("event_failed", path=self._record.path, exc_info=error)
        elif not isinstance(error, LayerUnavailable):
            log.error("event_refused", path=self._record.path, cause=str(error))
        self._feed(step.Refused(order, "away"))
