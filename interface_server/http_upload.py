"""A request's body on its way in: small ones are kept, large ones go to the layer as they come.

Holds at most two chunks of a large body in memory. Parses no framing (`http_bodies.py`).
"""

from typing import Any, Protocol

from twisted.python.failure import Failure

from channel_layer.answers import Outcome, Verdict
from channel_layer.layer import Drop, Send
from interface_server.gateway import Gateway
from interface_server.http_answer import Answer
from interface_server.http_bodies import framing_of
from interface_server.http_messages import RequestHead, RequestRefused
from interface_server.wires import Call, Clock
from shared import codec
from shared.errors import LayerError
from shared.logs import get_logger
from shared.messages import BodyChunk

CHUNK = 256 * 1024
"""Content bytes of one chunk on a body's channel."""

BODY_PROGRESS = 16 * 1024
"""Bytes that start a body's deadline anew; ours, against one byte at a time."""

MAX_UPLOAD_S = 3600.0
"""An upload that lasts longer is given up, so that the life of its first chunk has a bound."""

MAX_PIECES = 256
"""Reads that a body is kept in: each costs some 40 bytes beside what the budget counts; ours."""

_RETRY_S = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Waits between tries to place a chunk on a full list; the last one repeats."""

_log = get_logger("interface_server.http")


class BodyBudget:
    """All bytes of request bodies that a process has in hand, held below `limit`."""

    __slots__ = ("_limit", "held_bytes")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.held_bytes = 0

    def take(self, size: int) -> bool:
        """Count `size` bytes in, unless that would pass the limit."""
        if self.held_bytes + size > self._limit:
            return False
        self.held_bytes += size
        return True

    def give(self, size: int) -> None:
        """Count `size` bytes out."""
        self.held_bytes -= size


class UploadOwner(Protocol):
    """Who hears how an upload goes."""

    def upload_complete(self, body: bytes, channel: str | None) -> None:
        """All is here: inside `body`, or as chunks on `channel`."""

    def upload_refused(self, refused: RequestRefused) -> None:
        """The layer does not take it."""

    def upload_moved(self) -> None:
        """`is_full` may have changed."""


class Upload:
    """One body; `size` are the bytes that it holds of the budget."""

    def __init__(
        self, gateway: Gateway, clock: Clock, budget: BodyBudget, owner: UploadOwner
    ) -> None:
        self._gateway = gateway
        self._clock = clock
        self._budget = budget
        self._owner = owner
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._started = clock.seconds()
        self._channel: str | None = None
        self._placed_chunks = 0
        self._in_flight = False
        self._ended = False
        self._over = False
        self._tries = 0
        self._give_up_at = 0.0
        self._retry: Call | None = None
        self.size = 0

    @property
    def max_size(self) -> int:
        """The largest body that is taken, in bytes."""
        return self._gateway.settings.max_body

    @property
    def is_full(self) -> bool:
        """Whether reading must wait until the layer has taken a chunk."""
        return self._in_flight and self._waiting >= CHUNK

    def add(self, content: bytes) -> None:
        """Take more of the body. Raises: RequestRefused."""
        settings = self._gateway.settings
        if self.size + len(content) > settings.max_body:
            raise RequestRefused(413, f"a body of more than {settings.max_body} bytes")
        if self._clock.seconds() - self._started > MAX_UPLOAD_S:
            raise RequestRefused(408, f"a body that took more than {MAX_UPLOAD_S:.0f} s")
        if not self._budget.take(len(content)):
            self._gateway.count("http.bodies_full")
            raise RequestRefused(503, "too many uploads at this moment", "bodies_full")
        self.size += len(content)
        self._waiting += len(content)
        self._pieces.append(content)
        if len(self._pieces) > MAX_PIECES:
            self._pieces = [b"".join(self._pieces)]
        if self._channel is None and self.size > settings.inline_body:
            self._channel = "http.request.body?" + self._gateway.new_request_id()
        if self._channel is not None:
            self._send_next()

    def end(self) -> None:
        """The body is complete."""
        self._ended = True
        if self._channel is None:
            self._over = True
            self._owner.upload_complete(b"".join(self._pieces), None)
        else:
            self._send_next()

    def abandon(self) -> None:
        """Forget it, also what the layer holds."""
        self._over = True
        self._pieces.clear()
        self._budget.give(self.size)
        self.size = 0
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._channel is not None:
            perform_quietly(self._gateway, Drop(self._channel))

    def _send_next(self) -> None:
        if self._in_flight or not (self._ended or self._waiting >= CHUNK):
            return
        joined = b"".join(self._pieces)
        content, rest = joined[:CHUNK], joined[CHUNK:]
        self._pieces = [rest] if rest else []
        self._waiting = len(rest)
        is_last = self._ended and not rest
        assert self._channel is not None
        lifetime_s = MAX_UPLOAD_S + self._gateway.settings.http_timeout_s
        send = Send(
            self._channel,
            codec.encode(BodyChunk(content, not is_last)),
            order=self._placed_chunks,
            ttl_ms=int(lifetime_s * 1000),
        )
        self._in_flight = True
        self._tries = 0
        self._give_up_at = self._clock.seconds() + self._gateway.settings.http_timeout_s
        self._place(send, is_last)

    def _place(self, send: Send, is_last: bool) -> None:
        self._retry = None
        placed = self._gateway.perform(send)
        placed.addCallbacks(self._placed, self._failed, callbackArgs=(send, is_last))
        placed.addErrback(self._failed)

    def _placed(self, outcome: Outcome, send: Send, is_last: bool) -> None:
        if self._over:
            return
        if outcome.verdict is Verdict.FULL:
            wait = _RETRY_S[min(self._tries, len(_RETRY_S) - 1)]
            self._tries += 1
            if self._clock.seconds() > self._give_up_at:
                full = RequestRefused(503, "the channel layer is full", "body_list_full")
                self._owner.upload_refused(full)
            else:
                self._retry = self._clock.callLater(wait, self._place, send, is_last)
            return
        self._in_flight = False
        self._placed_chunks += 1
        if is_last:
            self._over = True
            self._owner.upload_complete(b"", self._channel)
            return
        self._send_next()
        self._owner.upload_moved()

    def _failed(self, failure: Failure) -> None:
        if self._over:
            return
        if not isinstance(failure.value, LayerError):
            _log.error("body_step_failed", traceback=failure.getTraceback())
        refused = RequestRefused(503, "the channel layer is away", "body_not_sent")
        self._owner.upload_refused(refused)


class IncomingBody:
    """The body that a connection is reading, and the request that it belongs to."""

    __slots__ = ("_clock", "_framing", "_mark", "answer", "head", "since", "upload")

    def __init__(self, head: RequestHead, answer: Answer, upload: Upload, clock: Clock) -> None:
        self._framing = framing_of(head, upload.max_size)
        self._clock = clock
        self._mark = BODY_PROGRESS
        self.head = head
        self.answer = answer
        self.upload = upload
        self.since = clock.seconds()

    def feed(self, received: bytes) -> tuple[int, bool]:
        """How many bytes of `received` are used up, and whether the body ended with them.

        Raises: RequestRefused.
        """
        content, used = self._framing.feed(received)
        if content:
            self.upload.add(content)
            if self.upload.size >= self._mark:
                self.made_progress()
        return used, self._framing.is_complete

    def made_progress(self) -> None:
        """Let its deadline start anew."""
        self.since = self._clock.seconds()
        self._mark = self.upload.size + BODY_PROGRESS


def perform_quietly(gateway: Gateway, operation: Any) -> None:
    """Perform a step whose failure changes nothing for the client."""
    gateway.perform(operation).addErrback(_log_failure, type(operation).__name__)


def _log_failure(failure: Failure, step: str) -> None:
    if not isinstance(failure.value, LayerError):
        _log.error("layer_step_failed", step=step, traceback=failure.getTraceback())
    else:
        _log.debug("layer_step_failed", step=step, error=failure.getErrorMessage())
