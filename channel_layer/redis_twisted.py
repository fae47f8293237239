"""The channel layer on Redis for programs on the reactor: the interface server.

Sends of one reactor turn go in one script call; inboxes are read without being emptied, so both
ride through a lost connection. Leases are for the blocking layer.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock, fail, gatherResults

from channel_layer import redis_calls
from channel_layer.arrivals import Arrivals
from channel_layer.asgi_calls import packed, read_lists
from channel_layer.capacities import Capacities
from channel_layer.layer import (
    EXTENSIONS,
    Capacity,
    InboxBatch,
    Join,
    Leave,
    Operation,
    Outcome,
    Send,
    SendGroup,
    Verdict,
)
from channel_layer.redis_address import redis_address
from channel_layer.redis_calls import ReadBefore, ScriptArguments
from channel_layer.redis_keys import RedisKeys
from channel_layer.redis_link import MAX_BLOCK_MS, RedisLink, StepRefused
from channel_layer.redis_sends import SendQueue
from shared.channel_names import check_channel, filled_pattern, list_name
from shared.errors import ChannelFull, InvalidMessage, LayerError, LayerUnavailable, MessageTooLarge
from shared.logs import get_logger
from shared.settings import LayerSettings

BUFFER_BYTES = 64 * 1024 * 1024
"""How much may wait for Redis while it is away."""

_CLOSE_TIMEOUT_S = 2.0

log = get_logger("channel_layer")


class TwistedLayer:
    """The layer for the reactor. Every call but `start` may be made before it is connected."""

    ChannelFull = ChannelFull
    MessageTooLarge = MessageTooLarge
    extensions = (*(name for name in EXTENSIONS if name == "groups"), "twisted")

    def __init__(
        self,
        reactor: Any,
        settings: LayerSettings,
        *,
        buffer_bytes: int = BUFFER_BYTES,
        capacities: Capacities | None = None,
    ) -> None:
        self.group_expiry = settings.group_expiry_s
        usual = Capacity(settings.capacity, settings.capacity_bytes)
        self._reactor = reactor
        self._keys = RedisKeys(settings.prefix)
        self._arguments = ScriptArguments(
            settings.expiry_s * 1000,
            settings.group_expiry_s * 1000,
            capacities or Capacities(usual, settings.channel_capacity),
        )
        self._epoch = secrets.token_hex(8)
        address = redis_address(settings.url)
        self._send_link, self._inbox_link, self._reader_link = (
            RedisLink(reactor, address, self._keys, name, self._epoch)
            for name in ("sends", "inbox", "reader")
        )
        self._client = secrets.token_hex(8)
        self._sends = SendQueue(
            reactor, self._send_link, self._arguments, self._client, buffer_bytes
        )
        self._inboxes: dict[str, tuple[str, ReadBefore]] = {}
        self._inbox_lock, self._reader_lock = DeferredLock(), DeferredLock()
        self._arrivals = Arrivals()
        self._turn = 0

    @property
    def is_up(self) -> bool:
        """Whether Redis can be reached now."""
        return self._send_link.is_up

    @property
    def buffered_bytes(self) -> int:
        """How much of what was to be performed is not known to be performed."""
        return self._sends.buffered_bytes

    def start(self) -> Deferred[None]:
        """Connect, for ever if need be; fires when that succeeded for the first time."""
        self._send_link.start()
        self._inbox_link.start()
        both = gatherResults(
            [self._send_link.when_up(), self._inbox_link.when_up()], consumeErrors=True
        )
        return both.addCallback(lambda _: None)

    def perform(self, operation: Operation) -> Deferred[Outcome]:
        """What became of an operation; all are performed in the order of these calls, each once.

        Waits while Redis is away. Errback: InvalidName, MessageTooLarge, LayerUnavailable when
        too much is waiting.
        """
        try:
            return self._sends.perform(self._arguments.operation(operation))
        except (LayerError, ValueError) as error:
            return fail(error)

    def perform_chain(self, sends: Sequence[Send]) -> Deferred[Outcome]:
        """What became of sends to one list that are placed as a whole or not at all.

        All but the last must be `chained`. Errback: as for `perform`.
        """
        try:
            return self._sends.perform(*map(self._arguments.operation, sends))
        except (LayerError, ValueError) as error:
            return fail(error)

    def send(self, channel: str, message: Mapping[str, Any]) -> Deferred[None]:
        """Put a message on a channel. Errback: ChannelFull, MessageTooLarge, InvalidName."""

        def checked(outcome: Outcome) -> None:
            if outcome.verdict is Verdict.FULL:
                raise ChannelFull(channel)

        try:
            operation = Send(check_channel(channel), packed(message))
        except (LayerError, ValueError) as error:
            return fail(error)
        return self.perform(operation).addCallback(checked)

    def send_group(self, group: str, message: Mapping[str, Any]) -> Deferred[None]:
        """Send to every member of a group. Errback: MessageTooLarge, InvalidName."""
        try:
            operation = SendGroup(group, packed(message))
        except (LayerError, ValueError) as error:
            return fail(error)
        return self.perform(operation).addCallback(lambda _: None)

    def group_add(self, group: str, channel: str) -> Deferred[None]:
        """Add or refresh a membership. Errback: InvalidName."""
        return self.perform(Join(group, channel)).addCallback(lambda _: None)

    def group_discard(self, group: str, channel: str) -> Deferred[None]:
        """End a membership; no error if there is none. Errback: InvalidName."""
        return self.perform(Leave(group, channel)).addCallback(lambda _: None)

    def new_channel(self, pattern: str) -> str:
        """An unused single-reader name; `pattern` ends in `?`. Raises: InvalidName."""
        return filled_pattern(pattern, secrets.token_urlsafe(12))

    def receive_twisted(
        self, channels: Iterable[str]
    ) -> Deferred[tuple[str | None, dict[str, Any] | None]]:
        """One message from one of the channels, at most once; (None, None) after about 10 s.

        Calls wait for each other. What arrives for a cancelled call goes to a later one.
        Errback: InvalidName, LayerUnavailable when the connection is lost meanwhile.
        """
        try:
            lists = read_lists(channels)
        except ValueError as error:
            return fail(error)
        self._reader_link.start()
        asked: Deferred[tuple[str | None, dict[str, Any] | None]] = Deferred(self._end_reading)
        reading = self._reader_lock.run(lambda: Deferred.fromCoroutine(self._receive(lists)))
        reading.addCallbacks(self._hand_out, _fail, (asked,), {}, (asked,), {})
        return asked

    def read_inbox(self, inbox: str, acknowledge: int, count: int) -> Deferred[InboxBatch]:
        """Up to `count` entries behind the one with id `acknowledge`, all before it are removed.

        They stay in the inbox until a later call acknowledges them. Waits until there are some,
        or for about 10 s; gives an empty batch at once when the epoch is another than before.
        Errback: InvalidName; LayerUnavailable when the layer was closed.
        """
        try:
            read_lists((inbox,))
        except ValueError as error:
            return fail(error)
        return self._inbox_lock.run(
            lambda: Deferred.fromCoroutine(self._read(inbox, acknowledge, count))
        )

    def close(self) -> Deferred[None]:
        """Send what waits if that takes no longer than 2 s, then give up the connections."""
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        if self.is_up:
            await self._sends.drained().addTimeout(_CLOSE_TIMEOUT_S, self._reactor, lambda *_: None)
        self._sends.close()
        links = (self._send_link, self._inbox_link, self._reader_link)
        await gatherResults([link.stop() for link in links], consumeErrors=True)

    async def _read(self, inbox: str, acknowledge: int, count: int) -> InboxBatch:
        last_epoch, before = self._inboxes.get(inbox, ("", ReadBefore()))
        argument = self._arguments.inbox(inbox, acknowledge, before, count, self._epoch)
        wait_ms, has_waited = 0, False
        while True:
            await self._inbox_link.when_up()
            try:
                reply = await self._wait_and_run(
                    self._inbox_link, [inbox], wait_ms, "inbox", argument
                )
            except StepRefused:
                raise
            except LayerUnavailable:
                wait_ms = 0
                continue
            waiting, batch, before = redis_calls.inbox_read(reply)
            if batch.entries or has_waited or batch.epoch != last_epoch:
                self._inboxes[inbox] = (batch.epoch, before)
                return batch
            has_waited = wait_ms > 0
            wait_ms = waiting.cut(MAX_BLOCK_MS)

    async def _receive(self, lists: list[str]) -> tuple[str | None, dict[str, Any] | None]:
        wait_ms, has_waited = 0, False
        while True:
            ready = self._arrivals.ready(lists)
            if ready is not None:
                return ready
            if has_waited:
                return None, None
            await self._reader_link.when_up()
            self._turn += 1
            argument = self._arguments.receive(lists, self._turn)
            reply = await self._wait_and_run(self._reader_link, lists, wait_ms, "receive", argument)
            waiting, popped = redis_calls.received(reply)
            has_waited = wait_ms > 0
            wait_ms = waiting.cut(MAX_BLOCK_MS)
            if popped is not None:
                has_waited, wait_ms = False, 0
                try:
                    self._arrivals.take_in(*popped)
                except InvalidMessage as error:
                    log.warning("unreadable_message", channel=popped[1].channel, cause=str(error))

    def _hand_out(
        self,
        received: tuple[str | None, dict[str, Any] | None],
        asked: Deferred[tuple[str | None, dict[str, Any] | None]],
    ) -> None:
        if not asked.called:
            asked.callback(received)
        elif received[0] is not None and received[1] is not None:
            self._arrivals.keep(list_name(received[0]), (received[0], received[1]))

    def _end_reading(self, _: object) -> None:
        poke = self._send_link.command("RPUSH", self._keys.poke(self._client), "1")
        poke.addErrback(_pass_over)

    def _wait_and_run(
        self, link: RedisLink, lists: list[str], wait_ms: int, name: str, argument: bytes
    ) -> Deferred[Any]:
        if wait_ms <= 0:
            return link.run(name, argument)
        keys = [self._keys.wake(one) for one in lists]
        if link is self._reader_link:
            keys.insert(0, self._keys.poke(self._client))
        return link.wait_and_run(keys, wait_ms, name, argument)


def _fail(failure: Any, asked: Deferred[Any]) -> None:
    if not asked.called:
        asked.errback(failure)


def _pass_over(failure: Any) -> None:
    # Without a connection nothing waits that could be ended.
    failure.trap(LayerUnavailable)
