"""From this process's list to the exchange, session or group that each entry is meant for.

Keeps who listens here and who is in which group; decides nothing about what an entry says, nor
what is to be done once the layer lost data (`recovery.py`). No entry, however broken, stops it.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.python.failure import Failure

from channel_layer import entries
from channel_layer.answers import InboxBatch
from channel_layer.layer import Entry, Kind, Leave, Operation, Position
from interface_server.broadcasts import GAP, JOINED, SKIPPED, Broadcast
from interface_server.coalescing import Coalescer
from interface_server.gateway import Receiver
from interface_server.groups import NOBODYS, Device, Groups
from interface_server.recovery import Recovery, RecoveryLayer
from interface_server.wires import Clock, wait
from shared.errors import InvalidMessage
from shared.logs import get_logger

READ_COUNT = 500
"""Entries of one read: enough to fill a reactor turn, few enough to keep it short."""

RETRY_S = 1.0

_MESSAGE, _GROUP, _JOIN, _LEAVE, _RECEIPT, _GROUP_MORE, _REPLAY = Kind
"""Python 3.11 takes 0.1 µs to read a member off its class."""

log = get_logger("reply_pump")


class InboxLayer(RecoveryLayer, Protocol):
    """What the pump asks of the layer."""

    def read_inbox(self, inbox: str, acknowledge: int, count: int) -> "Deferred[InboxBatch]":
        """What lies behind the acknowledged entry; waits a while when nothing does."""


class ReplyPump:
    """Reads one inbox for ever and hands each entry on.

    `count` raises a named counter. `refresh_s`: how often all memberships are told to the layer
    again, so that they do not expire under sockets that stay. What is written goes through
    `coalescer`.
    """

    def __init__(
        self,
        clock: Clock,
        layer: InboxLayer,
        inbox: str,
        count: Callable[[str], None],
        refresh_s: float,
        coalescer: Coalescer,
    ) -> None:
        self._clock = clock
        self._coalescer = coalescer
        self._layer = layer
        self._inbox = inbox
        self._count = count
        self._receivers: dict[str, Receiver] = {}
        self._groups = Groups()
        self._recovery = Recovery(
            clock, layer, inbox, self._receivers, self._groups, count, refresh_s
        )
        self._acknowledged = 0
        self.broadcasts = self.deliveries = 0
        """Group messages that came, and members that they were handed to."""
        self._may_cross = False
        self._crossed: list[tuple[str, str]] = []
        self._running: Deferred[None] | None = None
        self._is_stopped = False

    @property
    def epoch(self) -> str:
        """The layer's epoch in which it knows this process's sockets; empty before it said one."""
        return self._recovery.epoch

    @property
    def receivers(self) -> int:
        """How many channels are registered."""
        return len(self._receivers)

    @property
    def groups(self) -> int:
        """How many groups have a member here."""
        return len(self._groups)

    @property
    def members(self) -> int:
        """How many memberships there are, over all groups."""
        return self._groups.members

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
        self._recovery.stop()
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
                await wait(self._clock, RETRY_S)

    async def _step(self) -> None:
        self._may_cross = self._may_cross or self._recovery.is_running
        batch = await self._layer.read_inbox(self._inbox, self._acknowledged, READ_COUNT)
        if batch.is_reaped:
            self._recovery.reaped()
        self._recovery.heard(batch.epoch)
        with self._coalescer.turn():
            for entry in batch.entries:
                self._acknowledged = entry.id
                self.dispatch(entry)
        self._leave_crossed()
        self._may_cross = self._may_cross and len(batch.entries) == READ_COUNT
        self._recovery.go_on()

    def dispatch(self, entry: Entry) -> None:
        """Hand one entry to whom it is meant for; whatever happens there is logged, not raised."""
        kind = entry.kind
        try:
            if kind is _MESSAGE or kind is _RECEIPT:
                receiver = self._receivers.get(entry.channel)
                if receiver is None:
                    self._nobody(entry)
                elif kind is _MESSAGE:
                    receiver.reply(entry)
                else:
                    receiver.receipt(entry)
            elif kind is _GROUP:
                self._broadcast(Broadcast(entry.channel, entry.payload))
            elif kind is _JOIN:
                self._join(entry)
            elif kind is _LEAVE:
                self._leave(entry.payload.decode("ascii"), entry.channel)
            elif kind is _GROUP_MORE:
                self._group_message(entry)
            elif kind is _REPLAY:
                self._replay(entry)
        except Exception:
            log.exception("entry_failed", kind=entry.kind.name, channel=entry.channel)
            self._count("entries_failed")

    def _nobody(self, entry: Entry) -> None:
        if entry.kind is _MESSAGE:
            log.debug("reply_to_nobody", channel=entry.channel)
            self._count("replies_to_nobody")

    def _join(self, entry: Entry) -> None:
        group, user, presence = entries.joining(entry)
        channel = entry.channel
        if channel in self._receivers:
            device = Device(user, presence) if user else NOBODYS
            self._groups.join(group, channel, device)
        else:
            self._tell(Leave(group, channel))

    def _leave(self, group: str, channel: str) -> None:
        if self._may_cross and self._groups.has(group, channel):
            self._crossed.append((group, channel))
        self._groups.leave(group, channel)

    def _leave_crossed(self) -> None:
        """End what may have been announced behind its leave, unless it was joined again."""
        for group, channel in self._crossed:
            if not self._groups.has(group, channel):
                self._tell(Leave(group, channel))
        self._crossed.clear()

    def _group_message(self, entry: Entry) -> None:
        payload, position, exclude = entries.group_message(entry)
        if position is not None:
            self._groups.seen(entry.channel, position)
        self._broadcast(Broadcast(entry.channel, payload, position), exclude)

    def _replay(self, entry: Entry) -> None:
        group, position, messages, is_gap, is_end = entries.replay(entry)
        receiver = self._receivers.get(entry.channel)
        if receiver is None:
            return
        for offset, payload in messages:
            missed = Broadcast(group, payload, Position(position.epoch, offset))
            self._give(missed, ((entry.channel, receiver),))
        if is_end:
            self._groups.seen(group, position)
            receiver.positioned(group, position, GAP if is_gap else JOINED)

    def _broadcast(self, broadcast: Broadcast, exclude: frozenset[str] = frozenset()) -> None:
        members = self._groups.members_of(broadcast.group)
        if exclude:
            for channel in members:
                if channel in exclude:
                    self._skip(broadcast, channel)
            members = tuple(channel for channel in members if channel not in exclude)
        receivers = self._receivers
        self.broadcasts += 1
        self.deliveries += self._give(
            broadcast,
            ((channel, receivers[channel]) for channel in members if channel in receivers),
        )

    def _give(self, broadcast: Broadcast, to: Iterable[tuple[str, Receiver]]) -> int:
        """Hand it to each; gives how many they are."""
        refusal: InvalidMessage | None = None
        number = 0
        for number, (channel, receiver) in enumerate(to, 1):  # noqa: B007
            try:
                receiver.broadcast(broadcast)
            except InvalidMessage as error:
                refusal = error
                self._skip(broadcast, channel)
            except Exception:
                log.exception("broadcast_failed", group=broadcast.group, channel=channel)
                self._count("entries_failed")
        if refusal is not None:
            facts = {"key": refusal.key, "expected": refusal.expected, "came": refusal.came}
            log.error("invalid_group_message", group=broadcast.group, **facts)
            self._count("invalid_replies")
        return number

    def _skip(self, broadcast: Broadcast, channel: str) -> None:
        """Tell a member that the message at this position is not for it: it misses no number."""
        receiver = self._receivers.get(channel)
        if broadcast.position is None or receiver is None:
            return
        try:
            receiver.positioned(broadcast.group, broadcast.position, SKIPPED)
        except Exception:
            log.exception("broadcast_failed", group=broadcast.group, channel=channel)
            self._count("entries_failed")

    def _tell(self, operation: Operation) -> None:
        self._layer.perform(operation).addErrback(self._untold, operation)

    def _untold(self, failure: Failure, operation: Operation) -> None:
        log.warning(
            "membership_untold", operation=type(operation).__name__, cause=str(failure.value)
        )
        self._count("memberships_untold")
