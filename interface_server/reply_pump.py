"""From this process's list to the exchange, session or group that each entry is meant for.

Keeps who listens here and who is in which group; decides nothing about what an entry says. No
entry, however broken, stops it.
"""

from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred, ensureDeferred, gatherResults
from twisted.python.failure import Failure

from channel_layer.layer import Entry, InboxBatch, Join, Kind, Leave, Operation, Outcome
from interface_server.gateway import Broadcast, Receiver
from interface_server.groups import Groups
from interface_server.wires import Clock
from shared.errors import InvalidMessage
from shared.logs import get_logger

READ_COUNT = 500
"""Entries of one read: enough to fill a reactor turn, few enough to keep it short."""

ANNOUNCE_AT_ONCE = 500
RETRY_S = 1.0

_MESSAGE, _GROUP, _JOIN, _LEAVE, _RECEIPT = Kind
"""Python 3.11 takes 0.1 µs to read a member off its class."""

log = get_logger("reply_pump")


class InboxLayer(Protocol):
    """What the pump asks of the layer."""

    def perform(self, operation: Operation) -> "Deferred[Outcome]":
        """One step, in order."""

    def read_inbox(self, inbox: str, acknowledge: int, count: int) -> "Deferred[InboxBatch]":
        """What lies behind the acknowledged entry; waits a while when nothing does."""


class ReplyPump:
    """Reads one inbox for ever and hands each entry on.

    `count` raises a named counter. `refresh_s`: how often all memberships are told to the layer
    again, so that they do not expire under sockets that stay.
    """

    def __init__(
        self,
        clock: Clock,
        layer: InboxLayer,
        inbox: str,
        count: Callable[[str], None],
        refresh_s: float,
    ) -> None:
        self._clock = clock
        self._layer = layer
        self._inbox = inbox
        self._count = count
        self._refresh_s = refresh_s
        self._refreshed_at = clock.seconds()
        self._has_lost = False
        self._receivers: dict[str, Receiver] = {}
        self._groups = Groups()
        self._epoch: str | None = None
        self._acknowledged = 0
        self._running: Deferred[None] | None = None
        self._is_stopped = False

    @property
    def receivers(self) -> int:
        """How many channels are registered."""
        return len(self._receivers)

    @property
    def groups(self) -> int:
        """How many groups have a member here."""
        return len(self._groups)

    def register(self, channel: str, receiver: Receiver) -> None:
        """Let `receiver` hear what comes for `channel`."""
        self._receivers[channel] = receiver

    def unregister(self, channel: str) -> None:
        """Stop that; the channel leaves its groups."""
        if self._receivers.pop(channel, None) is not None:
            for group in self._groups.leave_all(channel):
                self._tell(Leave(group, channel))

    def start(self) -> None:
        """Begin to read."""
        self._running = ensureDeferred(self._run())

    def stop(self) -> None:
        """Read no more."""
        self._is_stopped = True
        if self._running is not None:
            self._running.cancel()

    async def _run(self) -> None:
        while True:
            try:
                await self._step()
            except Exception:
                if self._is_stopped:
                    return
                log.exception("inbox_read_failed", inbox=self._inbox, retry_s=RETRY_S)
                await _wait(self._clock, RETRY_S)

    async def _step(self) -> None:
        batch = await self._layer.read_inbox(self._inbox, self._acknowledged, READ_COUNT)
        if batch.epoch != self._epoch:
            if self._epoch is not None:
                log.warning("layer_lost_data", memberships=len(self._groups))
                self._count("epochs")
                self._has_lost = True
            self._epoch = batch.epoch
        for entry in batch.entries:
            self._acknowledged = entry.id
            self.dispatch(entry)
        if self._has_lost or self._clock.seconds() - self._refreshed_at > self._refresh_s:
            await self._announce()

    def dispatch(self, entry: Entry) -> None:
        """Hand one entry to whom it is meant for; whatever happens there is logged, not raised."""
        kind = entry.kind
        try:
            if kind is _MESSAGE or kind is _RECEIPT:
                self._reply(entry)
            elif kind is _GROUP:
                self._broadcast(entry)
            elif kind is _JOIN:
                self._join(entry.payload.decode("ascii"), entry.channel)
            else:
                self._groups.leave(entry.payload.decode("ascii"), entry.channel)
        except Exception:
            log.exception("entry_failed", kind=entry.kind.name, channel=entry.channel)
            self._count("entries_failed")

    def _reply(self, entry: Entry) -> None:
        receiver = self._receivers.get(entry.channel)
        if receiver is None:
            if entry.kind is _MESSAGE:
                log.debug("reply_to_nobody", channel=entry.channel)
                self._count("replies_to_nobody")
        elif entry.kind is _RECEIPT:
            receiver.receipt(entry)
        else:
            receiver.reply(entry)

    def _join(self, group: str, channel: str) -> None:
        if channel in self._receivers:
            self._groups.join(group, channel)
        else:
            self._tell(Leave(group, channel))

    def _broadcast(self, entry: Entry) -> None:
        broadcast = Broadcast(entry.channel, entry.payload)
        refusal: InvalidMessage | None = None
        for channel in self._groups.members_of(entry.channel):
            receiver = self._receivers.get(channel)
            if receiver is None:
                continue
            try:
                receiver.broadcast(broadcast)
            except InvalidMessage as error:
                refusal = error
            except Exception:
                log.exception("broadcast_failed", group=entry.channel, channel=channel)
                self._count("entries_failed")
        if refusal is not None:
            facts = {"key": refusal.key, "expected": refusal.expected, "came": refusal.came}
            log.error("invalid_group_message", group=entry.channel, **facts)
            self._count("invalid_replies")

    async def _announce(self) -> None:
        """Tell the layer all memberships of this process again, in handfuls."""
        handful: list[Deferred[Outcome]] = []
        for group, channel in self._groups.memberships():
            if channel in self._receivers:
                join = Join(group, channel, is_known=True)
                handful.append(self._layer.perform(join))
            if len(handful) == ANNOUNCE_AT_ONCE:
                await gatherResults(handful, consumeErrors=True)
                handful = []
        await gatherResults(handful, consumeErrors=True)
        self._has_lost = False
        self._refreshed_at = self._clock.seconds()

    def _tell(self, operation: Operation) -> None:
        self._layer.perform(operation).addErrback(self._untold, operation)

    def _untold(self, failure: Failure, operation: Operation) -> None:
        log.warning(
            "membership_untold", operation=type(operation).__name__, cause=str(failure.value)
        )
        self._count("memberships_untold")


def _wait(clock: Clock, seconds: float) -> Deferred[None]:
    over: Deferred[None] = Deferred()
    clock.callLater(seconds, _fire, over)
    return over


def _fire(over: Deferred[None]) -> None:
    if not over.called:
        over.callback(None)
