"""One program's blocking connection to Redis: runs the scripts and names what goes wrong.

Speaks of keys and bytes only; what they mean stands in `redis_blocking.py`.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from channel_layer.lua_scripts import library
from channel_layer.redis_calls import hello
from channel_layer.redis_commands import Arguments, packed, packed_call
from channel_layer.redis_connections import Ask, Asked, RedisConnections
from channel_layer.redis_hello import QUESTIONS, hello_facts
from channel_layer.redis_refusals import is_loaded_already, is_unloaded, refusal
from shared.errors import ConfigurationError, LayerUnavailable

MAX_BLOCK_MS = 10_000
"""One blocking call waits no longer, so that a dead connection is noticed."""

ANSWER_S = 2 * MAX_BLOCK_MS / 1000
"""Must be longer than a blocking call, or the client ends the call itself (its default is 5 s)."""

_CONNECT_TIMEOUT_S = 5.0

_WORDS = {
    redis.exceptions.OutOfMemoryError: "OOM",
    redis.exceptions.NoPermissionError: "NOPERM",
    redis.exceptions.ReadOnlyError: "READONLY",
    redis.exceptions.TryAgainError: "TRYAGAIN",
    redis.exceptions.MasterDownError: "MASTERDOWN",
    redis.exceptions.ClusterDownError: "CLUSTERDOWN",
}
"""First words of answers, which the client takes away from the text where it has a class."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A script that was sent with its argument; `asked` knows whether its answer is here."""

    name: str
    argument: Arguments
    asked: Asked


