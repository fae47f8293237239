"""The loop of one worker thread: take, match, handle, commit.

One round trip carries the acknowledgement of what was handled, its effects, and the next work.
While it is under way the worker handles what it has taken before. Handlers are called in
`handling.py`; the process around this thread is in `child.py`.
"""

import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from channel_layer.blocking_layer import BlockingLayer
from shared.errors import ConfigurationError, LayerUnavailable, StepRefused
from shared.logs import get_logger, speak_of
from workers.commits import Commits, Part
from workers.desk import Desk
from workers.handling import Handling, Unit
from workers.naming import named
from workers.outage import Outage
from workers.pace import Pace
from workers.parking import Handled, Parking, Steps
from workers.routing import HANDLER_TIMEOUT_S

IDLE_BLOCK_MS = 10_000
"""How long one take waits: an idle worker makes 0.1 calls a second."""

log = get_logger("workers.worker")


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """`channels` to consume; a batch is at most `batch` entries and `budget_s` of handling.

    `lease_s` is how long others leave to a silent worker what it took.
    """

    channels: tuple[str, ...]
    batch: int = 32
    budget_s: float = 0.005
    lease_s: float = 10.0


class Worker:
    """Takes and handles entries under `name` until `stop`.

    `desk` is shared with the watchdog. `looked` is set when the layer answered for the first
    time. `failure` says why it can never work on this layer, where that is so.
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
        self.failure: str | None = None
        self._layer = layer
        self._handling = handling
        self._figures = handling.figures
        self._settings = settings
        self._stopping = threading.Event()
        self._refusals = Outage(name, self._stopping, random)
        self._outage = Outage(name, self._stopping, random)
        self._parking = Parking()
        part = Part(name, layer, handling, self.desk, self._parking, self._outage, self._refusals)
        self._commits = Commits(part, settings.channels, settings.lease_s)
        self.looked = self._commits.answered
        self._pace = Pace(settings.batch, settings.budget_s)

    def stop(self) -> None:
        """End after the unit in hand; the rest goes back. Someone must also unblock the layer."""
        self._stopping.set()

    def run(self) -> None:
        """Work until stopped, or until it turns out that this layer is none to work on."""
        speak_of(self)
        while not self._stopping.is_set():
            try:
                self._turn()
            except (LayerUnavailable, StepRefused):
                continue  # raised only while stopping
            except ConfigurationError as error:
                self.failure = str(error)
                return
            except Exception:
                log.error("turn_failed", worker=self.name, exc_info=True)
                self._commits.doubt()
                self._stopping.wait(0.5)
        self._end()

    def facts(self) -> dict[str, str | int]:
        """What log lines call the message whose handler runs."""
        busy = self.desk.in_hand()
        return {} if busy is None else named(busy.unit[0])

    def look_for_answer(self) -> None:
        """Put on the desk what an answer brought while a handler runs; for another thread."""
        self._commits.look()

    def _turn(self) -> None:
        """Hear of the commit under way, handle some, send what is handled, handle the rest."""
        self._commits.land()
        self._recover()
        self._handle(self._pace.first(self.desk.waiting(), self.desk.handled()))
        if self._stopping.is_set():
            return
        handled = [*self._retried(), *self.desk.collect()]
        back = self.desk.empty() if self._pace.is_behind(self.desk.waiting()) else ()
        waiting = self.desk.waiting()
        if handled or back or not self.looked.is_set():
            wanted = 0 if self._parking.is_crowded else self._pace.wanted(waiting)
            self._commits.send(handled, back, wanted)
        elif not waiting:
            self._take()
            return
        self._handle(self._pace.meanwhile(waiting))

    def _recover(self) -> None:
        """Ask what this worker holds, where that is in doubt; nothing is under way."""
        if self.desk.is_unsettled() or self._commits.is_in_doubt(time.monotonic()):
            with self.desk.settling:
                self.desk.forget_back()
                self._commits.recover()

    def _handle(self, share: int) -> None:
        """Handle so many of the units that wait, or fewer when their budget is spent."""
        if not share:
            return
        desk, handle, budget_s = self.desk, self._handling.handle, self._settings.budget_s
        started_s = before_s = now_s = time.monotonic()
        count = 0
        while count < share and now_s - started_s <= budget_s and not self._stopping.is_set():
            unit = desk.claim(now_s, HANDLER_TIMEOUT_S)
            if unit is None:
                break
            try:
                steps = handle(unit, self._begin)
            except Exception:
                steps = self._failed(unit)
            desk.finish(Handled(unit, steps))
            count += 1
            before_s, now_s = now_s, time.monotonic()
            self._figures.handled(unit[0].channel, len(unit), now_s - before_s)
        self._pace.ended(count, now_s - started_s, now_s - before_s)

    def _failed(self, unit: Unit) -> Steps:
        """The steps in place of what our own code could not handle; called where it is caught."""
        log.error("unit_failed", worker=self.name, **named(unit[0]), exc_info=True)
        self._figures.failed(unit[0].channel, "unit_failed")
        return self._failure(unit, "its handling failed")

    def _failure(self, unit: Unit, reason: str) -> Steps:
        try:
            return self._handling.failure(unit, reason)
        except Exception:
            log.error("failure_failed", worker=self.name, **named(unit[0]), exc_info=True)
            return self._handling.acknowledged(unit)

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
        log.error("list_full", worker=self.name, **named(handled.unit[0]))
        self._figures.events["list_full"] += 1
        unit = handled.left()
        return Handled(unit, self._failure(unit, "a list was full"))

    def _take(self) -> None:
        now_s = time.monotonic()
        due = [
            due_s for due_s in (self._parking.next_due_s(), self._commits.next_look_s()) if due_s
        ]
        wait_ms = (round(1000 * (due_s - now_s)) for due_s in due)
        block_ms = max(1, min((IDLE_BLOCK_MS, *wait_ms)))
        if self._parking.is_crowded:
            self._stopping.wait(block_ms / 1000)
            return
        try:
            wanted = self._pace.wanted(0)
            taken = self._layer.take(self.name, self._settings.channels, wanted, block_ms)
        except (LayerUnavailable, StepRefused) as error:
            self._commits.doubt()
            away = isinstance(error, LayerUnavailable)
            (self._outage if away else self._refusals).wait(error)
            return
        self._figures.taken(taken, self._layer.taken_ms)
        self.desk.put(taken)
        self._commits.heard(taken, time.monotonic() - now_s)
        self._refusals.over()

    def _end(self) -> None:
        """Commit what is handled, fail what met full lists, give back the rest."""
        try:
            with suppress(LayerUnavailable, StepRefused):
                self._commits.land()  # what was lost is on the desk again
            self._recover()
            self._commit([*self._parking.all(), *self.desk.collect()], self.desk.empty())
            refused = [self._given_up(unit) for unit in self._parking.all()]
            if refused:
                self._commit(refused)
            self._layer.retire(self.name)
        except (LayerUnavailable, StepRefused, ConfigurationError) as error:
            log.warning("left_in_haste", worker=self.name, reason=str(error.__cause__ or error))

    def _commit(self, handled: list[Handled], back: tuple[int, ...] = ()) -> None:
        self._commits.send(handled, back)
        self._commits.land()
