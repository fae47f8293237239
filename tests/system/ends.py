"""The account of disconnect events: one for each socket, told in time.

It waits for rows of `fault_records.py`; what they should be is decided from the lives of a crowd.
"""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tests.system.books import percentile
from tests.system.crowd_client import Life
from tests.system.fault_records import End, Records


class Ended(NamedTuple):
    """How the ends add up. `missing`: opened and ended, but never told; `doubled`: told again;
    `unknown`: told of a socket that nobody had; `seconds`: from each end to its event.
    """

    opened: int
    told: int
    missing: tuple[str, ...]
    doubled: tuple[str, ...]
    unknown: tuple[str, ...]
    seconds: tuple[float, ...]

    @property
    def is_even(self) -> bool:
        """Whether each socket that was open had one disconnect, and no other had more than one."""
        return not (self.missing or self.doubled or self.unknown)

    def __str__(self) -> str:
        line = f"sockets {self.opened}, disconnects {self.told}: missing {len(self.missing)}"
        line += f", doubled {len(self.doubled)}, unknown {len(self.unknown)}; they came after "
        line += (
            f"{percentile(self.seconds, 0.5):.2f} s (median), {percentile(self.seconds, 1):.1f} s"
        )
        return line + "".join(f"\n  {word}" for word in (*self.missing, *self.doubled)[:10])


def ended(lives: Iterable[Sequence[Life]], ends: Sequence[End]) -> Ended:
    """Compare the sockets of a crowd, all of which have ended, with the events."""
    known = {life.name: life for client in lives for life in client}
    told = Counter(end.name for end in ends)
    opened = [name for name, life in known.items() if life.opened]
    return Ended(
        len(opened),
        len(ends),
        tuple(name for name in opened if name not in told),
        tuple(name for name, count in told.items() if count > 1),
        tuple(name for name in told if name not in known),
        tuple(end.at - known[end.name].ended for end in ends if end.name in known),
    )


def awaited_ends(records: Records, lives: Sequence[Sequence[Life]], within_s: float) -> Ended:
    """The account as soon as no end is missing, or when the time is over."""
    until = time.monotonic() + within_s
    while (account := ended(lives, records.ends())).missing and time.monotonic() < until:
        time.sleep(0.1)  # the fact is a row that another process writes
    return account
