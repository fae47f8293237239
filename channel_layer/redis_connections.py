"""Connections to Redis that stay open between calls, one for each call under way.

Sends packed commands and gives the answers as they come; knows no script, and names no errors. A
command by redis-py's own client costs ten times as much as the same bytes sent from here.
"""

import os
from collections import deque
from collections.abc import Callable
from typing import Any

import redis

Ask = Callable[[bytes, int], list[Any]]
"""The answers to packed commands and their number, as `RedisConnections.ask` gives them."""


class Asked:
    """Commands that were sent on `connection`, which is theirs until their answers are here."""

    def __init__(self, connection: Any, count: int, idle: deque[Any]) -> None:
        self._connection = connection
        self._count = count
        self._idle = idle

    def has_come(self) -> bool:
        """Whether an answer is here, or the connection's end; it does not wait."""
        return not _is_quiet(self._connection)

    def answers(self) -> list[Any]:
        """The answers, an error answer as an exception among them; to be asked for once.

        Raises: redis.RedisError, OSError when the connection failed; what was sent may have been
        performed then.
        """
        try:
            answers = _answers(self._connection, self._count)
        except BaseException:
            # An answer may still be on its way, which must not be taken for the next one's.
            self._connection.disconnect()
            raise
        self._idle.append(self._connection)
        return answers


class RedisConnections:
    """May be used from several threads, and after a fork; `pool` tells how to connect.

    `greet` speaks first on each new connection. What it raises, the call raises that needed one.
    """

    def __init__(
        self, pool: redis.ConnectionPool, greet: Callable[[Ask], None] = lambda _: None
    ) -> None:
        self._pool = pool
        self._greet = greet
        self._idle: deque[Any] = deque()
        self._pid = os.getpid()

    def ask(self, packed: bytes, count: int) -> list[Any]:
        """The answers to the `count` commands in `packed`; see `Asked.answers`."""
        return self.send(packed, count).answers()

    def send(self, packed: bytes, count: int) -> Asked:
        """Send the `count` commands in `packed`; their answers may be waited for later.

        Raises: as `Asked.answers` does.
        """
        connection = self._quiet_one() or self._new()
        try:
            connection.send_packed_command((packed,))
        except BaseException:
            connection.disconnect()
            raise
        return Asked(connection, count, self._idle)

    def close(self) -> None:
        """Give up the connections that no call uses."""
        while self._idle:
            self._idle.pop().disconnect()

    def _quiet_one(self) -> Any:
        """A connection that is open and has nothing to say, None when there is none."""
        if os.getpid() != self._pid:
            # A forked child must not speak on its parent's connections.
            self._idle, self._pid = deque(), os.getpid()
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if _is_quiet(connection):
                return connection
            connection.disconnect()

    def _new(self) -> Any:
        # Not by the pool itself: it counts what it made and not what ended, up to a hundred.
        connection = self._pool.connection_class(**self._pool.connection_kwargs)

        def ask(packed: bytes, count: int) -> list[Any]:
            connection.send_packed_command((packed,))
            return _answers(connection, count)

        try:
            connection.connect()
            self._greet(ask)
        except BaseException:
            connection.disconnect()
            raise
        return connection


def _answers(connection: Any, count: int) -> list[Any]:
    return [_answer(connection) for _ in range(count)]


def _answer(connection: Any) -> Any:
    try:
        return connection.read_response()
    except redis.ResponseError as error:
        return error


def _is_quiet(connection: Any) -> bool:
    """Whether nothing came while nobody asked; an end of the connection counts as something."""
    try:
        return not connection.can_read()
    except (redis.RedisError, OSError):
        return False
