"""How much a worker takes and handles at a time: as much as its handlers are quick enough for.

Pure: it reads no clock and knows no entry; the worker tells it what a batch came to.
"""

_BATCHES_AT_HAND = 2
"""One is handled while the one before it is committed and the next one is taken."""

_BUDGETS_AHEAD = 2
"""A worker keeps no more entries than it can handle in so many budgets."""


class Pace:
    """A batch is at most `batch` units, and as many as are handled in `budget_s`."""

    def __init__(self, batch: int, budget_s: float) -> None:
        self._batch = batch
        self._worth = batch // 2
        """Fewer units are no batch: each commit costs server, broker and worker together about as
        much as a request, and those that carry few take from the cores what waiting would leave."""
        self._budget_s = budget_s
        self._most = batch
        """Entries to have at hand, those that are asked for included."""
        self._is_over = self._is_slow = False

    def wanted(self, waiting: int) -> int:
        """How many entries to take beside the `waiting` ones."""
        return max(0, self._most - waiting)

    def first(self, waiting: int, handled: int) -> int:
        """How many of the `waiting` units to handle before they and the `handled` are committed.

        What is handled does not wait for handlers that are slow.
        """
        is_ready = handled >= self._worth and waiting >= self._worth
        if is_ready or (handled and self._is_over):
            return 0
        return min(waiting, max(0, self._batch - handled))

    def meanwhile(self, waiting: int) -> int:
        """How many of the `waiting` units to handle while a commit is under way."""
        return min(waiting, self._batch)

    def ended(self, count: int, spent_s: float, last_s: float) -> None:
        """A batch ended after `count` units and `spent_s`, the last of them took `last_s`."""
        self._is_over = spent_s > self._budget_s
        self._is_slow = last_s > self._budget_s
        if self._is_over:
            self._most = count
        elif count:
            self._most = min(_BATCHES_AT_HAND * self._batch, 2 * self._most)

    def is_behind(self, waiting: int) -> bool:
        """Whether others would handle the `waiting` units much sooner."""
        is_far = self._is_slow or waiting > _BUDGETS_AHEAD * self._most
        return self._is_over and waiting > 0 and is_far
