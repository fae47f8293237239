"""Tells the log that faults are injected on purpose, and how many; decides none of them."""

import random
import time
from collections.abc import Callable

from channel_layer.faults import Fault, FaultCounts, Faults
from shared.logs import get_logger
from shared.settings import LayerSettings

REPORT_EACH_S = 10.0
"""Often enough to be seen, seldom enough to leave the log readable."""

log = get_logger("channel_layer")


class FaultLog:
    """Counts faults and logs the count while there are some, each 10 s at most.

    `clock` gives seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._counts = FaultCounts()
        self._told_s = clock()

    def count(self, fault: Fault) -> None:
        """Count one, and log the sum when that was not done for a while."""
        self._counts = self._counts.with_one(fault)
        now_s = self._clock()
        if now_s - self._told_s >= REPORT_EACH_S:
            counts, self._counts, self._told_s = self._counts, FaultCounts(), now_s
            log.warning(
                "faults_injected",
                dropped=counts.dropped,
                delayed=counts.delayed,
                full=counts.full,
            )


def opened_faults(settings: LayerSettings) -> Faults | None:
    """The faults that the settings ask for, after a loud word in the log; None without any."""
    if not settings.faults:
        return None
    log.warning("faults_on", rules=" ".join(map(str, settings.faults)), prefix=settings.prefix)
    # Dice, not secrets.
    return Faults(settings.faults, random.random, FaultLog(time.monotonic).count)
