"""Looks after workers whose handler runs long: relieves them, speaks for them, ends their time.

It runs on another thread than the workers and uses a layer of its own. It ends no process; it
says when one must end.
"""

import time
from collections.abc import Callable, Sequence

from channel_layer.answers import Outcome, Verdict
from channel_layer.blocking_layer import BlockingLayer
from shared.errors import ChannelsBoardError, LayerUnavailable
from shared.logs import get_logger
from workers.desk import InHand, Relief
from workers.handling import Handling
from workers.naming import named
from workers.parking import Handled
from workers.worker import Worker

RELIEVE_AFTER_S = 0.1
"""How long a handler runs before what waits behind it goes to other workers: longer than almost
every page takes, short enough that nobody notices the wait."""

_LONGEST_PAUSE_S = 1.0
"""How long a worker is left alone after the layer did not take what was asked for it."""

Step = Callable[[Worker, InHand, float], None]

log = get_logger("workers.watchdog")


class Watchdog:
    """Looks after `workers`; `lease_s` is how long a silent worker keeps what it took."""

    def __init__(
        self, layer: BlockingLayer, workers: Sequence[Worker], handling: Handling, lease_s: float
    ) -> None:
        self._layer = layer
        self._workers = tuple(workers)
        self._handling = handling
        self._heartbeat_every_s = lease_s / 3
        self._heartbeats_s: dict[str, float] = {}
        self._pause_s = min(_LONGEST_PAUSE_S, lease_s / 10)
        self._paused_until_s: dict[str, float] = {}

    def look(self, say_alive: Callable[[], object] = lambda: None) -> bool:
        """Look at each worker once; whether a handler has had its time and its process must end.

        `say_alive` is called before each step that may wait for the layer. When the layer is away
        for one worker, the others are not looked after in this round: it is theirs, too.
        """
        now_s = time.monotonic()
        is_overdue = is_away = False
        for worker in self._workers:
            busy = worker.desk.in_hand()
            if busy is None:
                continue
            if not is_away and now_s >= self._paused_until_s.get(worker.name, 0.0):
                say_alive()
                is_away = self._try(self._look_after, worker, busy, now_s)
            if busy.is_overdue(now_s):
                is_overdue = True
                say_alive()
                self._try(self._end, worker, busy, now_s)
        return is_overdue

    def _try(self, step: Step, worker: Worker, busy: InHand, now_s: float) -> bool:
        """Do a step for a worker; whether the layer was away."""
        try:
            step(worker, busy, now_s)
        except Exception as error:
            trace = None if isinstance(error, ChannelsBoardError) else error
            log.warning("cannot_look_after", worker=worker.name, reason=str(error), exc_info=trace)
            self._paused_until_s[worker.name] = time.monotonic() + self._pause_s
            return isinstance(error, LayerUnavailable)
        return False

    def _look_after(self, worker: Worker, busy: InHand, now_s: float) -> None:
        if busy.has_run_for(RELIEVE_AFTER_S, now_s):
            # What a commit took that is under way waits behind this handler, too.
            worker.look_for_answer()
        with worker.desk.settling:
            self._relieve(worker, now_s)
        self._speak_for(worker, busy, now_s)

    def _relieve(self, worker: Worker, now_s: float) -> None:
        relief = worker.desk.relieve(now_s, RELIEVE_AFTER_S)
        if not relief.handled and not relief.back:
            return
        steps = [step for unit in relief.handled for step in unit.steps]
        try:
            committed = self._layer.commit(worker.name, steps, relief.back)
        except LayerUnavailable:
            worker.desk.restore(relief.handled)
            raise
        except Exception:
            # The worker settles them one by one; what waits behind them need not wait for that.
            worker.desk.restore(relief.handled)
            self._layer.commit(worker.name, (), relief.back)
            worker.desk.confirm(Relief((), relief.back))
            raise
        worker.desk.confirm(relief)
        worker.desk.restore(_refused(relief, committed.outcomes))

    def _speak_for(self, worker: Worker, busy: InHand, now_s: float) -> None:
        last_s = max(self._heartbeats_s.get(worker.name, 0.0), busy.since_s)
        if now_s - last_s > self._heartbeat_every_s:
            self._layer.heartbeat(worker.name)
            self._heartbeats_s[worker.name] = now_s

    def _end(self, worker: Worker, busy: InHand, now_s: float) -> None:
        """Settle what an overdue handler had in hand: it comes back as a failure, not as work."""
        entry = busy.unit[0]
        ran_s = round(now_s - busy.since_s, 1)
        facts = {"attempt": entry.attempt, "ran_s": ran_s, **named(entry)}
        log.error("handler_overdue", worker=worker.name, limit_s=busy.timeout_s, **facts)
        self._handling.figures.failed(entry.channel, "handler_overdue")
        steps = self._handling.failure(busy.unit, f"it took longer than {busy.timeout_s:g} s")
        self._layer.commit(worker.name, steps)


def _refused(relief: Relief, outcomes: Sequence[Outcome]) -> list[Handled]:
    """The units of which a step met a full list, with only those steps."""
    verdicts = iter(outcomes)
    refused = []
    for unit in relief.handled:
        own = [(step, next(verdicts)) for step in unit.steps]
        full = tuple(step for step, outcome in own if outcome.verdict is Verdict.FULL)
        if full:
            refused.append(Handled(unit.unit, full))
    return refused
