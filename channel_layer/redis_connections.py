"""Connections to Redis that stay open between calls, one for each call under way.

Sends packed commands and gives the answers as they come; knows no script, and names no errors. A
command by redis-py's own client costs ten times as much as the same bytes sent from here.
"""

import os
from collections import deque
from collections.abc import Iterable
from typing import Any

import redis


class RedisConnections:
    """May be used from several threads, and after a fork; `pool` makes the connections."""

    def __init__(self, pool: redis.ConnectionPool) -> None:
        self._pool = pool
        self._idle: deque[Any] = deque()
        self._pid = os.getpid()

    def ask(self, packed: bytes, count: int) -> list[Any]:
        """The answers to the `count` commands in `packed`, an error answer as an exception in it.

        Raises: redis.RedisError, OSError when the connection failed; what was sent may have been
        performed then.
        """
        connection = self._connection()
        try:
            connection.send_packed_command((packed,))
            answers = [_answer(connection) for _ in range(count)]
        except BaseException:
            # An answer may still be on its way, which must not be taken for the next one's.
            connection.disconnect()
            raise
        self._idle.append(connection)
        return answers

    def close(self) -> None:
        """Give up the connections that no call uses."""
        while self._idle:
            self._idle.pop().disconnect()

    def _connection(self) -> Any:
        if os.getpid() != self._pid:
            # A forked child must not speak on its parent's connections.
            self._idle, self._pid = deque(), os.getpid()
        try:
            connection = self._idle.pop()
        except IndexError:
            return self._pool.make_connection()
        if not _is_quiet(connection):
            connection.disconnect()  # it connects again by itself
        return connection


def packed(parts: Iterable[bytes]) -> bytes:
    """One command as Redis reads it. Source: Redis serialization protocol, "arrays"."""
    strings = [b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]
    return b"*%d\r\n%b" % (len(strings), b"".join(strings))


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
