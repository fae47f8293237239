"""Which bounds a list has: the first pattern that fits its name, else the usual ones.

Counts nothing itself.
"""

import fnmatch
import re
from collections.abc import Iterable, Mapping

from channel_layer.layer import Capacity
from shared.errors import ConfigurationError

Pattern = str | re.Pattern[str]
"""A glob, or a compiled expression that has to match from the name's beginning."""

_MAX_KNOWN = 1024
"""Names whose bounds are remembered; names of processes and bodies are new all the time."""


class Capacities:
    """Bounds by list name. A number alone in `patterns` bounds entries and leaves bytes as usual.

    Raises: ConfigurationError for a bound below 1.
    """

    def __init__(
        self,
        usual: Capacity,
        patterns: Mapping[Pattern, int | Capacity] | Iterable[tuple[Pattern, int | Capacity]] = (),
    ) -> None:
        pairs = patterns.items() if isinstance(patterns, Mapping) else patterns
        self.usual = _checked("capacity", usual)
        self._patterns = tuple(
            (_compiled(pattern), _checked(str(pattern), _whole(limit, usual)))
            for pattern, limit in pairs
        )
        self._known: dict[str, Capacity] = {}

    def of(self, list_name: str) -> Capacity:
        """The bounds of a list."""
        if not self._patterns:
            return self.usual
        known = self._known.get(list_name)
        if known is None:
            known = self._found(list_name)
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[list_name] = known
        return known

    def _found(self, list_name: str) -> Capacity:
        for pattern, capacity in self._patterns:
            if pattern.match(list_name):
                return capacity
        return self.usual


def _compiled(pattern: Pattern) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern)) if isinstance(pattern, str) else pattern


def _whole(limit: int | Capacity, usual: Capacity) -> Capacity:
    return limit if isinstance(limit, Capacity) else Capacity(limit, usual.size_bytes)


def _checked(name: str, capacity: Capacity) -> Capacity:
    if capacity.messages < 1 or capacity.size_bytes < 1:
        raise ConfigurationError(f"expected bounds of at least 1 for {name}, got {capacity}")
    return capacity
