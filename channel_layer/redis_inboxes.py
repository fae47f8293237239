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

_UNKNOWN = -1, Waiting(0)

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
        self._given: dict[str, tuple[int, Waiting]] = {}
        """The last entry that came from each inbox, and how long the next look may wait."""

    def read(self, inbox: str, acknowledge: int, count: int) -> Deferred[InboxBatch]:
        """As `TwistedLayer.read_inbox`. Errback: LayerUnavailable when the link was stopped."""
        return self._lock.run(lambda: Deferred.fromCoroutine(self._read(inbox, acknowledge, count)))

    async def _read(self, inbox: str, acknowledge: int, count: int) -> InboxBatch:
        last_epoch = self._epochs.get(inbox, "")
        fresh = self._fresh_epoch()
        argument = self._arguments.inbox(inbox, acknowledge, last_epoch, count, fresh)
        given_id, waiting = self._given.pop(inbox, _UNKNOWN)
        wait_ms = waiting.cut(MAX_BLOCK_MS) if given_id == acknowledge else 0
        ends_s = self._reactor.seconds() + MAX_BLOCK_MS / 1000
        while True:
            await self._link.when_up()
            try:
                wake = [self._keys.wake(inbox)]
                reply = await self._link.wait_and_run(wake, wait_ms, "inbox", argument)
            except LayerUnavailable:
                wait_ms = 0
                continue
            waiting, batch, unreadable = redis_calls.inbox_read(reply, acknowledge, count)
            if unreadable:
                log.error("unreadable_entries", inbox=inbox, count=unreadable)
            is_over = batch.entries or self._reactor.seconds() >= ends_s
            if is_over or batch.epoch != last_epoch:
                self._epochs[inbox] = batch.epoch
                if batch.entries:
                    self._given[inbox] = batch.entries[-1].id, waiting
                return batch
            wait_ms = waiting.cut(MAX_BLOCK_MS)
