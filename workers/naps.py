"""Waiting that notices when it lasted longer than meant, because the machine stood still.

It decides nothing; whoever counts the silence of others must not count that time.
"""

import select
import time
from collections.abc import Sequence

LONGEST_NAP_S = 1.0
"""Of a standstill, so much may be missed: nobody knows how soon something would have come."""

USUAL_DELAY_S = 1.0
"""What a busy machine may add to a wait; also missed."""


class Naps:
    """The waits of one thread, one after another."""

    def __init__(self) -> None:
        self._woke_s = time.monotonic()

    def wait(self, reading: Sequence[int], until_s: float) -> float:
        """Wait until a descriptor can be read or until `until_s`, at most `LONGEST_NAP_S`.

        Gives for how many seconds too long nobody listened since the wait before; 0 as a rule.
        """
        nap_s = max(0.0, min(until_s - time.monotonic(), LONGEST_NAP_S))
        select.select(reading, [], [], nap_s)
        before_s, self._woke_s = self._woke_s, time.monotonic()
        late_s = self._woke_s - before_s - nap_s
        return late_s if late_s > USUAL_DELAY_S else 0.0
