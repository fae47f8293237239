"""One connection of the reactor to Redis that comes back by itself for ever.

Knows how to run a script and how to wait for a token; repeats nothing on its own. What goes over
the connection is `redis_protocol.py`'s.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any

import txredisapi
from twisted.internet.defer import Deferred, DeferredList, fail, succeed
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater

from channel_layer.lua_scripts import library
from channel_layer.redis_address import RedisAddress
from channel_layer.redis_calls import hello
from channel_layer.redis_commands import Arguments, packed, packed_call
from channel_layer.redis_hello import QUESTIONS, hello_facts
from channel_layer.redis_keys import RedisKeys
from channel_layer.redis_protocol import RedisProtocol
from channel_layer.redis_refusals import is_loaded_already, is_unloaded, refusal
from shared.errors import LayerUnavailable
from shared.logs import get_logger

MAX_BLOCK_MS = 10_000
"""One blocking call waits no longer, so that a dead connection is noticed."""

_REPLY_TIMEOUT_S = 2 * MAX_BLOCK_MS / 1000
_CONNECT_TIMEOUT_S = 5
_FIRST_DELAY_S, _LONGEST_DELAY_S, _GROWTH = 0.05, 1.0, 1.6
"""Waits between attempts: short, since readers wait for sockets to go on; a quarter is random."""

_LOG_EACH = 10
"""Attempts between two log lines of one outage, about 10 s."""

log = get_logger("channel_layer")


class RedisLink:
    """A connection that is up or on its way up from `start` to `stop`.

    `name` tells it apart in logs; `fresh_epoch` gives another random text each time.
    """

    def __init__(
        self,
        reactor: Any,
        address: RedisAddress,
        keys: RedisKeys,
        name: str,
        fresh_epoch: Callable[[], str],
    ) -> None:
        self._reactor = reactor
        self._address = address
        self._keys = keys
        self._name = name
        self._fresh_epoch = fresh_epoch
        self._protocol: Any = None
        self._life: Deferred[None] | None = None
        self._stopped = False
        self._waiting: list[Deferred[None]] = []
        self.connects = 0
        """How often the connection came up."""

    @property
    def is_up(self) -> bool:
        """Whether steps can be run now."""
        return self._protocol is not None

    def start(self) -> None:
        """Begin to connect; a second call changes nothing."""
        if self._life is None and not self._stopped:
            self._life = Deferred.fromCoroutine(self._keep_up())
            self._life.addErrback(self._ended)

    def stop(self) -> Deferred[None]:
        """Give up the connection for good; fires when it is closed."""
        self._stopped = True
        protocol = self._protocol
        closed: Deferred[None] = succeed(None)
        if protocol is not None:
            closed = protocol.whenDisconnected().addCallback(lambda _: None)
            protocol.transport.abortConnection()
        elif self._life is not None:
            self._life.cancel()
        for waiting in self._taken_waiting():
            waiting.errback(self._closed())
        return closed

    def when_up(self) -> Deferred[None]:
        """Fires when steps can be run. Errback: LayerUnavailable after `stop`."""
        if self._stopped:
            return fail(self._closed())
        if self.is_up:
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def run(self, name: str, argument: Arguments) -> Deferred[Any]:
        """What the script `name` gives. Errback: LayerUnavailable, StepRefused."""
        return self._ask(self._call(name, argument), 1)

    def wait_and_run(
        self, keys: Sequence[str], wait_ms: int, name: str, argument: Arguments
    ) -> Deferred[Any]:
        """Wait for a token on one of `keys`, at most `wait_ms`, then run the script.

        Both go in one round trip. Nothing else may use this link meanwhile. With `wait_ms` 0 it
        does not wait. Errback: LayerUnavailable, StepRefused.
        """
        if wait_ms <= 0:
            return self.run(name, argument)
        wait = b"%.3f" % (max(min(wait_ms, MAX_BLOCK_MS), 1) / 1000)
        blocking = packed((b"BLPOP", *(key.encode("ascii") for key in keys), wait))
        return self._ask(blocking + self._call(name, argument), 2)

    def command(self, *parts: str | bytes | int) -> Deferred[Any]:
        """What one plain command gives. Errback: LayerUnavailable, StepRefused."""
        if self._protocol is None:
            return fail(LayerUnavailable("not connected to Redis"))
        answer: Deferred[Any] = self._protocol.execute_command(*parts)
        return answer.addErrback(self._named)

    def _call(self, name: str, argument: Arguments) -> bytes:
        return packed_call(library().function(name), self._keys.base.encode("ascii"), argument)

    def _ask(self, commands: bytes, count: int) -> Deferred[Any]:
        """What the last of `count` packed commands gives."""
        if self._protocol is None:
            return fail(LayerUnavailable("not connected to Redis"))
        answers: Deferred[list[Any]] = self._protocol.ask(commands, count)
        return answers.addCallbacks(_last, self._named)

    async def _keep_up(self) -> None:
        attempt = 0
        while not self._stopped:
            try:
                protocol = await self._connected()
            except (ConnectError, DNSLookupError, OSError, txredisapi.RedisError) as error:
                attempt += 1
                self._tell(attempt, error)
                await deferLater(self._reactor, _delay_s(attempt))
                continue
            log.info("redis_connected", link=self._name, address=self._address.shown)
            attempt = 0
            self.connects += 1
            lost = protocol.whenDisconnected()
            self._protocol = protocol
            for waiting in self._taken_waiting():
                waiting.callback(None)
            await lost
            self._protocol = None
            if not self._stopped:
                log.warning("redis_lost", link=self._name, address=self._address.shown)

    async def _connected(self) -> Any:
        factory: Any = Factory.forProtocol(self._new_protocol)
        factory.noisy = False
        endpoint = HostnameEndpoint(
            self._reactor,
            self._address.host,
            self._address.port,
            timeout=_CONNECT_TIMEOUT_S,
            attemptDelay=_FIRST_DELAY_S,
        )
        protocol = await endpoint.connect(factory)
        try:
            prepared = Deferred.fromCoroutine(self._prepare(protocol))
            await prepared.addTimeout(_CONNECT_TIMEOUT_S, self._reactor, _timed_out)
        except BaseException:
            protocol.transport.abortConnection()
            raise
        return protocol

    def _new_protocol(self) -> Any:
        return RedisProtocol(self._reactor, _REPLY_TIMEOUT_S)

    async def _prepare(self, protocol: Any) -> None:
        address = self._address
        if address.password:
            user = (address.user,) if address.user else ()
            await protocol.execute_command("AUTH", *user, address.password)
        if address.database:
            await protocol.execute_command("SELECT", address.database)
        await self._greet(protocol)

    async def _greet(self, protocol: Any) -> None:
        """Say hello before any other step; see `redis_hello.py`. Load what is not there.

        Two round trips in all: on a slow way, or in a busy reactor, each takes its time.
        """
        run, is_durable = hello_facts(await _answers(protocol, QUESTIONS))
        call = self._call("hello", hello(run, self._fresh_epoch(), is_durable=is_durable))
        try:
            await protocol.ask(call, 1)
        except txredisapi.ResponseError as error:
            if not is_unloaded(str(error)):
                raise
            await self._load(protocol)
            await protocol.ask(call, 1)

    async def _load(self, protocol: Any) -> None:
        (answer,) = await _answers(protocol, (("FUNCTION", "LOAD", library().text),))
        if isinstance(answer, Exception) and not is_loaded_already(str(answer)):
            raise answer

    def _tell(self, attempt: int, error: Exception) -> None:
        is_answer = isinstance(error, txredisapi.ResponseError)
        cause = str(refusal(str(error)) if is_answer else error) or type(error).__name__
        if attempt % _LOG_EACH == 1:
            log.warning(
                "redis_unavailable",
                link=self._name,
                address=self._address.shown,
                cause=cause,
                attempt=attempt,
            )

    def _named(self, failure: Any) -> Any:
        error = failure.value
        if isinstance(error, txredisapi.ConnectionError):
            self._give_up()
            raise LayerUnavailable(f"lost the connection to Redis: {error}") from error
        if isinstance(error, txredisapi.ResponseError):
            named = refusal(str(error))
            if isinstance(named, LayerUnavailable):
                self._give_up()
            raise named from error
        return failure

    def _give_up(self) -> None:
        """Count as down from now on: who repeats a step at once would do so without an end.

        For the protocol tells of a time-out before it hears that the connection is cut.
        """
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            protocol.transport.abortConnection()

    def _taken_waiting(self) -> list[Deferred[None]]:
        waiting, self._waiting = self._waiting, []
        return waiting

    def _ended(self, failure: Any) -> None:
        if not self._stopped:
            log.error("redis_link_ended", link=self._name, cause=failure.getTraceback())

    def _closed(self) -> LayerUnavailable:
        return LayerUnavailable("the channel layer was closed")


def _last(answers: list[Any]) -> Any:
    return answers[-1]


async def _answers(protocol: Any, commands: Sequence[tuple[str | bytes, ...]]) -> list[object]:
    """The answers to commands sent at once; where one is refused its error stands."""
    asked = [protocol.execute_command(*command) for command in commands]
    answers: list[object] = []
    for is_answer, found in await DeferredList(asked, consumeErrors=True):
        if not is_answer and not found.check(txredisapi.ResponseError):
            raise found.value
        answers.append(found if is_answer else found.value)
    return answers


def _timed_out(_: object, seconds: float) -> None:
    raise txredisapi.TimeoutError(f"no answer within {seconds} s")


def _delay_s(attempt: int) -> float:
    delay = min(_FIRST_DELAY_S * _GROWTH ** min(attempt - 1, 20), _LONGEST_DELAY_S)
    return delay * random.uniform(0.75, 1.25)  # noqa: S311 (spreads reconnects, guards nothing)
