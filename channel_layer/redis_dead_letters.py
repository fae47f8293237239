"""Reads the dead letters on Redis, sends them once more or forgets them; it buries none."""

from collections.abc import Iterator
from fnmatch import fnmatchcase

from channel_layer import redis_calls
from channel_layer.answers import DeadLetter
from channel_layer.redis_calls import ScriptArguments
from channel_layer.redis_client import RedisClient
from channel_layer.redis_keys import RedisKeys

_WINDOW = 20
"""Letters that are read at once; each may have the size of a whole message."""


class RedisDeadLetters:
    """What was given up, oldest first; `glob` selects by the name of the channel."""

    def __init__(self, client: RedisClient, keys: RedisKeys, arguments: ScriptArguments) -> None:
        self._client = client
        self._key = keys.dead
        self._arguments = arguments

    def number(self) -> int:
        """How many there are."""
        return int(self._client.command("LLEN", self._key))

    def read(self, count: int, glob: str) -> tuple[DeadLetter, ...]:
        """Up to `count` of them, left where they are."""
        found: list[DeadLetter] = []
        offset = 0
        while len(found) < count and (window := self._window(offset)):
            found += [letter for _, letter in _fitting(window, glob)]
            offset += len(window)
        return tuple(found[:count])

    def take_out(self, count: int, glob: str, *, again: bool) -> int:
        """Send up to `count` of them once more, or else forget them; gives how many it were."""
        taken = offset = 0
        while taken < count and (window := self._window(offset)):
            fitting = [packed for packed, _ in _fitting(window, glob)][: count - taken]
            gone = sum(self._replay(packed, again=again) for packed in fitting)
            taken += gone
            offset += len(window) - gone
        return taken

    def _window(self, offset: int) -> list[bytes]:
        window = self._client.command("LRANGE", self._key, offset, offset + _WINDOW - 1)
        return list(window)

    def _replay(self, letter: bytes, *, again: bool) -> int:
        return int(self._client.run("replay", self._arguments.replay(letter, again=again)))


def _fitting(window: list[bytes], glob: str) -> Iterator[tuple[bytes, DeadLetter]]:
    for packed in window:
        letter = redis_calls.dead_letter(packed)
        if fnmatchcase(letter.entry.channel, glob):
            yield packed, letter