class RedisClient:
    """Runs scripts and commands; every trouble with the broker is named by an error of ours.

    Raises of each call: LayerUnavailable when it may be repeated later, StepRefused when not,
    ConfigurationError when the keys are of another version. May be used from several threads;
    each call has a connection of its own while it lasts, which said hello. `answer_s`: how long an
    answer may take, longer than what blocks. `lives`: how many lives of the broker were met.
    """

    def __init__(self, url: str, base: str, answer_s: float = ANSWER_S) -> None:
        self.lives = 0
        self._run = ""
        try:
            self._pool = redis.ConnectionPool.from_url(
                url,
                protocol=2,
                decode_responses=False,
                socket_timeout=answer_s,
                socket_connect_timeout=_CONNECT_TIMEOUT_S,
                socket_keepalive=True,
                # Repeating is for callers, who know what may be repeated.
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError as error:
            raise ConfigurationError(f"expected redis://HOST:PORT/DATABASE: {error}") from error
        self._connections = RedisConnections(self._pool, self._greet)
        self._base = base.encode("ascii")

    def run(self, name: str, argument: Arguments) -> Any:
        """What the script `name` gives."""
        return self.reply(self.begin(name, argument))

    def begin(self, name: str, argument: Arguments) -> Begun:
        """Send the script `name`; `reply` gives what it comes to."""
        with self._named_errors():
            asked = self._connections.send(self._script_call(name, argument), 1)
        return Begun(name, argument, asked)

    def reply(self, begun: Begun) -> Any:
        """What a script gives that was begun; to be asked for once."""
        with self._named_errors():
            (reply,) = begun.asked.answers()
            return self._loaded(begun.name, begun.argument, reply)

    def run_repeated(self, name: str, argument: Arguments) -> Any:
        """As `run`, once more after a lost connection: for scripts that notice a repetition."""
        try:
            return self.run(name, argument)
        except LayerUnavailable as error:
            if not isinstance(error.__cause__, redis.ConnectionError):
                raise
        return self.run(name, argument)

    def wait_and_run(
        self, keys: Sequence[str], wait_ms: int, name: str, argument: Arguments
    ) -> tuple[str | None, Any]:
        """Wait for a token on one of `keys`, then run the script, in one round trip.

        Gives the key that the token was on (None when the time ran out) and what the script gave.
        The wait is cut to MAX_BLOCK_MS.
        """
        wait_s = max(min(wait_ms, MAX_BLOCK_MS), 1) / 1000
        names = (key.encode("ascii") for key in keys)
        wait = packed((b"BLPOP", *names, b"%.3f" % wait_s))
        with self._named_errors():
            token, reply = self._connections.ask(wait + self._script_call(name, argument), 2)
            token = _checked(token)
            reply = self._loaded(name, argument, reply)
        return (token[0].decode("ascii") if token else None), reply

    def command(self, *parts: str | bytes | int) -> Any:
        """What one plain command gives."""
        with self._named_errors():
            (answer,) = self._connections.ask(packed(map(_as_bytes, parts)), 1)
            return _checked(answer)

    def commands(self, commands: Sequence[tuple[str | bytes | int, ...]]) -> list[Any]:
        """What several commands give, in one atomic round trip."""
        together = (("MULTI",), *commands, ("EXEC",))
        sent = b"".join(packed(map(_as_bytes, parts)) for parts in together)
        with self._named_errors():
            answers = self._connections.ask(sent, len(together))
            return [_checked(answer) for answer in _checked(answers[-1])]

    def keys(self, pattern: str) -> Iterator[bytes]:
        """The keys that fit `pattern`, found without blocking the broker."""
        cursor: bytes | int = 0
        while True:
            cursor, found = self.command("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
            yield from found
            if int(cursor) == 0:
                return

    def close(self) -> None:
        """Give up the connections."""
        self._connections.close()

    def _script_call(self, name: str, argument: Arguments) -> bytes:
        return packed_call(library().function(name), self._base, argument)

    def _loaded(self, name: str, argument: Arguments, reply: Any) -> Any:
        """What the script gave, after loading it where the broker did not know it."""
        if _is_unloaded(reply):
            _load(self._connections.ask)
            (reply,) = self._connections.ask(self._script_call(name, argument), 1)
        return _checked(reply)

    def _greet(self, ask: Ask) -> None:
        """Say hello on a new connection, before any other step; see `redis_hello.py`."""
        answers = ask(b"".join(map(packed, QUESTIONS)), len(QUESTIONS))
        run, is_durable = hello_facts(answers)
        call = self._script_call("hello", hello(run, secrets.token_hex(8), is_durable=is_durable))
        (reply,) = ask(call, 1)
        if _is_unloaded(reply):
            _load(ask)
            (reply,) = ask(call, 1)
        _checked(reply)
        if run != self._run:
            self._run, self.lives = run, self.lives + 1

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except redis.RedisError as error:
            named = _named(error)
            if isinstance(named, LayerUnavailable):
                # The others lead to the same broker, which may be somebody's replica by now.
                self._connections.close()
            raise named from error
        except OSError as error:
            raise LayerUnavailable(f"expected an answer from Redis, got {error!r}") from error


def _load(ask: Ask) -> None:
    (answer,) = ask(packed((b"FUNCTION", b"LOAD", library().text)), 1)
    if not (isinstance(answer, redis.ResponseError) and is_loaded_already(str(answer))):
        _checked(answer)


def _is_unloaded(reply: Any) -> bool:
    return isinstance(reply, redis.ResponseError) and is_unloaded(str(reply))


def _checked(answer: Any) -> Any:
    """The answer itself. Raises: redis.RedisError when it is one."""
    if isinstance(answer, redis.RedisError):
        raise answer
    return answer


def _named(error: redis.RedisError) -> Exception:
    if not isinstance(error, redis.ResponseError) or isinstance(error, redis.ConnectionError):
        return LayerUnavailable(f"expected an answer from Redis, got {error}")
    word = _WORDS.get(type(error), "")
    return refusal(f"{word} {error}" if word else str(error))


def _as_bytes(part: str | bytes | int) -> bytes:
    return part if isinstance(part, bytes) else str(part).encode("utf-8")
