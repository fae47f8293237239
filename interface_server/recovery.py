"""What this process tells and asks the layer again: now and then, and when it may have lost data.

Registrations, memberships, and which awaited events are gone. Reads no entry, and decides nothing
for a receiver: what a lost event means to it is the receiver's own.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import CancelledError, Deferred, DeferredList, ensureDeferred
from twisted.python.failure import Failure

from channel_layer.answers import Outcome
from channel_layer.layer import Awaited, Join, Leave, OpenSocket, Operation, Position
from interface_server.gateway import Receiver
from interface_server.groups import Groups
from interface_server.wires import Clock, wait
from shared.errors import LayerError
from shared.logs import get_logger

AT_ONCE = 500
"""Steps that are under way together: one script call, as many as the layer takes in one."""

MISSED_AT_ONCE = 16
"""The same of joins that ask for what was missed: to each the layer may answer with much."""

RETRY_S = 1.0

_T = TypeVar("_T")

log = get_logger("recovery")


class RecoveryLayer(Protocol):
    """What is asked of the layer."""

    def perform(self, operation: Operation) -> "Deferred[Outcome]":
        """One step, in order."""

    def find_lost(self, inbox: str, awaited: Sequence[Awaited]) -> "Deferred[tuple[Awaited, ...]]":
        """Those of the awaited events that are nowhere, behind all steps before this call."""


class Recovery:
    """Keeps what the layer knows of this process complete.

    `receivers` and `groups` are the pump's. `refresh_s`: how often all memberships are told again
    although nothing was lost, so that they do not expire under sockets that stay.
    """

    def __init__(
        self,
        clock: Clock,
        layer: RecoveryLayer,
        inbox: str,
        receivers: Mapping[str, Receiver],
        groups: Groups,
        count: Callable[[str], None],
        refresh_s: float,
    ) -> None:
        self._clock = clock
        self._layer = layer
        self._inbox = inbox
        self._receivers = receivers
        self._groups = groups
        self._count = count
        self._refresh_s = refresh_s
        self._refreshed_at = clock.seconds()
        self._has_lost = False
        self._had_seen: dict[str, Position] = {}
        self._heard = ""
        self._task: Deferred[None] | None = None
        self._is_running = False
        self._is_stopped = False
        self.epoch = ""
        """The one in which all sockets were registered: who is missing in a later one was lost."""

    def reaped(self) -> None:
        """This process was taken for dead: receivers hear of it, then all is told again."""
        log.warning("taken_for_dead", receivers=len(self._receivers))
        self._count("reaped")
        self._lose()
        for channel in tuple(self._receivers):
            if self._ask(channel, _registration) is not None:
                self._leave_all(channel)
            self._ask(channel, _reaped)

    def heard(self, epoch: str) -> None:
        """The layer's epoch came with entries, which are not handled yet."""
        if epoch == self._heard:
            return
        if self._heard:
            # What stands behind the dot is the inbox's own: it was reaped, or not read for long.
            is_layers = epoch.partition(".")[0] != self._heard.partition(".")[0]
            event = "layer_lost_data" if is_layers else "inbox_lost_data"
            log.warning(event, groups=len(self._groups))
            self._count("epochs" if is_layers else "inbox_epochs")
            self._lose()
            for channel in tuple(self._receivers):
                self._ask(channel, _missed)
        else:
            self.epoch = epoch
        self._heard = epoch

    def go_on(self) -> None:
        """Begin what has become due, unless it is under way."""
        if self._is_due and not self._is_running and not self._is_stopped:
            self._is_running = True
            self._task = ensureDeferred(self._run()).addErrback(_ended)

    def stop(self) -> None:
        """Tell and ask nothing more."""
        self._is_stopped = True
        if self._task is not None:
            self._task.cancel()

    @property
    def is_running(self) -> bool:
        """Whether the layer is just being told what may have changed meanwhile."""
        return self._is_running

    def _leave_all(self, channel: str) -> None:
        """A socket that is about to close misses nothing of its groups."""
        for group in self._groups.leave_all(channel):
            self._layer.perform(Leave(group, channel)).addErrback(_unheard)

    def _lose(self) -> None:
        """Note what members had seen before: from there on they are told what they missed."""
        self._has_lost = True
        self._had_seen = {**self._groups.positions(), **self._had_seen}

    @property
    def _is_due(self) -> bool:
        return self._has_lost or self._clock.seconds() - self._refreshed_at > self._refresh_s

    async def _run(self) -> None:
        try:
            while self._is_due and not self._is_stopped:
                await self._try()
        finally:
            self._is_running = False

    async def _try(self) -> None:
        has_lost, self._has_lost = self._has_lost, False
        try:
            if has_lost:
                await self._recover()
            else:
                await self._announce({}, is_refresh=True)
        except CancelledError:
            raise
        except Exception as error:
            self._has_lost = self._has_lost or has_lost
            write = log.warning if isinstance(error, LayerError) else log.exception
            write("announcement_failed", cause=str(error), retry_s=RETRY_S)
            await wait(self._clock, RETRY_S)
        else:
            self._refreshed_at = self._clock.seconds()

    async def _recover(self) -> None:
        epoch = self._heard
        sockets = await self._register()
        self.epoch = epoch
        had_seen = self._had_seen
        memberships = await self._announce(had_seen)
        if not self._has_lost:
            self._had_seen = {}
        asked = [self._ask(channel, _awaited) for channel in tuple(self._receivers)]
        awaited = [event for event in asked if event is not None]
        lost = await self._layer.find_lost(self._inbox, awaited) if awaited else ()
        again = [self._ask(event.channel, partial(_lost, event.order)) for event in lost]
        log.warning(
            "announced_anew",
            sockets=sockets,
            memberships=memberships,
            awaited=len(awaited),
            lost=len(lost),
            sent_again=again.count(True),
        )

    async def _register(self) -> int:
        """Tell the layer all sockets; how many."""
        told = 0
        for handful in _handfuls(tuple(self._receivers)):
            asked = [self._ask(channel, _registration) for channel in handful]
            operations = [operation for operation in asked if operation is not None]
            await self._perform(operations)
            told += len(operations)
        return told

    async def _announce(self, had_seen: Mapping[str, Position], *, is_refresh: bool = False) -> int:
        """Tell the layer all memberships, and ask for what members missed; how many they are.

        A refresh begins none: what the layer does not know just ended there.
        """
        told, groups = 0, self._groups
        pairs = tuple(groups.memberships())
        asking = [pair for pair in pairs if pair[0] in had_seen]
        telling = [pair for pair in pairs if pair[0] not in had_seen]
        for handful in (*_handfuls(asking, MISSED_AT_ONCE), *_handfuls(telling)):
            joins = [
                Join(
                    *(group, channel, True, had_seen.get(group)),
                    *groups.device(group, channel),
                    is_refresh,
                )
                for group, channel in handful
                if channel in self._receivers and groups.has(group, channel)
            ]
            await self._perform(joins)
            told += len(joins)
        return told

    async def _perform(self, operations: Sequence[Operation]) -> None:
        answers = [self._layer.perform(operation) for operation in operations]
        results: list[tuple[bool, Any]] = await DeferredList(answers, consumeErrors=True)
        for is_done, result in results:
            if not is_done:
                result.raiseException()

    def _ask(self, channel: str, ask: Callable[[Receiver], _T]) -> _T | None:
        """What the channel's receiver says; None when there is none, or when it fails."""
        receiver = self._receivers.get(channel)
        if receiver is None:
            return None
        try:
            return ask(receiver)
        except Exception:
            log.exception("receiver_failed", channel=channel)
            self._count("entries_failed")
            return None


def _registration(receiver: Receiver) -> OpenSocket | None:
    return receiver.registration()


def _missed(receiver: Receiver) -> None:
    receiver.missed()


def _reaped(receiver: Receiver) -> None:
    receiver.reaped()


def _awaited(receiver: Receiver) -> Awaited | None:
    return receiver.awaited()


def _lost(order: int, receiver: Receiver) -> bool:
    return receiver.lost(order)


def _unheard(failure: Failure) -> None:
    log.warning("membership_untold", operation="Leave", cause=str(failure.value))


def _ended(failure: Failure) -> None:
    if not isinstance(failure.value, CancelledError):
        log.error("recovery_ended", traceback=failure.getTraceback())


def _handfuls(whole: Sequence[_T], most: int = AT_ONCE) -> Iterator[Sequence[_T]]:
    return (whole[at : at + most] for at in range(0, len(whole), most))
