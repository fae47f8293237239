"""What groups of the memory layer keep of their messages; knows no member and no list."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from channel_layer.layer import History, Position, Replay

MAX_LOG_BYTES = 8 * 1024 * 1024
"""One group's history is no larger, however many messages it may have, and no list grows beyond it
by a replay."""

OVERHEAD_BYTES = 64
"""What each message counts besides its own bytes, so that empty ones take room too."""

MAX_REPLAY_BYTES = 1024 * 1024
MAX_REPLAY_MESSAGES = 65_535
"""Bounds of one REPLAY entry. Who missed more than about so many bytes is told of a gap; a replay
longer than was estimated takes several. On Redis all replays of one call have 4 MiB together."""

_SIZE_BYTES = 4
"""What stands before each message in a REPLAY entry."""


@dataclass(slots=True)
class _Log:
    epoch: str
    used_ms: int
    offset: int = 0
    size_bytes: int = 0
    kept: deque[tuple[int, bytes, int]] = field(default_factory=deque)
    """Offset, payload and end of life of each message, oldest first, without gaps."""

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.offset)

    def forget(self, most: int, most_bytes: int, now_ms: int) -> None:
        """Forget the oldest while they are too many or too large, or their time is over."""
        while self.kept and (
            len(self.kept) > most or self.size_bytes > most_bytes or self.kept[0][2] <= now_ms
        ):
            self.size_bytes -= len(self.kept.popleft()[1]) + OVERHEAD_BYTES

    def behind(
        self, since: Position, has_room: Callable[[int], bool], now_ms: int
    ) -> list[tuple[int, bytes]] | None:
        """The messages behind a position; None when they are not all there, or are too many."""
        if since.epoch == "":
            return []
        first = self.kept[0][0] if self.kept else self.offset + 1
        if since.epoch != self.epoch or not first - 1 <= since.offset <= self.offset:
            return None
        number = self.offset - since.offset
        size_bytes = self.size_bytes * number // max(1, len(self.kept))
        is_short = number <= 1 or size_bytes <= MAX_REPLAY_BYTES
        if number and not (is_short and has_room(size_bytes)):
            return None
        missed = [kept for kept in self.kept if kept[0] > since.offset]
        if any(expires_ms <= now_ms for _, _, expires_ms in missed):
            return None
        return [(offset, payload) for offset, payload, _ in missed]


class MemoryHistory:
    """The logs of all groups; one that is not used for `expiry_ms` begins anew."""

    def __init__(self, expiry_ms: int) -> None:
        self._expiry_ms = expiry_ms
        self._logs: dict[str, _Log] = {}

    def add(
        self, group: str, payload: bytes, history: History, fresh_epoch: str, now_ms: int
    ) -> Position:
        """Keep a message; gives its position."""
        log = self._used(group, fresh_epoch, now_ms)
        log.offset += 1
        log.size_bytes += len(payload) + OVERHEAD_BYTES
        log.kept.append((log.offset, payload, now_ms + history.ttl_ms))
        log.forget(history.messages, MAX_LOG_BYTES, now_ms)
        return log.position

    def replays(
        self,
        group: str,
        since: Position,
        fresh_epoch: str,
        has_room: Callable[[int], bool],
        now_ms: int,
    ) -> list[Replay]:
        """What one who was at `since` missed, in parts of bounded size; at least one part.

        `has_room` says whether about so many bytes may be replayed to it; if not, that is a gap.
        """
        log = self._used(group, fresh_epoch, now_ms)
        missed = log.behind(since, has_room, now_ms)
        parts: list[Replay] = []
        part: list[tuple[int, bytes]] = []
        size_bytes = 0
        for message in missed or ():
            more_bytes = _SIZE_BYTES + len(message[1])
            is_whole = (
                len(part) == MAX_REPLAY_MESSAGES or size_bytes + more_bytes > MAX_REPLAY_BYTES
            )
            if part and is_whole:
                parts.append(Replay(group, log.position, tuple(part), False, False))
                part, size_bytes = [], 0
            part.append(message)
            size_bytes += more_bytes
        return [*parts, Replay(group, log.position, tuple(part), missed is None, True)]

    def _used(self, group: str, fresh_epoch: str, now_ms: int) -> _Log:
        log = self._logs.get(group)
        if log is None or log.used_ms < now_ms - self._expiry_ms:
            log = self._logs[group] = _Log(fresh_epoch, now_ms)
        log.used_ms = now_ms
        return log
