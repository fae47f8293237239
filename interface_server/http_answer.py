"""The place of one answer in the row of answers that a connection owes.

Turns responses into bytes and keeps them until the answers before it are out. Decides nothing
about what is answered (`http_exchange.py`) and holds no transport (`http_output.py`).
"""

from collections.abc import Iterator
from typing import Protocol

from interface_server.http_messages import RequestHead
from interface_server.http_responses import ReadyResponse, ResponseFraming, own_page
from interface_server.proxies import Peer
from interface_server.response_coding import ResponseCoder
from shared.messages import Headers, HttpResponse, ResponseChunk

CLIENT_GONE = 499
"""The status in the access log of a request whose client left unanswered; nginx's number."""

_HSTS = b"strict-transport-security"


class AnswerOwner(Protocol):
    """The connection that an answer belongs to."""

    hsts: bytes
    """The header line for responses over HTTPS, empty for none. Source: RFC 6797 section 6.1."""

    def date_and_server(self) -> bytes:
        """The header lines that every response carries."""

    def new_request_id(self) -> str:
        """An unused name for a request."""

    def emit(self, answer: "Answer", piece: bytes | Iterator[bytes]) -> None:
        """Send a piece when the answers before this one are out."""

    def answer_over(self, answer: "Answer") -> None:
        """The answer has given all its pieces."""

    def watch(self, at: float) -> None:
        """An exchange has a deadline that is earlier than those before."""

    def bound_output(self, answer: "Answer", size_bytes: int) -> None:
        """Cut a reader of this answer for whom more than `size_bytes` wait."""

    def abort(self, counter: str) -> None:
        """Cut the connection."""


class Running(Protocol):
    """The exchange that will give the answer."""

    @property
    def due_at(self) -> float | None:
        """When its deadline passes, on the reactor's clock; None when it has none now."""

    def deadline_passed(self) -> None:
        """It has."""

    def stopped(self) -> None:
        """This server ends: what was not begun is answered now."""

    def client_gone(self) -> None:
        """The connection ended."""


class Framing(Protocol):
    """A response as bytes, in the form of one version of HTTP; `ResponseFraming` is HTTP/1's."""

    closes: bool
    """Whether the connection must end behind the response."""

    def whole(self, response: HttpResponse, fixed: bytes) -> bytes:
        """All of a response whose content is complete; `fixed` are Date and Server."""

    def ready(self, ready: ReadyResponse, fixed: bytes) -> bytes:
        """The same for one that was made beforehand."""

    def start(
        self, status: int, headers: Headers, content: bytes, fixed: bytes, length: int | None = None
    ) -> bytes:
        """The head and first content of a response whose content comes in pieces.

        Raises: FramingBroken.
        """

    def more(self, content: bytes, is_last: bool) -> bytes:
        """The next piece. Raises: FramingBroken."""


