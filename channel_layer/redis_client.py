"""One program's blocking connection to Redis: runs the scripts and names what goes wrong.

Speaks of keys and bytes only; what they mean stands in `redis_blocking.py`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from channel_layer.lua_scripts import Script, all_scripts, script
from channel_layer.redis_connections import RedisConnections, packed
from shared.errors import ConfigurationError, LayerUnavailable

MAX_BLOCK_MS = 10_000
"""One blocking call waits no longer, so that a dead connection is noticed."""

_SOCKET_TIMEOUT_S = 2 * MAX_BLOCK_MS / 1000
"""Must be longer than a blocking call, or the client ends the call itself (its default is 5 s)."""

_CONNECT_TIMEOUT_S = 5.0


class RedisClient:
    """Runs scripts and commands; every trouble with the broker becomes LayerUnavailable.

    May be used from several threads; each call has a connection of its own while it lasts.
    """

    def __init__(self, url: str, base: str) -> None:
        try:
            self._redis = redis.Redis.from_url(
                url,
                protocol=2,
                decode_responses=False,
                socket_timeout=_SOCKET_TIMEOUT_S,
                socket_connect_timeout=_CONNECT_TIMEOUT_S,
                socket_keepalive=True,
                # Repeating is for callers, who know what may be repeated.
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError as error:
            raise ConfigurationError(f"expected redis://HOST:PORT/DATABASE: {error}") from error
        self._connections = RedisConnections(self._redis.connection_pool)
        self._base = base.encode("ascii")

    def run(self, name: str, argument: bytes) -> Any:
        """What the script `name` gives. Raises: LayerUnavailable."""
        with _named_errors():
            (reply,) = self._connections.ask(self._script_call(name, argument), 1)
            return self._loaded(name, argument, reply)

    def run_repeated(self, name: str, argument: bytes) -> Any:
        """As `run`, once more after a lost connection: for scripts that notice a repetition."""
        try:
            return self.run(name, argument)
        except LayerUnavailable as error:
            if not isinstance(error.__cause__, redis.ConnectionError):
                raise
        return self.run(name, argument)

    def wait_and_run(
        self, keys: Sequence[str], wait_ms: int, name: str, argument: bytes
    ) -> tuple[str | None, Any]:
        """Wait for a token on one of `keys`, then run the script, in one round trip.

        Gives the key that the token was on (None when the time ran out) and what the script gave.
        The wait is cut to MAX_BLOCK_MS. Raises: LayerUnavailable.
        """
        wait_s = max(min(wait_ms, MAX_BLOCK_MS), 1) / 1000
        names = (key.encode("ascii") for key in keys)
        wait = packed((b"BLPOP", *names, b"%.3f" % wait_s))
        with _named_errors():
            token, reply = self._connections.ask(wait + self._script_call(name, argument), 2)
            if isinstance(token, redis.RedisError):
                raise token
            reply = self._loaded(name, argument, reply)
        return (token[0].decode("ascii") if token else None), reply

    def command(self, *parts: str | bytes | int) -> Any:
        """What one plain command gives. Raises: LayerUnavailable."""
        with _named_errors():
            return self._redis.execute_command(*parts)  # type: ignore[no-untyped-call]

    def commands(self, commands: Sequence[tuple[str | bytes | int, ...]]) -> list[Any]:
        """What several commands give, in one atomic round trip. Raises: LayerUnavailable."""
        with _named_errors(), self._redis.pipeline(transaction=True) as pipe:
            for parts in commands:
                pipe.execute_command(*parts)  # type: ignore[no-untyped-call]
            return list(pipe.execute())

    def keys(self, pattern: str) -> Iterator[bytes]:
        """The keys that fit `pattern`, found without blocking the broker."""
        with _named_errors():
            yield from self._redis.scan_iter(match=pattern, count=1000)

    def close(self) -> None:
        """Give up the connections."""
        self._connections.close()
        self._redis.close()

    def _script_call(self, name: str, argument: bytes) -> bytes:
        sha = script(name).sha.encode("ascii")
        return packed((b"EVALSHA", sha, b"1", self._base, argument))

    def _loaded(self, name: str, argument: bytes, reply: Any) -> Any:
        """What the script gave, after loading it where the broker did not know it."""
        if isinstance(reply, redis.exceptions.NoScriptError):
            self._load()
            (reply,) = self._connections.ask(self._script_call(name, argument), 1)
        if isinstance(reply, redis.RedisError):
            raise reply
        return reply

    def _load(self) -> None:
        loaded: tuple[Script, ...] = all_scripts()
        with self._redis.pipeline(transaction=False) as pipe:
            for one in loaded:
                pipe.script_load(one.text)
            pipe.execute()


@contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise LayerUnavailable(f"expected an answer from Redis, got {error}") from error
    except OSError as error:
        raise LayerUnavailable(f"expected an answer from Redis, got {error!r}") from error
