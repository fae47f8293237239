"""Operations on their way to Redis: gathered per reactor turn, kept in order, performed once.

Each batch has a number that the broker remembers, so batches whose answer was lost with the
connection are repeated in order when it is back. Behind a batch that the broker refused, counting
starts anew under another name, once all batches of the old name are answered. It opens no
connection.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred, fail

from channel_layer import redis_calls
from channel_layer.answers import Outcome, Verdict
from channel_layer.redis_calls import ScriptArguments
from channel_layer.redis_link import RedisLink
from shared.errors import LayerUnavailable, StepRefused
from shared.logs import get_logger
from shared.times import Times

MAX_UNDER_WAY = 8
"""Batches sent and not yet answered; send.lua remembers twice as many."""

_MAX_BATCH_OPERATIONS = 500
_MAX_BATCH_BYTES = 1024 * 1024
"""Bounds of one script call, which stops everybody else while it runs."""

log = get_logger("channel_layer")


_DONE = Verdict.DONE
"""A name of the module: Python 3.11 finds an enum's member at ten times the cost."""

Trouble = Callable[[Outcome | Exception], None]
"""Hears what came instead of the verdict DONE."""


class _Waiting(NamedTuple):
    """Operations and who hears of them: all that becomes of them, or trouble only."""

    operations: tuple[bytes, ...]
    size_bytes: int
    answer: Deferred[Outcome] | None
    trouble: Trouble | None

    def done(self, outcome: Outcome) -> None:
        if self.answer is not None:
            self.answer.callback(outcome)
        elif self.trouble is not None and outcome.verdict is not _DONE:
            _tell(self.trouble, outcome)

    def failed(self, error: Exception) -> None:
        if self.answer is not None:
            self.answer.errback(error)
        elif self.trouble is not None:
            _tell(self.trouble, error)


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    number: int
    client: str
    waiting: tuple[_Waiting, ...]
    size_bytes: int
    made_at: float


