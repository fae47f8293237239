"""The loop of one worker thread: take, match, handle, commit.

One round trip carries the acknowledgement of what was handled, its effects, and the next work.
Handlers are called in `handling.py`; the process around this thread is in `child.py`.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from channel_layer.blocking_layer import BlockingLayer
from channel_layer.layer import Outcome, Verdict
from shared.errors import ChannelsBoardError, LayerUnavailable
from shared.logs import get_logger
from workers.desk import Desk
from workers.handling import Handling, Unit
from workers.outage import Outage
from workers.parking import Handled, Parking
from workers.routing import HANDLER_TIMEOUT_S

IDLE_BLOCK_MS = 10_000
"""How long one take waits: an idle worker makes 0.1 calls a second."""

_BUDGETS_AHEAD = 2
"""A worker keeps no more entries than it can handle in so many budgets."""

_TOLD_EVERY_S = 5.0

log = get_logger("workers.worker")


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """`channels` to consume; a batch is at most `batch` entries and `budget_s` of handling."""

    channels: tuple[str, ...]
    batch: int = 32
    budget_s: float = 0.005


class Worker:
    """Takes and handles entries under `name` until `stop`.

    `desk` is shared with the watchdog. `looked` is set when the layer answered for the first
    time.
    """

    def __init__(
        self,
        name: str,
        layer: BlockingLayer,
        handling: Handling,
        settings: WorkerSettings,
        random: Random,
    ) -> None:
        self.name = name
        self.desk = Desk()
        self.looked = threading.Event()
        self._layer = layer
        self._handling = handling
        self._settings = settings
        self._stopping = threading.Event()
        self._outage = Outage(name, self._stopping, random)
        self._parking = Parking()
        self._allowance = settings.batch
        self._dropped = 0
        self._dropped_told_s = 0.0

    def stop(self) -> None:
        """End after the unit in hand; the rest goes back. Someone must also unblock the layer."""
        self._stopping.set()

    def run(self) -> None:
        """Work until stopped."""
        while not self._stopping.is_set():
            try:
                self._turn()
            except LayerUnavailable:
                continue  # raised only while stopping
            except Exception:
                log.error("turn_failed", worker=self.name, exc_info=True)
                self._stopping.wait(0.5)
        self._end()

    def _turn(self) -> None:
        """Commit what was handled, take more, handle that."""
        if self.desk.is_unsettled():
            with self.desk.settling:
                self.desk.forget_back()
                self._recover()
        handled = [*self._retried(), *self.desk.collect()]
        waiting = self.desk.waiting()
        if handled or not self.looked.is_set():
            wanted = 0 if self._parking.is_crowded else max(0, self._allowance - waiting)
            self._commit(handled, (), wanted)
        elif not waiting:
            self._take()
        self._handle_batch()

    def _handle_batch(self) -> None:
        """Handle units until the budget is spent; give back what others would do much sooner.

        The next batch is as large as what the budget was enough for, or twice as large as one
        that the budget was enough for.
        """
        started_s = now_s = time.monotonic()
        count = 0
        while not self._stopping.is_set():
            unit = self.desk.claim(now_s, HANDLER_TIMEOUT_S)
            if unit is None:
                if count:
                    self._allowance = min(self._settings.batch, 2 * self._allowance)
                return
            self.desk.finish(self._handled(unit))
            count += 1
            before_s, now_s = now_s, time.monotonic()
            if now_s - started_s > self._settings.budget_s:
                self._allowance = count
                waiting = self.desk.waiting()
                is_slow = now_s - before_s > self._settings.budget_s
                if waiting and (is_slow or waiting > _BUDGETS_AHEAD * count):
                    self._commit(self.desk.collect(), self.desk.empty(), count)
                return

    def _handled(self, unit: Unit) -> Handled:
        try:
            steps = self._handling.handle(unit, self._begin)
        except Exception:
            log.error("unit_failed", worker=self.name, channel=unit[0].channel, exc_info=True)
            steps = self._handling.failure(unit, "its handling failed")
        return Handled(unit, steps)

    def _begin(self, timeout_s: float) -> None:
        self.desk.begin(time.monotonic(), timeout_s)

    def _retried(self) -> list[Handled]:
        """Parked units that are due; in place of each that was given up, its failure."""
        now_s = time.monotonic()
        return [
            self._given_up(unit) if unit.is_given_up(now_s) else unit
            for unit in self._parking.due(now_s)
        ]

    def _given_up(self, handled: Handled) -> Handled:
        log.error("list_full", worker=self.name, channel=handled.unit[0].channel)
        refused = {step.entry_id for step in handled.steps}
        unit = tuple(entry for entry in handled.unit if entry.id in refused)
        return Handled(unit, self._handling.failure(unit, "a list was full"))

    def _take(self) -> None:
        due_s, block_ms = self._parking.next_due_s(), IDLE_BLOCK_MS
        if due_s is not None:
            block_ms = max(1, min(block_ms, round(1000 * (due_s - time.monotonic()))))
        if self._parking.is_crowded:
            self._stopping.wait(block_ms / 1000)
            return
        try:
            channels, count = self._settings.channels, self._allowance
            self.desk.put(self._layer.take(self.name, channels, count, block_ms))
            self._outage.over()
        except LayerUnavailable as error:
            self._outage.wait(error)
            self._recover()

    def _commit(self, handled: Sequence[Handled], back: tuple[int, ...], count: int) -> None:
        """Commit, again and again while the broker is away; the lease decides what had happened."""
        try:
            self._commit_until_answered(handled, back, count)
        except LayerUnavailable:
            self.desk.restore(handled)
            raise
        except Exception:
            # Steps that cannot even be packed must not take their neighbours along.
            log.error("commit_failed", worker=self.name, exc_info=True)
            self._commit_until_answered((), back, 0)
            for unit in handled:
                self._commit_failure(unit)

    def _commit_failure(self, handled: Handled) -> None:
        steps = self._handling.failure(handled.unit, "its effects could not be committed")
        try:
            self._commit_until_answered([Handled(handled.unit, steps)], (), 0)
        except ChannelsBoardError as error:
            log.error("failure_not_committed", channel=handled.unit[0].channel, reason=str(error))

    def _commit_until_answered(
        self, handled: Sequence[Handled], back: tuple[int, ...], count: int
    ) -> None:
        steps = [step for unit in handled for step in unit.steps]
        is_repeated = False
        while True:
            channels = self._settings.channels if count else ()
            try:
                committed = self._layer.commit(self.name, steps, back, channels, count)
                break
            except LayerUnavailable as error:
                self._outage.wait(error)
                # What the lost answer may have leased is found by `held`.
                is_repeated, count = True, 0
        self._answered()
        self.desk.put(committed.taken)
        self._settle(handled, committed.outcomes, is_repeated)
        if is_repeated:
            self._recover()

    def _settle(
        self, handled: Sequence[Handled], outcomes: Sequence[Outcome], is_repeated: bool
    ) -> None:
        if all(outcome.verdict is Verdict.DONE and not outcome.dropped for outcome in outcomes):
            return
        at, now_s = 0, time.monotonic()
        for unit in handled:
            own = outcomes[at : at + len(unit.steps)]
            at += len(unit.steps)
            refused = tuple(
                step
                for step, outcome in zip(unit.steps, own, strict=True)
                if outcome.verdict is Verdict.FULL
            )
            channel = unit.unit[0].channel
            if refused:
                self._parking.add(unit.parked(now_s, refused))
            if not is_repeated and any(outcome.verdict is Verdict.FENCED for outcome in own):
                log.warning("lease_lost", worker=self.name, channel=channel)
            self._dropped += sum(outcome.dropped for outcome in own)
        if self._dropped and now_s - self._dropped_told_s > _TOLD_EVERY_S:
            log.warning("effects_dropped", worker=self.name, dropped=self._dropped)
            self._dropped, self._dropped_told_s = 0, now_s

    def _recover(self) -> None:
        """Find what an answer that never came had leased to this worker."""
        while True:
            try:
                held = self._layer.held(self.name)
                break
            except LayerUnavailable as error:
                self._outage.wait(error)
        self._answered()
        known = self.desk.knows() | self._parking.ids()
        self.desk.put(entry for entry in held if entry.id not in known)

    def _answered(self) -> None:
        self.looked.set()
        self._outage.over()

    def _end(self) -> None:
        """Commit what is handled, fail what met full lists, give back the rest."""
        try:
            self._commit([*self._parking.all(), *self.desk.collect()], self.desk.empty(), 0)
            refused = [self._given_up(unit) for unit in self._parking.all()]
            if refused:
                self._commit(refused, (), 0)
            self._layer.retire(self.name)
        except LayerUnavailable as error:
            log.warning("left_in_haste", worker=self.name, reason=str(error.__cause__ or error))
