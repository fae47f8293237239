"""The process that puts the work of dead workers back where others find it.

Its supervisor tells it at once who died; besides it looks for silent workers of any machine. It
handles nothing, and it is a process of its own so that the supervisor never waits for the broker.
"""

import select
import signal
from dataclasses import dataclass

from channel_layer.blocking_layer import BlockingLayer
from channel_layer.redis_blocking import RedisLayer
from shared.errors import LayerUnavailable
from shared.logs import get_logger
from shared.settings import LayerSettings
from workers.processes import LineReader

TICK_S = 5.0
"""How often it looks for silent workers and for readers that missed their wake-up."""

_RETRY_S = 0.5

log = get_logger("workers.reaper")


@dataclass(frozen=True, slots=True)
class ReaperSettings:
    """A worker is dead after `lease_s` of silence; its work is given up at `attempt_limit`."""

    layer: LayerSettings
    lease_s: float = 10.0
    attempt_limit: int = 5


class Reaper:
    """Reclaims for `settings` on `layer`."""

    def __init__(self, layer: BlockingLayer, settings: ReaperSettings) -> None:
        self._layer = layer
        self._settings = settings
        self._dead: set[str] = set()
        self._channels: set[str] = set()

    def hear(self, message: dict[str, list[str]]) -> None:
        """Take in a line of the supervisor: workers that died, channels that are consumed."""
        self._dead.update(message.get("dead", ()))
        self._channels.update(message.get("channels", ()))

    def reclaim(self) -> bool:
        """Reclaim once; whether the broker answered."""
        try:
            done = self._layer.reclaim(
                sorted(self._dead),
                lease_ms=round(1000 * self._settings.lease_s),
                attempt_limit=self._settings.attempt_limit,
                wake=sorted(self._channels),
            )
        except LayerUnavailable as error:
            log.debug("layer_away", reason=str(error))
            return False
        self._dead.clear()
        if done.returned or done.dead:
            facts = {"returned": done.returned, "given_up": done.dead}
            log.warning("reclaimed", workers=list(done.workers), **facts)
        return True


def reaper_main(settings: ReaperSettings, descriptor: int) -> int:
    """Reclaim until the supervisor's pipe ends, whatever signals come; gives the exit status."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    lines = LineReader(descriptor)
    reaper = Reaper(RedisLayer(settings.layer), settings)
    wait_s = 0.0
    while not lines.is_ended:
        select.select([lines.descriptor], [], [], wait_s)
        try:
            for message in lines.take():
                reaper.hear(message)
            wait_s = TICK_S if reaper.reclaim() else _RETRY_S
        except Exception:
            log.error("reclaim_failed", exc_info=True)
            wait_s = TICK_S
    return 0