class SendQueue:
    """What is not yet known to be performed; at most `limit_bytes` of it.

    `client` names this queue to the broker and no other one.
    """

    def __init__(
        self,
        reactor: Any,
        link: RedisLink,
        arguments: ScriptArguments,
        client: str,
        limit_bytes: int,
    ) -> None:
        self._reactor = reactor
        self._link = link
        self._arguments = arguments
        self._name = client
        self._client = client
        self._limit_bytes = limit_bytes
        self._last_number = 0
        self._queue: deque[_Waiting] = deque()
        self._under_way: deque[_Batch] = deque()
        self._again: list[_Waiting] = []
        self._turn_is_booked = False
        self._is_waiting_for_link = False
        self._is_closed = False
        self._drained: list[Deferred[None]] = []
        self.buffered_bytes = 0
        self.operations = 0
        """How many were performed."""
        self.times = Times()
        """From making a batch to its answer, repetitions after a lost connection included."""

    def perform(self, *operations: bytes) -> Deferred[Outcome]:
        """What became of one packed operation, or of several that go in one batch for certain.

        Of several it is the last one's outcome.
        Errback: LayerUnavailable when too much is waiting, or the queue was closed; StepRefused.
        """
        answer: Deferred[Outcome] = Deferred()
        refused = self._refusal(_Waiting(operations, sum(map(len, operations)), answer, None))
        return answer if refused is None else fail(refused)

    def submit(self, operation: bytes, trouble: Trouble) -> None:
        """Perform one packed operation of whose success nobody wants to hear.

        It makes no Deferred. `trouble` hears the errors of `perform` in its place, and
        may be called before this returns.
        """
        refused = self._refusal(_Waiting((operation,), len(operation), None, trouble))
        if refused is not None:
            trouble(refused)

    def _refusal(self, waiting: _Waiting) -> LayerUnavailable | None:
        """Put it in the queue; why not, where that cannot be."""
        if self._is_closed:
            return LayerUnavailable("the channel layer was closed")
        if self.buffered_bytes + waiting.size_bytes > self._limit_bytes:
            return LayerUnavailable(
                f"{self.buffered_bytes} bytes wait for Redis, the limit is {self._limit_bytes}"
            )
        self._queue.append(waiting)
        self.buffered_bytes += waiting.size_bytes
        if not self._turn_is_booked:
            self._turn_is_booked = True
            self._reactor.callLater(0, self._turn)
        return None

    def drained(self) -> Deferred[None]:
        """Fires when nothing is waiting."""
        done: Deferred[None] = Deferred()
        self._drained.append(done)
        self._tell_drained()
        return done

    def close(self) -> None:
        """Fail everything that waits; nothing can be performed any more."""
        self._is_closed = True
        left = [waiting for batch in self._under_way for waiting in batch.waiting]
        left.extend((*self._again, *self._queue))
        self._under_way.clear()
        self._again.clear()
        self._queue.clear()
        self.buffered_bytes = 0
        for waiting in left:
            waiting.failed(LayerUnavailable("the channel layer was closed"))
        self._tell_drained()

    def _turn(self) -> None:
        self._turn_is_booked = False
        self._pump()

    def _pump(self) -> None:
        if not self._link.is_up:
            self._wait_for_link()
            return
        if any(batch.client != self._client for batch in self._under_way):
            return
        self._queue.extendleft(reversed(self._again))
        self._again.clear()
        while self._queue and len(self._under_way) < MAX_UNDER_WAY and self._link.is_up:
            batch = self._next_batch()
            self._under_way.append(batch)
            self._send(batch)
        self._tell_drained()

    def _wait_for_link(self) -> None:
        if not self._is_waiting_for_link and not self._is_closed:
            self._is_waiting_for_link = True
            self._link.when_up().addCallbacks(self._link_is_up, lambda _: None)

    def _link_is_up(self, _: None) -> None:
        self._is_waiting_for_link = False
        for batch in tuple(self._under_way):
            self._send(batch)
        self._pump()

    def _next_batch(self) -> _Batch:
        taken: list[_Waiting] = []
        size_bytes = 0
        while self._queue and len(taken) < _MAX_BATCH_OPERATIONS:
            size_bytes += self._queue[0].size_bytes
            if taken and size_bytes > _MAX_BATCH_BYTES:
                size_bytes -= self._queue[0].size_bytes
                break
            taken.append(self._queue.popleft())
        self._last_number += 1
        now = self._reactor.seconds()
        return _Batch(self._last_number, self._client, tuple(taken), size_bytes, now)

    def _send(self, batch: _Batch) -> None:
        operations = [packed for waiting in batch.waiting for packed in waiting.operations]
        argument = self._arguments.send(operations, batch.client, batch.number, ordered=True)
        answer = self._link.run("send", argument)
        answer.addCallbacks(self._answered, self._failed, (batch,), {}, (batch,), {})
        answer.addErrback(_log_fault)

    def _answered(self, reply: Any, batch: _Batch) -> None:
        outcomes = redis_calls.outcomes(reply)
        if self._settled(batch):
            self.times.add(self._reactor.seconds() - batch.made_at)
            self.operations += len(outcomes)
            last = -1
            for waiting in batch.waiting:
                last += len(waiting.operations)
                waiting.done(outcomes[last])
        self._pump()

    def _failed(self, failure: Any, batch: _Batch) -> None:
        if not failure.check(StepRefused):
            failure.trap(LayerUnavailable)
            self._wait_for_link()
            return
        if self._settled(batch):
            if batch.client == self._client:
                self._client = f"{self._name}.{batch.number}"
            if failure.value.is_gap:
                self._again.extend(batch.waiting)
                self.buffered_bytes += batch.size_bytes
            else:
                log.error("batch_refused", operations=len(batch.waiting), cause=str(failure.value))
                for waiting in batch.waiting:
                    waiting.failed(failure.value)
        self._pump()

    def _settled(self, batch: _Batch) -> bool:
        if batch not in self._under_way:
            return False
        self._under_way.remove(batch)
        self.buffered_bytes -= batch.size_bytes
        return True

    def _tell_drained(self) -> None:
        if not self._queue and not self._under_way and not self._again:
            drained, self._drained = self._drained, []
            for done in drained:
                done.callback(None)


def _tell(trouble: Trouble, came: Outcome | Exception) -> None:
    """Call it; the others of its batch must hear of theirs whatever it raises."""
    try:
        trouble(came)
    except Exception:
        log.exception("answer_mishandled")


def _log_fault(failure: Any) -> None:
    log.error("answer_mishandled", cause=failure.getTraceback())
