"""One worker's patience while the broker is away or refuses: how long to wait, what to say of it.

It repeats nothing itself.
"""

import threading
import time
from random import Random

from shared.errors import LayerError, LayerUnavailable
from shared.logs import get_logger

_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 5.0
_TOLD_EVERY_S = 10.0

log = get_logger("workers.layer")


class Outage:
    """Waits between tries, longer each time, until an answer comes or `stopping` is set.

    `random` spreads the tries, so that many workers do not come back in one instant.
    """

    def __init__(self, worker: str, stopping: threading.Event, random: Random) -> None:
        self._worker = worker
        self._stopping = stopping
        self._random = random
        self._since_s: float | None = None
        self._told_s = 0.0
        self._tries = 0

    def wait(self, error: LayerError) -> None:
        """Wait before the next try.

        Raises: `error` again when the worker is to stop: nothing waits for a broker then.
        """
        if self._stopping.is_set():
            raise error
        now_s = time.monotonic()
        delay_s = min(_FIRST_DELAY_S * 2 ** min(self._tries, 10), _LONGEST_DELAY_S)
        delay_s *= self._random.uniform(0.5, 1.0)
        self._tries += 1
        if self._since_s is None or now_s - self._told_s > _TOLD_EVERY_S:
            self._told_s = now_s
            facts = {"worker": self._worker, "reason": str(error.__cause__ or error)}
            if isinstance(error, LayerUnavailable):
                log.warning("layer_away", again_in_s=round(delay_s, 1), **facts)
            else:
                log.error("layer_refuses", again_in_s=round(delay_s, 1), **facts)
        if self._since_s is None:
            self._since_s = now_s
        self._stopping.wait(delay_s)

    def over(self) -> bool:
        """The broker answered; gives whether that is news."""
        if self._since_s is None:
            return False
        away_s = round(time.monotonic() - self._since_s, 1)
        log.info("layer_back", worker=self._worker, away_s=away_s)
        self._since_s = None
        self._tries = 0
        return True
