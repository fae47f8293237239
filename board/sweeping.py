"""Puts right what lost jobs and killed processes left behind; running it again changes nothing.

It is a job that comes along with posts, and a command. Making pictures is `pictures.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from board.live import Live
from board.media import MediaFolder
from board.pictures import OVERDUE_MS
from board.reading import Reader
from board.records import Settled
from board.store import Store
from shared.logs import get_logger
from workers.consumers import JobAttempt
from workers.outbox import Outbox

SWEEP = "board.sweep"

SWEEP_EVERY_MS = 10 * 60 * 1000
"""A worker process asks for a sweep no more often."""

UPLOADS_KEPT_MS = 60 * 60 * 1000
"""A request that is still under way has its upload for less than an hour."""

EVENTS_KEPT_MS = 48 * 60 * 60 * 1000
"""Who comes back after two days reads the whole thread."""

_PICTURES_AT_ONCE = 100
_FILES_AT_ONCE = 500
"""SQLite takes no more than 999 values in older builds."""

log = get_logger("board")


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did: pictures called failed, uploads removed, events forgotten."""

    pictures: int
    uploads: int
    events: int


class Sweeper:
    """Sweeps a site; `clock_ms` gives milliseconds since 1970."""

    def __init__(
        self,
        media: MediaFolder,
        reader: Reader,
        store: Store,
        live: Live,
        clock_ms: Callable[[], int],
    ) -> None:
        self._media = media
        self._reader = reader
        self._store = store
        self._live = live
        self._clock_ms = clock_ms
        self._ordered_ms = 0

    def order(self, outbox: Outbox) -> None:
        """Ask for a sweep, unless this process did so within the last ten minutes.

        So nothing must be started or kept alive for it: the next post orders what got lost.
        """
        now_ms = self._clock_ms()
        if now_ms - self._ordered_ms >= SWEEP_EVERY_MS:
            self._ordered_ms = now_ms
            outbox.send(SWEEP, {})

    def run(self, _message: dict[str, Any], outbox: Outbox, _: JobAttempt) -> None:
        """Job: sweep, and tell readers which pictures will not come."""
        swept = self.sweep(lambda settled: self._live.announce_picture(settled, outbox))
        if swept != Swept(0, 0, 0):
            facts = {"pictures": swept.pictures, "uploads": swept.uploads}
            log.info("swept", events=swept.events, **facts)

    def sweep(self, announce: Callable[[Settled], None]) -> Swept:
        """Sweep once; `announce` is told of each picture that is called failed."""
        now_ms = self._clock_ms()
        pictures = self._fail_pictures(1000 * (now_ms - OVERDUE_MS), announce)
        uploads = self._remove_uploads(1000 * (now_ms - UPLOADS_KEPT_MS))
        events = self._store.prune_events(now_ms - EVENTS_KEPT_MS)
        return Swept(pictures, uploads, events)

    def _fail_pictures(self, before_tim: int, announce: Callable[[Settled], None]) -> int:
        """Call the oldest pictures failed that should have been made long ago."""
        failed = 0
        for tim in self._reader.pending_pictures(before_tim, _PICTURES_AT_ONCE):
            settled = self._store.settle_picture(tim, None, self._clock_ms())
            if settled is not None and settled.post.picture is not None:
                failed += settled.post.picture.state == "failed"
                announce(settled)
        return failed

    def _remove_uploads(self, before_tim: int) -> int:
        """Remove uploads that nobody will make: they still hold all that their camera wrote."""
        found = self._media.incoming(before_tim)[:_FILES_AT_ONCE]
        awaited = self._reader.awaited_pictures(found) if found else frozenset()
        lost = [tim for tim in found if tim not in awaited]
        for tim in lost:
            self._media.discard(tim)
        return len(lost)
