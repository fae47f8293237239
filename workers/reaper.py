"""The process that puts the work of dead workers back, and says the last word for dead servers.

Its supervisor tells it at once who died; besides it looks for silent workers and servers of any
machine. It handles nothing, and it is a process of its own so that the supervisor never waits for
the broker.
"""

import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from channel_layer.blocking_layer import BlockingLayer
from channel_layer.redis_blocking import RedisLayer
from shared.errors import ConfigurationError, LayerUnavailable, StepRefused
from shared.logs import get_logger
from shared.processes import LineReader
from shared.settings import LayerSettings
from workers.figures import Figures

RECLAIM_EVERY_S = 5.0
"""How often it looks for silent workers and for readers that missed their wake-up."""

REAP_EVERY_S = 2.0
"""How often it looks for silent servers: their sockets have their disconnect within 15 seconds."""

_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.1, 1.0
"""A broker that comes back is awaited by requests of workers that died meanwhile."""

_NO_LEASE_MS = 2**40
"""Nobody is silent for so long: only workers that are named are looked at."""

_HOPELESS_S = 30.0
"""How long to wait on a layer of another version before it is looked at again."""

log = get_logger("workers.reaper")


@dataclass(frozen=True, slots=True)
class ReaperSettings:
    """A worker is dead after `lease_s` of silence; its work is given up at `attempt_limit`.

    A server is dead after `server_silence_s`.
    """

    layer: LayerSettings
    lease_s: float = 10.0
    attempt_limit: int = 5
    server_silence_s: float = 8.0


class Reaper:
    """Reclaims and reaps for `settings` on `layer`; `random` spreads its tries."""

    def __init__(self, layer: BlockingLayer, settings: ReaperSettings, random: Random) -> None:
        self._layer = layer
        self._settings = settings
        self._random = random
        self.figures = Figures()
        self._dead: set[str] = set()
        self._channels: set[str] = set()
        self._reclaim_due_s = 0.0
        self._reap_due_s = 0.0
        self._away_s = 0.0

    def hear(self, message: dict[str, list[str]]) -> None:
        """Take in a line of the supervisor: workers that died, channels that are consumed."""
        self._dead.update(message.get("dead", ()))
        self._channels.update(message.get("channels", ()))
        self._reclaim_due_s = 0.0

    def look(self, now_s: float) -> float:
        """Do what is due; gives after how many seconds something is due again."""
        try:
            if self._reclaim_due_s <= now_s:
                self.reclaim()
                self._reclaim_due_s = now_s + RECLAIM_EVERY_S
            if self._reap_due_s <= now_s:
                # Two reapers that started together must not look together for ever.
                self._reap_due_s = now_s + REAP_EVERY_S * self._random.uniform(0.9, 1.1)
                self.reap()
            self._away_s = 0.0
        except LayerUnavailable as error:
            log.debug("layer_away", reason=str(error))
            self._reap_due_s = 0.0
            self._away_s = min(max(2 * self._away_s, _FIRST_RETRY_S), _LONGEST_RETRY_S)
            return self._away_s * self._random.uniform(0.5, 1.0)
        return max(0.0, min(self._reclaim_due_s, self._reap_due_s) - now_s)

    def reclaim(self) -> None:
        """Put back what workers held that are known dead or silent. Raises: LayerUnavailable."""
        named = sorted(self._dead)
        try:
            self._reclaim(named, round(1000 * self._settings.lease_s))
        except StepRefused as error:
            log.error("reclaim_refused", workers=named, reason=str(error))
            self._reclaim_singly(named)
        self._dead.difference_update(named)

    def reap(self) -> None:
        """Say for servers that are silent that their sockets ended. Raises: LayerUnavailable."""
        try:
            done = self._layer.reap_servers(round(1000 * self._settings.server_silence_s))
        except StepRefused as error:
            log.error("reap_refused", reason=str(error))
            return
        if done.servers or done.disconnects:
            facts = {"disconnects": done.disconnects, "waiting": done.waiting}
            log.warning("server_reaped", servers=list(done.servers), **facts)
            self.figures.events["servers_reaped"] += len(done.servers)

    def _reclaim_singly(self, named: list[str]) -> None:
        """One lease that cannot be put back must not keep the others from it."""
        for worker in named:
            try:
                self._reclaim([worker], _NO_LEASE_MS)
            except StepRefused as error:
                log.error("lease_given_up", worker=worker, reason=str(error))

    def _reclaim(self, workers: list[str], lease_ms: int) -> None:
        done = self._layer.reclaim(
            workers,
            lease_ms=lease_ms,
            attempt_limit=self._settings.attempt_limit,
            wake=sorted(self._channels),
        )
        if done.returned or done.dead:
            facts = {"returned": done.returned, "given_up": done.dead}
            log.warning("reclaimed", workers=list(done.workers), **facts)
            self.figures.events["reclaimed"] += done.returned
            self.figures.events["given_up"] += done.dead


def reaper_main(settings: ReaperSettings, descriptor: int, leave: Callable[[bytes], object]) -> int:
    """Look until the supervisor's pipe ends, whatever signals come; gives the exit status.

    What it did is left with `leave` whenever that grew.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    lines = LineReader(descriptor)
    random = Random()  # noqa: S311 - spreads calls in time, guards nothing
    reaper = Reaper(RedisLayer(settings.layer), settings, random)
    wait_s = 0.0
    while not lines.is_ended:
        select.select([lines.descriptor], [], [], wait_s)
        try:
            for message in lines.take():
                reaper.hear(message)
            before = reaper.figures.events.total()
            wait_s = reaper.look(time.monotonic())
            if reaper.figures.events.total() != before:
                leave(reaper.figures.packed())
        except ConfigurationError as error:
            log.error("cannot_reclaim", reason=str(error))
            wait_s = _HOPELESS_S
        except Exception:
            log.error("look_failed", exc_info=True)
            wait_s = REAP_EVERY_S
    return 0
