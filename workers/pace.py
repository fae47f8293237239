"""How much a worker takes and handles at a time: as much as its handlers are quick enough for.

Pure: it reads no clock and knows no entry; the worker tells it what a batch came to.
"""

_BATCHES_AT_HAND = 2
"""One is handled while the one before it is committed and the next one is taken."""

_BUDGETS_AHEAD = 2
"""A worker keeps no more entries than it can handle in so many budgets."""

_WORTH_OVERLAPPING = 16
"""With so many units waiting there is a commit under way while they are handled. Fewer are handled
and committed together with what was handled before: each commit costs server, broker and worker
about as much as one request in all, and would carry few."""


class Pace:
    """A take asks for at most `batch` entries; a batch has `budget_s` to be handled in."""

    def __init__(self, batch: int, budget_s: float) -> None:
        self._batch = batch
        self._budget_s = budget_s
        self._most = batch
        """Entries to have at hand, those that are under way to here included."""
        self._is_over = self._is_slow = False

    def wanted(self, waiting: int) -> int:
        """How many entries to take beside the `waiting` ones."""
        return max(0, min(self._batch, self._most - waiting))

    def first(self, waiting: int, handled: int) -> int:
        """How many of the `waiting` units to handle before the `handled` ones are committed.

        The rest is handled while that commit is under way. What is ready does not wait for
        handlers that are slow.
        """
        if waiting >= _WORTH_OVERLAPPING:
            return 0 if handled else waiting // 2
        return 0 if handled and self._is_over else waiting

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
