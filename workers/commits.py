"""Brings what one worker handled to the layer, whatever becomes of the answers.

At most one commit is under way, and its worker handles what is there meanwhile. What was not
answered is repeated, what is refused is settled unit by unit, and after every doubt the layer is
asked what this worker holds. It takes and handles nothing itself.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from channel_layer.answers import Outcome, UnderWay, Verdict
from channel_layer.blocking_layer import BlockingLayer
from channel_layer.layer import Done, Entry
from shared.errors import ConfigurationError, LayerUnavailable, StepRefused
from shared.logs import get_logger
from workers.desk import Desk
from workers.flight import Flight
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

    `answered` is set when the layer answered for the first time. `lease_s` is how long others
    leave to a silent worker what it took.
    """

    def __init__(self, part: Part, channels: Sequence[str], lease_s: float) -> None:
        self.answered = threading.Event()
        self._part = part
        self._channels = channels
        self._lease_s = lease_s
        self._flight: Flight | None = None
        self._is_in_doubt = False
        self._lives = 1
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

    def heard(self, taken: Sequence[Entry] = (), after_s: float = 0.0) -> None:
        """The layer answered, `after_s` after it was asked, with what was `taken`."""
        self.answered.set()
        if self._part.outage.over():
            now_s = time.monotonic()
            self._looks = deque(now_s + look_s for look_s in _LOOKS_S)
        if taken and after_s > self._lease_s / 2:
            # This process may have been stopped with the answer before it, for longer than a lease.
            self.doubt()

    def send(self, handled: Sequence[Handled], back: tuple[int, ...] = (), count: int = 0) -> None:
        """Begin to commit; whatever becomes of it is met by `land`, which comes before the next.

        `back` are entries to give back, `count` is how many to take.
        """
        self._flight = self._sent(handled, back, count)

    def land(self) -> None:
        """Hear of what was sent, again and again while the broker is away.

        The lease decides what had happened. What was taken is on the desk then. Raises:
        LayerUnavailable or StepRefused when the worker is to stop meanwhile; ConfigurationError.
        """
        flight = self._flight
        if flight is None:
            return
        try:
            refused = self._landed(flight)
        finally:
            self._flight = None
        if refused is not None:
            self._part.refusals.wait(refused)

    def look(self) -> None:
        """Put what was taken on the desk if the answer is here; for another thread.

        Does not wait for the broker, and leaves all else to the worker.
        """
        flight = self._flight
        if flight is not None:
            flight.look()

    def recover(self) -> None:
        """Ask what this worker holds: put what it does not know on its desk, forget the lost.

        Only after `land`: what is under way would be taken for lost.
        """
        part = self._part
        while True:
            lives = part.layer.lives
            try:
                held = part.layer.held(part.name)
                break
            except (LayerUnavailable, StepRefused) as error:
                part.outage.wait(error)
        self.heard()
        now_s = time.monotonic()
        while self._looks and self._looks[0] <= now_s:
            self._looks.popleft()
        self._is_in_doubt, self._lives = False, max(1, lives)
        part.desk.forget_lost({entry.id for entry in held})
        part.desk.put_held(held, part.parking.ids())

    def _sent(
        self,
        handled: Sequence[Handled],
        back: tuple[int, ...] = (),
        count: int = 0,
        *,
        is_repeated: bool = False,
    ) -> Flight:
        part = self._part
        steps = [step for unit in handled for step in unit.steps]
        channels = self._channels if count else ()

        def begin() -> UnderWay:
            return part.layer.begin_commit(part.name, steps, back, channels, count)

        return Flight(part.desk, begin, handled, back, count, is_repeated=is_repeated)

    def _landed(self, flight: Flight) -> StepRefused | None:
        """See that it is settled; why nothing is taken, if so."""
        try:
            self._until_answered(flight)
            return None
        except (LayerUnavailable, ConfigurationError):
            self._part.desk.restore(flight.handled)
            raise
        except Exception as error:
            # What is refused, or cannot even be packed, must not take its neighbours along.
            self.doubt()
            return self._settled_singly(flight.handled, flight.back, error)

    def _until_answered(self, flight: Flight) -> None:
        part = self._part
        while True:
            try:
                committed = flight.committed()
                break
            except LayerUnavailable as error:
                # What the lost answer may have leased is found by `held`.
                self.doubt()
                part.outage.wait(error)
                flight = self._sent(flight.handled, flight.back, is_repeated=True)
        figures = part.handling.figures
        after_s = flight.answered_s - flight.sent_s
        figures.commits.add(after_s)
        figures.taken(committed.taken, committed.now_ms)
        self.heard(committed.taken, after_s)
        if flight.count:
            part.refusals.over()
        self._settle(flight.handled, committed.outcomes, flight.is_repeated)

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
                self._until_answered(self._sent((), back))
            except StepRefused as again:
                refused = again
        return refused

    def _alone(self, unit: Handled) -> StepRefused | None:
        try:
            self._until_answered(self._sent([unit]))
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
            self._until_answered(self._sent([Handled(left, steps)]))
            return None
        except (LayerUnavailable, ConfigurationError):
            raise
        except Exception as again:
            log.error("failure_not_committed", worker=name, reason=str(again), **facts)
        try:
            self._until_answered(self._sent([bare]))
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