class Answer:
    """One request's answer; `status` is 0 until its head is written.

    `head` is None for a request that could not be read. `request_id` names the request to its
    client, in each log line and to workers: what a trusted proxy said, else a new one. `held` is
    its owner's, who also forgets `exchange` when the answer is over: the two hold each other.
    `size_bytes` are those that were given, heads included. `sent_at` and `replied_at`, on the
    owner's clock, say when workers were asked and when they first answered, 0 where that was not;
    `has_parts`: the answer is given in more than one piece. Responses go
    through `coder` when there is one. `framing` is HTTP/1's when none is given.
    """

    __slots__ = (
        "_framing",
        "_is_head",
        "_owner",
        "coder",
        "exchange",
        "has_parts",
        "held",
        "http_version",
        "is_over",
        "is_safe",
        "method",
        "path",
        "peer",
        "replied_at",
        "request_id",
        "sent_at",
        "size_bytes",
        "started",
        "status",
    )

    def __init__(
        self,
        owner: AnswerOwner,
        head: RequestHead | None,
        peer: Peer,
        started: float,
        closes: bool,
        framing: Framing | None = None,
    ) -> None:
        self._owner = owner
        self.method = head.method if head else "-"
        self.path = head.path if head else "-"
        self.is_safe = head is not None and head.is_safe and not head.has_body
        self.http_version = head.http_version if head else "1.1"
        self.peer = peer
        self.request_id = peer.request_id or owner.new_request_id()
        self.started = started
        self.sent_at = self.replied_at = 0.0
        self.size_bytes = 0
        self.has_parts = False
        self.status = 0
        self.is_over = False
        self.exchange: Running | None = None
        self.coder: ResponseCoder | None = None
        self.held: list[bytes | Iterator[bytes]] = []
        self._is_head = self.method == "HEAD"
        if framing is None:
            framing = ResponseFraming(self.http_version, self._is_head, closes)
        self._framing = framing

    @property
    def closes(self) -> bool:
        """Whether the connection must end behind this answer."""
        return self._framing.closes

    def close_behind(self) -> None:
        """Let the connection end behind this answer; says so in its head if that is to come."""
        self._framing.closes = True

    def watch(self, at: float) -> None:
        """The exchange has a deadline that is earlier than those before."""
        self._owner.watch(at)

    def bound_output(self, size_bytes: int) -> None:
        """Let no more than `size_bytes` wait for this answer's reader, who is cut past it."""
        self._owner.bound_output(self, size_bytes)

    def respond(self, response: HttpResponse) -> None:
        """Give the response, or its first part when it says that more comes.

        Raises: FramingBroken.
        """
        rest = None
        if self.coder is not None:
            response, rest = self.coder.begin(response)
        self.status = response.status
        fixed = self._fixed(response.headers)
        if not response.more_content:
            whole = self._framing.whole(response, fixed)
            self.size_bytes = len(whole)
            self._owner.emit(self, whole)
            self._owner.answer_over(self)
            return
        self.has_parts = True
        first = self._framing.start(response.status, response.headers, response.content, fixed)
        self.size_bytes = len(first)
        self._owner.emit(self, first)
        if rest is not None:
            self.more(rest)

    def respond_ready(self, ready: ReadyResponse) -> None:
        """Give a whole response that was made beforehand."""
        self.status = ready.response.status
        whole = self._framing.ready(ready, self._fixed(ready.response.headers))
        self.size_bytes = len(whole)
        self._owner.emit(self, whole)
        self._owner.answer_over(self)

    def more(self, chunk: ResponseChunk) -> None:
        """Give more content. Raises: FramingBroken."""
        if self.coder is not None:
            coded = self.coder.coded(chunk)
            if coded is None:
                self._hold(self.coder, chunk)
                return
            chunk = coded
        piece = self._framing.more(chunk.content, not chunk.more_content)
        if piece:
            self.size_bytes += len(piece)
            self._owner.emit(self, piece)
        if not chunk.more_content:
            self._owner.answer_over(self)

    def _hold(self, coder: ResponseCoder, chunk: ResponseChunk) -> None:
        """Code the chunk as its reader takes it."""
        is_first = not coder.is_holding
        if not coder.hold(chunk):
            self._owner.abort("http.output_overflow")
            return
        if is_first:
            self._owner.emit(self, self._held_pieces(coder))
        if not chunk.more_content:
            self._owner.answer_over(self)

    def _held_pieces(self, coder: ResponseCoder) -> Iterator[bytes]:
        for chunk in coder.held():
            piece = self._framing.more(chunk.content, not chunk.more_content)
            self.size_bytes += len(piece)
            yield piece

    def own(self, status: int, detail: str, retry_after_s: int | None = None) -> None:
        """Give a plain page of this server's own."""
        extra: Headers = ()
        if retry_after_s is not None:
            extra = ((b"Retry-After", b"%d" % retry_after_s),)
        self.respond(own_page(status, f"{detail}\n\nRequest id {self.request_id}", extra))

    def stream(self, status: int, headers: Headers, length: int, pieces: Iterator[bytes]) -> None:
        """Give a response of `length` bytes that `pieces` makes as they are wanted."""
        self.status = status
        head = self._framing.start(status, headers, b"", self._fixed(headers), length)
        self.size_bytes = len(head)
        self._owner.emit(self, head)
        if not self._is_head:
            self.size_bytes += length
            self._owner.emit(self, pieces)
        self._owner.answer_over(self)

    def abort(self) -> None:
        """Cut the connection, so that the client sees that the answer is not whole."""
        self._owner.abort("http.response_cut")

    def _fixed(self, headers: Headers) -> bytes:
        """The header lines of this server's own; a worker's are dropped (`http_responses.py`).

        Of HSTS the worker's counts.
        """
        named = b"X-Request-ID: %b\r\n" % self.request_id.encode("ascii")
        hsts = self._owner.hsts
        if hsts and self.peer.scheme == "https" and not _has_hsts(headers):
            named += hsts
        return self._owner.date_and_server() + named


def _has_hsts(headers: Headers) -> bool:
    return any(name.lower() == _HSTS for name, _ in headers)
