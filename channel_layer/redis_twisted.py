"""The channel layer on Redis for programs on the reactor: the interface server.

Sends of one reactor turn go in one script call; inboxes are read without being emptied, so both
ride through a lost connection. Leases are for the blocking layer.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail, gatherResults

from channel_layer.answers import InboxBatch, Outcome, Verdict
from channel_layer.asgi_calls import packed, read_lists
from channel_layer.capacities import Capacities
from channel_layer.fault_log import opened_faults
from channel_layer.layer import (
    EXTENSIONS,
    Awaited,
    Capacity,
    Join,
    Leave,
    Operation,
    Send,
    SendGroup,
)
from channel_layer.redis_address import redis_address
from channel_layer.redis_calls import ScriptArguments
from channel_layer.redis_inboxes import RedisInboxes
from channel_layer.redis_keys import RedisKeys
from channel_layer.redis_link import RedisLink
from channel_layer.redis_reader import RedisReader
from channel_layer.redis_sends import SendQueue, Trouble
from shared.channel_names import check_channel, filled_pattern
from shared.errors import ChannelFull, LayerError, MessageTooLarge
from shared.logs import get_logger
from shared.settings import LayerSettings
from shared.times import Times

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
            opened_faults(settings),
        )
        address = redis_address(settings.url)
        self._links = [
            RedisLink(reactor, address, self._keys, name, _fresh_epoch)
            for name in ("sends", "inbox", "reader")
        ]
        self._send_link, self._inbox_link, self._reader_link = self._links
        self._client = secrets.token_hex(8)
        self._sends = SendQueue(
            reactor, self._send_link, self._arguments, self._client, buffer_bytes
        )
        self._inboxes = RedisInboxes(
            reactor, self._inbox_link, self._arguments, self._keys, _fresh_epoch
        )
        self._reader = RedisReader(
            self._reader_link, self._send_link, self._arguments, self._keys, self._client
        )

    @property
    def is_up(self) -> bool:
        """Whether Redis can be reached now."""
        return self._send_link.is_up

    @property
    def buffered_bytes(self) -> int:
        """How much of what was to be performed is not known to be performed."""
        return self._sends.buffered_bytes

    @property
    def call_times(self) -> Times:
        """How long batches of operations took, each from its making to its answer."""
        return self._sends.times

    @property
    def operations(self) -> int:
        """How many operations were performed."""
        return self._sends.operations

    @property
    def reconnects(self) -> int:
        """How often a connection to Redis came back."""
        return sum(max(0, link.connects - 1) for link in self._links)

    def start(self) -> Deferred[None]:
        """Connect, for ever if need be; fires when that succeeded for the first time."""
        self._send_link.start()
        self._inbox_link.start()
        up = [self._send_link.when_up(), self._inbox_link.when_up()]
        return gatherResults(up, consumeErrors=True).addCallback(lambda _: None)

    def perform(self, operation: Operation) -> Deferred[Outcome]:
        """What became of an operation; all are performed in the order of these calls, each once.

        Waits while Redis is away. Errback: InvalidName, MessageTooLarge, LayerUnavailable when
        too much is waiting.
        """
        try:
            return self._sends.perform(self._arguments.operation(operation))
        except (LayerError, ValueError) as error:
            return fail(error)

    def submit(self, operation: Operation, trouble: Trouble) -> None:
        """As `perform`, for an operation of whose success nobody wants to hear: it costs less.

        `trouble` hears another outcome than DONE, or the error, and maybe before this returns.
        """
        try:
            packed_operation = self._arguments.operation(operation)
        except (LayerError, ValueError) as error:
            trouble(error)
        else:
            self._sends.submit(packed_operation, trouble)

    def perform_together(self, operations: Sequence[Operation]) -> Deferred[Outcome]:
        """What became of the last of several operations, which are placed in one script call.

        Sends that are `chained` to the next are placed with it or not at all. An OpenSocket right
        behind its own socket's connect is refused with it, which is then the outcome.
        Errback: as for `perform`.
        """
        try:
            return self._sends.perform(*map(self._arguments.operation, operations))
        except (LayerError, ValueError) as error:
            return fail(error)

    def perform_chain(self, sends: Sequence[Send]) -> Deferred[Outcome]:
        """What became of sends to one list that are placed as a whole or not at all.

        All but the last must be `chained`. Errback: as for `perform`.
        """
        return self.perform_together(sends)

    def heartbeat(self, inbox: str) -> Deferred[None]:
        """Say that the owner of an inbox lives; reading it says so too. Errback: as for `perform`.

        Who is silent for longer than a reaper allows is taken for dead, see `InboxBatch`.
        """
        return self._own_step(inbox, self._arguments.sign_of_life(inbox))

    def retire(self, inbox: str) -> Deferred[None]:
        """Forget an inbox whose owner ends in order; it must not be read any more.

        Sockets and memberships that are left are reaped as by death. Errback: as for `perform`.
        """
        return self._own_step(inbox, self._arguments.retirement(inbox))

    def find_lost(self, inbox: str, awaited: Sequence[Awaited]) -> Deferred[tuple[Awaited, ...]]:
        """Those of `awaited` that are nowhere: nobody will handle them, and no answer waits.

        What was performed before is placed first. What was answered, and read from the inbox,
        since `awaited` was gathered counts as lost too: who asks must see that it still waits.
        Looks through all that is under way, so it is for after a change of epoch only.
        Errback: InvalidName, LayerUnavailable, StepRefused.
        """
        return Deferred.fromCoroutine(self._find_lost(inbox, tuple(awaited)))

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
            return self._reader.receive(read_lists(channels))
        except ValueError as error:
            return fail(error)

    def read_inbox(self, inbox: str, acknowledge: int, count: int) -> Deferred[InboxBatch]:
        """Up to `count` entries behind the one with id `acknowledge`, all before it are removed.

        They stay in the inbox until a later call acknowledges them, as it wakes if nothing more was
        there. Waits for some about 10 s; an empty batch comes at once when the epoch changed.
        Errback: InvalidName; LayerUnavailable when the layer was closed.
        """
        try:
            read_lists((inbox,))
        except ValueError as error:
            return fail(error)
        return self._inboxes.read(inbox, acknowledge, count)

    def close(self) -> Deferred[None]:
        """Send what waits if that takes no longer than 2 s, then give up the connections."""
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        if self.is_up:
            await self._sends.drained().addTimeout(_CLOSE_TIMEOUT_S, self._reactor, lambda *_: None)
        self._sends.close()
        await gatherResults([link.stop() for link in self._links], consumeErrors=True)

    def _own_step(self, inbox: str, packed_operation: bytes) -> Deferred[None]:
        try:
            read_lists((inbox,))
        except ValueError as error:
            return fail(error)
        return self._sends.perform(packed_operation).addCallback(lambda _: None)

    async def _find_lost(self, inbox: str, awaited: tuple[Awaited, ...]) -> tuple[Awaited, ...]:
        await self.heartbeat(inbox)
        if not awaited:
            return ()
        await self._send_link.when_up()
        numbers = await self._send_link.run("find_lost", self._arguments.find_lost(inbox, awaited))
        return tuple(awaited[number - 1] for number in numbers)


def _fresh_epoch() -> str:
    return secrets.token_hex(8)
