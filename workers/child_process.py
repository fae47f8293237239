"""One worker process as its supervisor knows it, and how soon a dead one is replaced.

Starts and ends nothing.
"""

from dataclasses import dataclass

from shared.processes import LineReader
from workers.pool_settings import PoolSettings

_FIRST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 30.0


@dataclass(slots=True)
class ChildProcess:
    """`built_s`, `ready_s`: since when its application stands, since when it works."""

    pid: int
    workers: tuple[str, ...]
    lines: LineReader
    heard_s: float
    built_s: float | None = None
    ready_s: float | None = None
    leaving_s: float | None = None

    def silent_until_s(self, pool: PoolSettings) -> float:
        """Until when it may say nothing, while it starts and later."""
        return self.heard_s + (pool.start_s if self.built_s is None else pool.stuck_s)


def backoff_s(failures: int) -> float:
    """The wait before a dead child is replaced: none after the first failure to stay alive."""
    if failures <= 1:
        return 0.0
    return min(_FIRST_BACKOFF_S * 2.0 ** min(failures - 2, 10), _LONGEST_BACKOFF_S)
