"""The answers that one connection owes, in the order of their requests.

Lets the first one write and holds the others back. Reads nothing; its owner decides what is next.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from interface_server.http_answer import Answer
from interface_server.http_output import Output
from interface_server.http_parts import HttpParts
from interface_server.wires import TcpTransport

Deadline = tuple[float, Callable[[], None]]
"""When, on the reactor's clock, and what happens then."""


class RowOwner(Protocol):
    """The connection."""

    def answered(self) -> None:
        """Answers went out and the connection stays open."""

    def last_answered(self) -> None:
        """The answer behind which the connection ends was given."""

    def output_moved(self) -> None:
        """The reader fell behind or caught up."""

    def watch(self, at: float) -> None:
        """There is a new deadline."""

    def abort(self, counter: str) -> None:
        """The connection must be cut."""


class AnswerRow:
    """An AnswerOwner for all answers of one connection."""

    def __init__(self, parts: HttpParts, wire: TcpTransport, owner: RowOwner) -> None:
        self._parts = parts
        self._owner = owner
        self._answers: deque[Answer] = deque()
        self.new_request_id = parts.gateway.new_request_id
        """See AnswerOwner; a method would cost each request one more call."""
        self.date_and_server = parts.date_and_server
        """The same."""
        self._held_bytes = 0
        self._last_path = "-"
        self.hsts = parts.hsts
        self._limit = parts.gateway.settings.max_output
        moved, broken, coalescer = owner.output_moved, owner.abort, parts.gateway.coalescer
        self.output = Output(wire, parts.clock, self._limit, moved, broken, coalescer)

    def __len__(self) -> int:
        return len(self._answers)

    @property
    def all_safe(self) -> bool:
        """Whether every request in the row may have others beside it."""
        return all(answer.is_safe for answer in self._answers)

    @property
    def first_path(self) -> str:
        """The path of the answer that is being given, or was the last to be."""
        return self._answers[0].path if self._answers else self._last_path

    @property
    def first_request_id(self) -> str:
        """The same answer's request; a dash when none is being given."""
        return self._answers[0].request_id if self._answers else "-"

    def add(self, answer: Answer) -> None:
        """Put the next request's answer in the row."""
        self._answers.append(answer)

    def close_behind_last(self) -> None:
        """Let the connection end behind the last answer of the row."""
        self._answers[-1].close_behind()

    def refuse_waiting(self) -> None:
        """Answer with 503 what has no answer yet."""
        for answer in tuple(self._answers):
            if answer.exchange is not None:
                answer.exchange.stopped()

    def give_up(self) -> None:
        """No one will read what is still in the row."""
        while self._answers:
            answer = self._answers.popleft()
            exchange, answer.exchange = answer.exchange, None
            if exchange is not None:
                exchange.client_gone()
            answer.held = []
            if not answer.is_over:
                answer.is_over = True
                self._parts.log(answer)

    def deadlines(self) -> Iterator[Deadline]:
        """What waits now, each with its end."""
        if self.output.behind_since is not None:
            stall_s = self._parts.gateway.settings.stall_timeout_s
            yield self.output.behind_since + stall_s, lambda: self._owner.abort("http.stalled")
        for answer in self._answers:
            if answer.exchange is not None and answer.exchange.due_at is not None:
                yield answer.exchange.due_at, answer.exchange.deadline_passed

    def emit(self, answer: Answer, piece: bytes | Iterator[bytes]) -> None:
        """See AnswerOwner."""
        if answer.is_over or not self._answers:
            return
        if answer is self._answers[0]:
            self._put(piece)
            return
        if isinstance(piece, bytes):
            self._held_bytes += len(piece)
            if self._held_bytes > self._limit:
                self._owner.abort("http.output_overflow")
                return
        answer.held.append(piece)

    def answer_over(self, answer: Answer) -> None:
        """See AnswerOwner."""
        if answer.is_over:
            return
        answer.is_over = True
        answer.exchange = None
        self._parts.log(answer)
        if not self._answers or answer is not self._answers[0]:
            return
        while self._answers and self._answers[0].is_over:
            first = self._answers.popleft()
            self._last_path = first.path
            if first.closes:
                self._owner.last_answered()
                return
            if self._answers and self._answers[0].held:
                self._release(self._answers[0])
        self._owner.answered()

    def watch(self, at: float) -> None:
        """See AnswerOwner."""
        self._owner.watch(at)

    def bound_output(self, answer: Answer, size_bytes: int) -> None:
        """See AnswerOwner; it counts for all that follows on this connection."""
        self._limit = min(self._limit, size_bytes)
        self.output.bound(self._limit)

    def abort(self, counter: str) -> None:
        """See AnswerOwner."""
        self._owner.abort(counter)

    def _release(self, first: Answer) -> None:
        held, first.held = first.held, []
        for piece in held:
            if isinstance(piece, bytes):
                self._held_bytes -= len(piece)
            self._put(piece)

    def _put(self, piece: bytes | Iterator[bytes]) -> None:
        if isinstance(piece, bytes):
            self.output.write(piece)
        else:
            self.output.stream(piece)
