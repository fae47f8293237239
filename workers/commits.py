"""Brings what one worker handled to the layer, whatever becomes of the answers.

What was not answered is repeated, what is refused is settled unit by unit, and after every doubt
the layer is asked what this worker holds. It takes and handles nothing itself.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from channel_layer.answers import Outcome, Verdict
from channel_layer.blocking_layer import BlockingLayer
from channel_layer.layer import Done
from shared.errors import ConfigurationError, LayerUnavailable, StepRefused
from shared.logs import get_logger
from workers.desk import Desk
from workers.handling import Handling
from workers.naming import named
from workers.outage import Outage
from workers.parking import Handled, Parking

_LOOKS_S = (1.0, 12.0)
"""When to look for late leases after an outage: what lay in a dead connection's buffers may still
be performed when the broker reads it, at the latest when a blocking call in front of it ends."""

_TOLD_EVERY_S = 5.0

log = get_logger("workers.commits")


@dataclass(frozen=True, slots=True)
class Part:
    """What the commits of one worker have to do with.

    `outage` is its patience while the broker is away, `refusals` while it takes no step at all.
    """

    name: str
    layer: BlockingLayer
    handling: Handling
    desk: Desk
    parking: Parking
    outage: Outage
    refusals: Outage


class Commits:
    """Commits for `part`; the next work comes from `channels`.

    `answered` is set when the layer answered for the first time.
    """

    def __init__(self, part: Part, channels: Sequence[str]) -> None:
        self.answered = threading.Event()
        self._part = part
        self._channels = channels
        self._is_in_doubt = False
        self._lives = 1
        self._in_turn: frozenset[int] = frozenset()
        self._looks: deque[float] = deque()
        self._dropped = 0
        self._dropped_told_s = 0.0

    def doubt(self) -> None:
        """Something went wrong: what the worker holds must be asked for before it goes on."""
        self._is_in_doubt = True

    def is_in_doubt(self, now_s: float) -> bool:
        """Whether it is time to `recover`."""
        if self._is_in_doubt or self._part.layer.lives > self._lives:
            return True
        return bool(self._looks and self._looks[0] <= now_s)

    def next_look_s(self) -> float | None:
        """When `is_in_doubt` is to be asked at the latest, None when that can wait."""
        return self._looks[0] if self._looks else None

    def was_answered(self) -> None:
        """The layer answered a call that was made elsewhere."""
        self.answered.set()
        if self._part.outage.over():
            now_s = time.monotonic()
            self._looks = deque(now_s + after_s for after_s in _LOOKS_S)

    def commit(
        self, handled: Sequence[Handled], back: tuple[int, ...] = (), count: int = 0
    ) -> None:
        """Commit, again and again while the broker is away; the lease decides what had happened.

        `back` are entries to give back, `count` is how many to take. Raises: LayerUnavailable or
        StepRefused when the worker is to stop meanwhile; ConfigurationError.
        """
        try:
            self._until_answered(handled, back, count)
            return
        except (LayerUnavailable, ConfigurationError):
            self._part.desk.restore(handled)
            raise
        except Exception as error:
            # What is refused, or cannot even be packed, must not take its neighbours along.
            self.doubt()
            ids = (entry.id for unit in handled for entry in unit.unit)
            self._in_turn = frozenset((*ids, *back))
            try:
                refused = self._settled_singly(handled, back, error)
            finally:
                self._in_turn = frozenset()
        if refused is not None:
            self._part.refusals.wait(refused)

    def recover(self) -> None:
        """Ask what this worker holds: put what it does not know on its desk, forget the lost."""
        part = self._part
        while True:
            lives = part.layer.lives
            try:
                held = part.layer.held(part.name)
                break
            except (LayerUnavailable, StepRefused) as error:
                part.outage.wait(error)
        self.was_answered()
        now_s = time.monotonic()
        while self._looks and self._looks[0] <= now_s:
            self._looks.popleft()
        self._is_in_doubt, self._lives = False, max(1, lives)
        part.desk.forget_lost({entry.id for entry in held})
        part.desk.put_held(held, part.parking.ids() | self._in_turn)

    def _until_answered(
        self, handled: Sequence[Handled], back: tuple[int, ...], count: int
    ) -> None:
        part = self._part
        steps = [step for unit in handled for step in unit.steps]
        is_repeated = False
        while True:
            channels = self._channels if count else ()
            sent_s = time.monotonic()
            try:
                committed = part.layer.commit(part.name, steps, back, channels, count)
                break
            except LayerUnavailable as error:
                part.outage.wait(error)
                # What the lost answer may have leased is found by `held`.
                is_repeated, count = True, 0
        figures = part.handling.figures
        figures.commits.add(time.monotonic() - sent_s)
        figures.taken(committed.taken, committed.now_ms)
        self.was_answered()
        if count:
            part.refusals.over()
        part.desk.put(committed.taken)
        self._settle(handled, committed.outcomes, is_repeated)
        if is_repeated:
            self.recover()

    def _settled_singly(
        self, handled: Sequence[Handled], back: tuple[int, ...], error: Exception
    ) -> StepRefused | None:
        """Settle each by itself after all were refused together; why nothing is taken, if so."""
        if not handled and not back:
            return error if isinstance(error, StepRefused) else None
        refused = None
        for number, unit in enumerate(handled):
            try:
                if len(handled) == 1 and not back:
                    refused = self._instead(unit, error)
                else:
                    refused = self._alone(unit) or refused
            except (LayerUnavailable, ConfigurationError):
                self._part.desk.restore(handled[number:])
                raise
        if back:
            try:
                self._until_answered((), back, 0)
            except StepRefused as again:
                refused = again
        return refused

    def _alone(self, unit: Handled) -> StepRefused | None:
        try:
            self._until_answered([unit], (), 0)
        except (LayerUnavailable, ConfigurationError):
            raise
        except Exception as error:
            return self._instead(unit, error)
        return None

    def _instead(self, unit: Handled, error: Exception) -> StepRefused | None:
        """Settle a unit whose own steps are refused: by its failure, else without any effect.

        Gives why where not even that was taken; the unit's bare end is on the desk then.
        """
        left = unit.left()
        bare = Handled(left, tuple(Done(entry.id) for entry in left))
        if unit.steps == bare.steps and isinstance(error, StepRefused):
            self._part.desk.restore([bare])
            return error
        facts, name = named(unit.unit[0]), self._part.name
        trace = None if isinstance(error, StepRefused) else error
        log.error("commit_failed", worker=name, exc_info=trace, reason=str(error), **facts)
        self._part.handling.figures.events["commit_failed"] += 1
        try:
            steps = self._part.handling.failure(left, "its effects could not be committed")
            self._until_answered([Handled(left, steps)], (), 0)
            return None
        except (LayerUnavailable, ConfigurationError):
            raise
        except Exception as again:
            log.error("failure_not_committed", worker=name, reason=str(again), **facts)
        try:
            self._until_answered([bare], (), 0)
        except StepRefused as last:
            self._part.desk.restore([bare])
            return last
        return None

    def _settle(
        self, handled: Sequence[Handled], outcomes: Sequence[Outcome], is_repeated: bool
    ) -> None:
        if all(outcome.verdict is Verdict.DONE and not outcome.dropped for outcome in outcomes):
            return
        at, now_s = 0, time.monotonic()
        events = self._part.handling.figures.events
        for unit in handled:
            own = outcomes[at : at + len(unit.steps)]
            at += len(unit.steps)
            refused = tuple(
                step
                for step, outcome in zip(unit.steps, own, strict=True)
                if outcome.verdict is Verdict.FULL
            )
            if refused:
                events["parked"] += 1
                self._part.parking.add(unit.parked(now_s, refused))
            if not is_repeated and any(outcome.verdict is Verdict.FENCED for outcome in own):
                self.doubt()
                log.warning("lease_lost", worker=self._part.name, **named(unit.unit[0]))
                events["lease_lost"] += 1
            self._dropped += sum(outcome.dropped for outcome in own)
            events["effects_dropped"] += sum(outcome.dropped for outcome in own)
        if self._dropped and now_s - self._dropped_told_s > _TOLD_EVERY_S:
            log.warning("effects_dropped", worker=self._part.name, dropped=self._dropped)
            self._dropped, self._dropped_told_s = 0, now_s
