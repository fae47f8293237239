"""Reading inboxes on the reactor: in place, so that an answer that is lost loses nothing.

Behind all that an inbox held, a reader waits at once and acknowledges as it wakes: one call of the
broker for each time that something came, not two. inbox.lua tells when it may.
"""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock

from channel_layer import redis_calls
from channel_layer.answers import InboxBatch
from channel_layer.redis_calls import ScriptArguments, Waiting
from channel_layer.redis_keys import RedisKeys
from channel_layer.redis_link import MAX_BLOCK_MS, RedisLink
from shared.errors import LayerUnavailable
from shared.logs import get_logger

_HELD_MS = 1000
"""What was handled is acknowledged within this time, also where nothing more comes."""

_PAUSE_MS = 100
"""Between two looks at an inbox that holds only what cannot be read, and much of it."""

_NOTHING = (0, -1), Waiting(0)

log = get_logger("channel_layer")


class RedisInboxes:
    """Reads over `link`, one call at a time. `fresh_epoch` gives another random text each time."""

    def __init__(
        self,
        reactor: Any,
        link: RedisLink,
        arguments: ScriptArguments,
        keys: RedisKeys,
        fresh_epoch: Callable[[], str],
    ) -> None:
        self._reactor = reactor
        self._link = link
        self._arguments = arguments
        self._keys = keys
        self._fresh_epoch = fresh_epoch
        self._lock = DeferredLock()
        self._epochs: dict[str, str] = {}
        self._given: dict[str, tuple[tuple[int, int], Waiting]] = {}
        """The last entry that came from each inbox and over which connection, and how long the next
        look may wait."""

    def read(self, inbox: str, acknowledge: int, count: int) -> Deferred[InboxBatch]:
        """As `TwistedLayer.read_inbox`. Errback: LayerUnavailable when the link was stopped."""
        return self._lock.run(lambda: Deferred.fromCoroutine(self._read(inbox, acknowledge, count)))

    async def _read(self, inbox: str, acknowledge: int, count: int) -> InboxBatch:
        last_epoch = self._epochs.get(inbox, "")
        fresh = self._fresh_epoch()
        argument = self._arguments.inbox(inbox, acknowledge, last_epoch, count, fresh)
        given, waiting = self._given.pop(inbox, _NOTHING)
        ends_s = self._reactor.seconds() + MAX_BLOCK_MS / 1000
        await self._link.when_up()
        wait_ms = waiting.cut(_HELD_MS) if given == (acknowledge, self._link.connects) else 0
        while True:
            try:
                wake = [self._keys.wake(inbox)]
                reply = await self._link.wait_and_run(wake, wait_ms, "inbox", argument)
            except LayerUnavailable:
                wait_ms = 0
                await self._link.when_up()
                continue
            waiting, batch, unreadable = redis_calls.inbox_read(reply, acknowledge, count)
            if unreadable:
                log.error("unreadable_entries", inbox=inbox, count=unreadable)
            left_ms = round((ends_s - self._reactor.seconds()) * 1000)
            if batch.entries or left_ms <= 0 or batch.epoch != last_epoch:
                self._epochs[inbox] = batch.epoch
                if batch.entries:
                    self._given[inbox] = (batch.entries[-1].id, self._link.connects), waiting
                return batch
            wait_ms = max(waiting.cut(left_ms), _PAUSE_MS if unreadable else 0)
