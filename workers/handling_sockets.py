"""A socket's events from their entries to the steps that its handlers ask for.

Events that came chained are handled in order, each finding the state that the one before left.
Committing the result is the worker's part.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from channel_layer.layer import Done, Entry, Operation, Send, SendReceipt
from shared import codec
from shared.channel_names import check_channel
from shared.errors import InvalidMessage, InvalidName
from shared.logs import get_logger
from shared.messages import (
    REAPED_CODE,
    REAPED_ORDER,
    Receipt,
    WsConnect,
    WsDisconnect,
    WsReply,
)
from workers.consumers import SocketMessage, socket_event
from workers.figures import Figures
from workers.handling_pages import Begin
from workers.outbox import CLOSE_GOING_WRONG, Outbox
from workers.routing import (
    WEBSOCKET_CONNECT,
    WEBSOCKET_DISCONNECT,
    WEBSOCKET_RECEIVE,
    App,
    SocketHandler,
    SocketMatch,
)

_DECODERS: Mapping[str, Callable[[bytes], SocketMessage]] = {
    WEBSOCKET_CONNECT: codec.decode_ws_connect,
    WEBSOCKET_RECEIVE: codec.decode_ws_receive,
    WEBSOCKET_DISCONNECT: codec.decode_ws_disconnect,
}

_RECEIPT = codec.encode(Receipt("done"))

log = get_logger("workers.sockets")


@dataclass(slots=True)
class _Turn:
    """What a chain of events has come to so far; `changed_by` is the one that left `state`."""

    state: bytes | None = None
    changed_by: SocketMessage | None = None
    is_broken: bool = False


@dataclass(frozen=True, slots=True)
class Sockets:
    """Runs the socket handlers of `app`."""

    app: App
    figures: Figures = field(default_factory=Figures)

    def handle(self, chain: tuple[Entry, ...], begin: Begin) -> tuple[Done, ...]:
        """The steps that each event of one socket's chain ends with, in order.

        The last one carries the receipt with the state that all of them left. After a failure
        the rest of the chain is passed over.
        """
        turn = _Turn()
        steps = [() if turn.is_broken else self._run(entry, turn, begin) for entry in chain]
        return _dones(chain, steps, turn)

    def failure(self, chain: tuple[Entry, ...]) -> tuple[Done, ...]:
        """The steps that close the socket in place of what could not be done."""
        last = chain[-1]
        message = _decoded(last)
        closing: tuple[Operation, ...] = ()
        if message is not None and last.channel == WEBSOCKET_RECEIVE:
            closing = (_closing(message.reply_channel)._replace(urgent=True),)
        return _dones(chain, [*((),) * (len(chain) - 1), closing], _Turn(), force=True)

    def _run(self, entry: Entry, turn: _Turn, begin: Begin) -> tuple[Operation, ...]:
        message = _decoded(entry)
        if message is None:
            turn.is_broken = True
            self.figures.failed(entry.channel, "event_unreadable")
            return ()
        match = self.app.match_socket(message.path)
        handler = match.route.handler_of(entry.channel) if isinstance(match, SocketMatch) else None
        if handler is None or not isinstance(match, SocketMatch):
            if entry.channel != WEBSOCKET_CONNECT:
                return ()
            return (Send(message.reply_channel, codec.encode(WsReply(accept=False))),)
        outbox = Outbox(message.reply_channel)
        begin(match.route.timeout_s)
        if _called(handler, message, match.params, turn.state, entry.attempt, outbox):
            if outbox.new_state is not None:
                turn.state, turn.changed_by = outbox.new_state, message
            return outbox.operations
        turn.is_broken = True
        self.figures.failed(entry.channel, "handler_failed")
        return (_closing(message.reply_channel),) if entry.channel == WEBSOCKET_RECEIVE else ()


def _called(
    handler: SocketHandler,
    message: SocketMessage,
    params: Mapping[str, str | int],
    carried: bytes | None,
    attempt: int,
    outbox: Outbox,
) -> bool:
    """Whether the handler came to its end."""
    try:
        state = b"" if isinstance(message, WsConnect) else message.state
        if carried is not None:
            state = carried
        handler(socket_event(message, params, state, attempt), outbox)
    except (Exception, SystemExit):
        log.error(
            "handler_failed",
            path=message.path,
            socket=message.reply_channel,
            order=message.order,
            exc_info=True,
        )
        return False
    return True


def _dones(
    chain: tuple[Entry, ...],
    steps: Sequence[tuple[Operation, ...]],
    turn: _Turn,
    force: bool = False,
) -> tuple[Done, ...]:
    entry, operations = chain[-1], steps[-1]
    if entry.receipt:
        operations = (*operations, _receipt(entry, turn))
    last = Done(entry.id, operations, force)
    if len(chain) == 1:
        return (last,)
    before = [Done(one.id, own, force) for one, own in zip(chain, steps[:-1], strict=False)]
    return (*before, last)


def _receipt(entry: Entry, turn: _Turn) -> SendReceipt:
    if turn.state is None:
        return SendReceipt(entry.receipt, _RECEIPT, entry.order)
    receipt = codec.encode(Receipt("done", state=turn.state))
    return SendReceipt(entry.receipt, receipt, entry.order, _farewell(turn))


def _farewell(turn: _Turn) -> bytes | None:
    """What is to be said of the socket should its server die, where its state changed."""
    message = turn.changed_by
    if message is None or turn.state is None or isinstance(message, WsDisconnect):
        return None
    channel, path = message.reply_channel, message.path
    return codec.encode(WsDisconnect(channel, path, REAPED_ORDER, REAPED_CODE, turn.state))


def _closing(channel: str) -> Send:
    return Send(channel, codec.encode(WsReply(close=CLOSE_GOING_WRONG)))


def _decoded(entry: Entry) -> SocketMessage | None:
    try:
        message = _DECODERS[entry.channel](entry.payload)
        check_channel(message.reply_channel)
    except (InvalidMessage, InvalidName) as error:
        log.error("event_unreadable", channel=entry.channel, entry=entry.id, reason=str(error))
        return None
    return message
