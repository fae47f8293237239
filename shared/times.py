"""How long things took, as a histogram whose bounds double: one addition costs a list's item.

Reads no clock and knows no exposition format.
"""

from collections.abc import Iterable, Iterator

FIRST_BOUND_S = 0.00025
"""The first bound; each further one is twice the one before, up to the last."""

BOUNDS = 20
"""How many bounds are shown: the last one is 131 s, past every time-out by default."""

_SLOTS = 64
"""More than any float of seconds that a clock gives can reach."""


class Times:
    """A histogram of seconds; `total_s` is their sum, `counts` belong to whoever adds."""

    __slots__ = ("counts", "total_s")

    def __init__(self) -> None:
        self.counts = [0] * _SLOTS
        self.total_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration; a clock that was set back counts as none at all."""
        if seconds < 0.0:
            seconds = 0.0
        # The number of bits is the number of doublings: a fifth of what a search would cost.
        self.counts[int(seconds * 4000.0).bit_length()] += 1
        self.total_s += seconds

    @property
    def count(self) -> int:
        """How many were added."""
        return sum(self.counts)

    @classmethod
    def sum(cls, parts: Iterable["Times"]) -> "Times":
        """All of several together."""
        whole = cls()
        for part in parts:
            whole.counts = [mine + its for mine, its in zip(whole.counts, part.counts, strict=True)]
            whole.total_s += part.total_s
        return whole

    def cumulative(self) -> Iterator[tuple[float, int]]:
        """Each bound in seconds with how many were shorter, the last bound being infinite."""
        seen = 0
        for at in range(BOUNDS):
            seen += self.counts[at]
            yield FIRST_BOUND_S * 2**at, seen
        yield float("inf"), self.count
