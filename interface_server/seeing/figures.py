"""What one server has done since its start, as plain numbers that cost next to nothing to raise.

Whoever does something raises its figure; `exposition.py` turns them into text when asked. Labels
come from closed lists only, so that no client can make the figures grow.
"""

from collections import Counter
from typing import TYPE_CHECKING

from interface_server.seeing.causes import code_label
from shared.times import Times

if TYPE_CHECKING:
    from interface_server.http_answer import Answer

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Methods that are told apart; all others are "other"."""


class Figures:
    """Raised by all parts of one process; read when somebody asks."""

    __slots__ = (
        "_answers",
        "_waiting",
        "connections",
        "counters",
        "failures",
        "frames_in",
        "frames_in_bytes",
        "frames_out",
        "frames_out_bytes",
        "handshakes",
        "http_in_bytes",
        "http_out_bytes",
        "loop_lag",
        "read",
        "replying",
        "sockets_closed",
    )

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        """What happened, by the name that was counted."""
        self.failures: Counter[tuple[str, int]] = Counter()
        """Requests and handshakes that this server ended itself, by (cause, status)."""
        self._answers: dict[tuple[str, int, bool], Times] = {}
        """How long answers took, by method, status and whether that was waiting for a worker and
        nothing else: then one addition serves two histograms, on the way of every page."""
        self.read = Times()
        """From the head to the request's sending, of requests that may have a body."""
        self._waiting = Times()
        self.replying = Times()
        """From the first reply to the last, of answers that came in parts."""
        self.http_in_bytes = 0
        self.http_out_bytes = 0
        self.connections: Counter[str] = Counter()
        """Connections that came, by protocol."""
        self.handshakes: Counter[str] = Counter()
        """WebSocket handshakes by result: "accepted" or the status of the refusal."""
        self.sockets_closed: Counter[tuple[str, str]] = Counter()
        """Accepted sockets that ended, by (cause, label of the close code)."""
        self.frames_in = self.frames_in_bytes = 0
        """WebSocket messages of clients and their bytes of content."""
        self.frames_out = self.frames_out_bytes = 0
        """The same to clients, broadcasts left out."""
        self.loop_lag = Times()
        """How late the reactor was for a call that was due."""

    def answered(self, answer: "Answer", status: int, seconds: float, now: float) -> None:
        """An answer is over after `seconds`; `now` is on the clock of its times."""
        is_plain = answer.is_safe and answer.replied_at > 0.0 and not answer.has_parts
        try:
            times = self._answers[answer.method, status, is_plain]
        except KeyError:
            times = self._first_answer(answer.method, status, is_plain)
        # Times.add without its call, which is half of it: each page passes here.
        times.counts[int(abs(seconds) * 4000.0).bit_length()] += 1
        times.total_s += seconds
        self.http_out_bytes += answer.size_bytes
        if not is_plain and answer.replied_at > 0.0:
            self._waiting.add(answer.replied_at - answer.sent_at)
            if answer.has_parts:
                self.replying.add(now - answer.replied_at)
            if not answer.is_safe:
                self.read.add(answer.sent_at - answer.started)

    def socket_closed(self, cause: str, code: int) -> None:
        """An accepted socket ended."""
        self.sockets_closed[cause, code_label(code)] += 1

    def requests(self) -> Counter[tuple[str, int]]:
        """Answers by (method, status); 499 for a client that left."""
        found: Counter[tuple[str, int]] = Counter()
        for (method, status, _), times in self._answers.items():
            found[method, status] += times.count
        return found

    def total(self) -> Times:
        """From a request's head to the last byte of its answer."""
        return Times.sum(self._answers.values())

    def waiting(self) -> Times:
        """From the sending to the first reply: queue and worker."""
        plain = [times for (*_, is_plain), times in self._answers.items() if is_plain]
        return Times.sum((self._waiting, *plain))

    def _first_answer(self, method: str, status: int, is_plain: bool) -> Times:
        key = (method if method in METHODS else "other", status, is_plain)
        return self._answers.setdefault(key, Times())
