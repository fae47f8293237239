"""Plain reading on the reactor: `receive` of one message at a time, over a connection of its own.

Inboxes are read by `redis_inboxes.py`, which does not empty them; here what is read is gone.
"""

from typing import Any

from twisted.internet.defer import Deferred, DeferredLock

from channel_layer import redis_calls
from channel_layer.arrivals import Arrivals
from channel_layer.redis_calls import ScriptArguments
from channel_layer.redis_keys import RedisKeys
from channel_layer.redis_link import MAX_BLOCK_MS, RedisLink
from shared.channel_names import list_name
from shared.errors import InvalidMessage, LayerUnavailable
from shared.logs import get_logger

Received = tuple[str | None, dict[str, Any] | None]
"""A channel and the message that came on it, or twice None."""

log = get_logger("channel_layer")


class RedisReader:
    """Receives over `link`, one call at a time; a waiting one is ended over `pokes`.

    `client` names it to the broker and no other one.
    """

    def __init__(
        self,
        link: RedisLink,
        pokes: RedisLink,
        arguments: ScriptArguments,
        keys: RedisKeys,
        client: str,
    ) -> None:
        self._link = link
        self._pokes = pokes
        self._arguments = arguments
        self._keys = keys
        self._poke = keys.poke(client)
        self._lock = DeferredLock()
        self._arrivals = Arrivals()
        self._turn = 0

    def receive(self, lists: list[str]) -> Deferred[Received]:
        """One message from one of the lists, at most once; (None, None) after about 10 s.

        Calls wait for each other. What arrives for a cancelled call goes to a later one.
        Errback: LayerUnavailable when the connection is lost meanwhile, StepRefused.
        """
        self._link.start()
        asked: Deferred[Received] = Deferred(self._end_reading)
        reading = self._lock.run(lambda: Deferred.fromCoroutine(self._receive(lists)))
        reading.addCallbacks(self._hand_out, _fail, (asked,), {}, (asked,), {})
        return asked

    async def _receive(self, lists: list[str]) -> Received:
        wait_ms, has_waited = 0, False
        keys = [self._poke, *map(self._keys.wake, lists)]
        while True:
            ready = self._arrivals.ready(lists)
            if ready is not None:
                return ready
            if has_waited:
                return None, None
            await self._link.when_up()
            self._turn += 1
            argument = self._arguments.receive(lists, self._turn)
            reply = await self._link.wait_and_run(keys, wait_ms, "receive", argument)
            waiting, popped = redis_calls.received(reply)
            has_waited = wait_ms > 0
            wait_ms = waiting.cut(MAX_BLOCK_MS)
            if popped is not None:
                has_waited, wait_ms = False, 0
                try:
                    self._arrivals.take_in(*popped)
                except InvalidMessage as error:
                    log.warning("unreadable_message", channel=popped[1].channel, cause=str(error))

    def _hand_out(self, received: Received, asked: Deferred[Received]) -> None:
        if not asked.called:
            asked.callback(received)
        elif received[0] is not None and received[1] is not None:
            self._arrivals.keep(list_name(received[0]), (received[0], received[1]))

    def _end_reading(self, _: object) -> None:
        self._pokes.command("RPUSH", self._poke, "1").addErrback(_pass_over)


def _fail(failure: Any, asked: Deferred[Any]) -> None:
    if not asked.called:
        asked.errback(failure)


def _pass_over(failure: Any) -> None:
    # Without a connection nothing waits that could be ended.
    failure.trap(LayerUnavailable)
