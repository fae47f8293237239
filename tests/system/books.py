"""The accounts of the fault bench: what was sent, what came of it, and what does not add up.

Pure: numbers and times come in as values; it starts, sends and receives nothing.
"""

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

_SHOWN = 10

Number = TypeVar("Number", bound=Hashable)


class Balance(NamedTuple):
    """How an account ends. It is even when each message sent came once or was refused.

    `refused`: how many for each reason. `lost` came nowhere, `doubled` came again, `unasked`
    came although it was never sent, or was refused before. The four hold numbers of messages.
    """

    title: str
    sent: int
    delivered: int
    refused: Counter[str]
    lost: tuple[Hashable, ...]
    doubled: tuple[Hashable, ...]
    unasked: tuple[Hashable, ...]

    @property
    def is_even(self) -> bool:
        """Whether sent = delivered + refused, and nothing came twice or unasked."""
        return not (self.lost or self.doubled or self.unasked)

    def __str__(self) -> str:
        refused = ", ".join(f"{count} {reason}" for reason, count in sorted(self.refused.items()))
        line = f"{self.title}: sent {self.sent} = delivered {self.delivered}"
        line += f" + refused {sum(self.refused.values())}" + (f" ({refused})" if refused else "")
        for word in ("lost", "doubled", "unasked"):
            found = getattr(self, word)
            line += f"; {word} {len(found)}" + (f" {list(found[:_SHOWN])}" if found else "")
        return line


def balance(
    title: str,
    sent: Iterable[Number],
    delivered: Iterable[Number],
    refused: Mapping[Number, str] | None = None,
    *,
    may_have_come: bool = False,
) -> Balance:
    """The account of messages `sent`, of which `delivered` came and `refused` did not, and why.

    `may_have_come`: a refusal does not say that nothing happened (a 503 of a request whose
    worker died); what was refused may then have come once.
    """
    reasons = dict(refused or {})
    wanted = set(sent)
    came = Counter(delivered)
    gone = wanted - came.keys() - reasons.keys()
    unasked = {number for number in came if number not in wanted}
    if not may_have_come:
        unasked |= came.keys() & reasons.keys()
    return Balance(
        title,
        len(wanted),
        len((came.keys() & wanted) - reasons.keys()),
        Counter(reasons.values()),
        _sorted(gone),
        _sorted(number for number, count in came.items() if count > 1),
        _sorted(unasked),
    )


class Sequel(NamedTuple):
    """What is wrong with a row of numbers that should grow by one from the first."""

    missing: tuple[int, ...] = ()
    doubled: tuple[int, ...] = ()
    overtaken: tuple[int, ...] = ()
    """Numbers that came behind a larger one."""

    @property
    def is_exact(self) -> bool:
        """Whether nothing is."""
        return self == Sequel()


def sequel(numbers: Sequence[int], first: int | None = None, last: int | None = None) -> Sequel:
    """Compare a row of numbers with all from `first` to `last` (None: its own ends)."""
    if not numbers and (first is None or last is None):
        return Sequel()
    begin = min(numbers) if first is None else first
    end = max(numbers) if last is None else last
    counted = Counter(numbers)
    missing = tuple(number for number in range(begin, end + 1) if number not in counted)
    doubled = tuple(sorted(number for number, count in counted.items() if count > 1))
    overtaken, largest = [], -math.inf
    for number in numbers:
        if number < largest:
            overtaken.append(number)
        largest = max(largest, number)
    return Sequel(missing, doubled, tuple(overtaken))


def percentile(values: Iterable[float], share: float) -> float:
    """The value that `share` (0 to 1) of all do not exceed; 0 without values."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


def _sorted(numbers: Iterable[Hashable]) -> tuple[Hashable, ...]:
    return tuple(sorted(numbers, key=lambda number: (str(type(number)), number)))
