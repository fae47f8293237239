"""One stream: a request that comes, its exchange, and its answer on the way out.

The owner of its answer and of its upload. Reads no frames (`connection.py`) and decides nothing
about heads (`heads.py`) or about which stream sends next (`outgoing.py`).
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

from channel_layer.layer import Awaited
from interface_server.http2.content import IncomingContent
from interface_server.http2.framing import StreamFraming
from interface_server.http2.heads import StreamRequest
from interface_server.http2.outgoing import StreamOutput
from interface_server.http_answer import Answer
from interface_server.http_messages import RequestHead, RequestRefused
from interface_server.http_parts import HttpParts
from interface_server.http_running import RunningExchange
from interface_server.http_upload import Upload
from interface_server.proxies import Peer, with_host

Deadline = tuple[float, Callable[[], None]]
"""When, on the reactor's clock, and what happens then."""

LOOSE_BYTES = 64 * 1024
"""What may wait on one stream before the connection's whole is looked at; ours."""

NO_ERROR, INTERNAL_ERROR, CANCEL = 0x0, 0x2, 0x8
"""Codes of errors. Source: RFC 9113 section 7."""


class StreamOwner(Protocol):
    """The connection."""

    parts: HttpParts

    @property
    def held_bytes(self) -> int:
        """Bytes that wait on all its streams."""

    def want(self, output: StreamOutput) -> None:
        """The stream has something to send."""

    def open_window(self, stream_id: int, size: int) -> None:
        """Let the client send `size` bytes more."""

    def reset(self, stream_id: int, code: int, counter: str) -> None:
        """End the stream now."""

    def watch(self, at: float) -> None:
        """There is a new deadline."""


class Stream:
    """An AnswerOwner and an UploadOwner.

    `awaited` is what workers have of it.
    """

    __slots__ = (
        "_answer",
        "_clock",
        "_content",
        "_exchange",
        "_framing",
        "_head",
        "_limit",
        "_owner",
        "_settings",
        "hsts",
        "output",
    )

    is_with_workers = False
    """What workers have of it is told by `awaited`."""

    def __init__(self, owner: StreamOwner, stream_id: int, is_receiving: bool) -> None:
        self._owner = owner
        self.hsts = owner.parts.hsts
        self._clock = owner.parts.clock
        self._settings = owner.parts.gateway.settings
        self._framing = StreamFraming(False)
        self._head: RequestHead | None = None
        self._answer: Answer | None = None
        self._exchange: RunningExchange | None = None
        self._limit = self._settings.max_output
        open_window = partial(owner.open_window, stream_id)
        settings = self._settings
        self._content = IncomingContent(self._clock, settings, open_window, not is_receiving)
        self.output = StreamOutput(stream_id)

    @property
    def is_receiving(self) -> bool:
        """Whether the client may send content still."""
        return not self._content.is_ended

    @property
    def path(self) -> str:
        """What is asked for."""
        return "-" if self._answer is None else self._answer.path

    @property
    def request_id(self) -> str:
        """The request's name."""
        return "-" if self._answer is None else self._answer.request_id

    @property
    def awaited(self) -> Awaited | None:
        """The request, while workers have it and its client waits for its answer."""
        if self._exchange is None or self._answer is None or self._answer.is_over:
            return None
        return self._exchange.awaited()

    def start(self, request: StreamRequest, seen: Peer) -> None:
        """Serve the request, from `seen` or whom that speaks for. Raises: Malformed."""
        parts, head = self._owner.parts, request.head
        peer = parts.proxies.peer(seen, head.headers)
        if peer.host is not None:
            head = head._replace(headers=with_host(head.headers, peer.host))
        self._head = head
        answer = self._begin(head, peer)
        if head.is_for_https and peer.scheme != "https":
            self.refuse(RequestRefused(421, "an https address on a connection without TLS"), seen)
        elif self.is_receiving:
            self._start_body(head, answer)
        elif not parts.answer_locally(answer, head):
            self._run(b"", None, 0)

    def refuse(self, refused: RequestRefused, seen: Peer) -> None:
        """Answer without a worker."""
        answer = self._answer or self._begin(None, seen)
        self._owner.parts.refused(refused, answer)
        self._content.abandon()
        if not answer.is_over:
            answer.own(refused.status, refused.detail, 1 if refused.status == 503 else None)

    def content(self, content: bytes, size: int) -> None:
        """Content came, `size` bytes with its padding. Raises: Malformed."""
        try:
            if self._content.add(content, size):
                self._watch_body()
        except RequestRefused as refused:
            self.upload_refused(refused)

    def ended(self) -> None:
        """The client's side is over. Raises: Malformed."""
        self._content.end()

    def give_up(self) -> None:
        """Nobody will read the answer."""
        answer, self._answer = self._answer, None  # they hold each other
        exchange, self._exchange = self._exchange, None
        self._content.abandon()
        if exchange is not None:
            exchange.client_gone()
        if answer is None:
            return
        answer.exchange = None
        if not answer.is_over:
            answer.is_over = True
            self._owner.parts.log(answer)

    def refuse_waiting(self) -> None:
        """Answer with 503 what has no answer yet."""
        if self._exchange is not None:
            self._exchange.stopped()

    def deadlines(self) -> Iterator[Deadline]:
        """What is waited for now, each with its end."""
        settings = self._settings
        if self.output.blocked_since is not None:
            yield self.output.blocked_since + settings.stall_timeout_s, self._is_stalled
        if self._content.is_awaited:
            yield self._content.since + settings.body_timeout_s, self._body_is_late
        if self._exchange is not None and self._exchange.due_at is not None:
            yield self._exchange.due_at, self._exchange.deadline_passed

    # The owner of the answer

    def date_and_server(self) -> bytes:
        """See AnswerOwner."""
        return self._owner.parts.date_and_server()

    def new_request_id(self) -> str:
        """See AnswerOwner."""
        return self._owner.parts.gateway.new_request_id()

    def emit(self, answer: Answer, piece: bytes | Iterator[bytes]) -> None:
        """See AnswerOwner."""
        output = self.output
        if answer.is_over or output.is_over:
            return
        head = self._framing.take_head()
        if head is not None:
            output.head(head)
        output.put(piece)
        held = output.held_bytes
        is_much = held > LOOSE_BYTES and self._owner.held_bytes > self._settings.max_output
        if is_much or held > self._limit:
            self.abort("http.output_overflow")
        else:
            self._owner.want(output)

    def answer_over(self, answer: Answer) -> None:
        """See AnswerOwner."""
        if not answer.is_over:
            answer.is_over = True
            self._owner.parts.log(answer)
            self.output.end()
            self._owner.want(self.output)

    def watch(self, at: float) -> None:
        """See AnswerOwner."""
        self._owner.watch(at)

    def bound_output(self, answer: Answer, size_bytes: int) -> None:
        """See AnswerOwner."""
        self._limit = min(self._limit, size_bytes)

    def abort(self, counter: str) -> None:
        """See AnswerOwner: only this stream is cut."""
        self._owner.reset(self.output.stream_id, INTERNAL_ERROR, counter)

    # The owner of the upload

    def upload_complete(self, body: bytes, channel: str | None) -> None:
        """The body is all here; the request goes out."""
        upload, self._content.upload = self._content.upload, None
        if upload is not None:
            self._run(body, channel, upload.size)

    def upload_refused(self, refused: RequestRefused) -> None:
        """The body is not taken."""
        if self._answer is not None:
            self.refuse(refused, self._answer.peer)

    def upload_moved(self) -> None:
        """The layer took a chunk."""
        self._content.made_progress()
        self._watch_body()

    def _begin(self, head: RequestHead | None, peer: Peer) -> Answer:
        self._framing = StreamFraming(head is not None and head.method == "HEAD")
        now = self._clock.seconds()
        self._answer = answer = Answer(self, head, peer, now, False, self._framing)
        answer.http_version = "2"
        return answer

    def _start_body(self, head: RequestHead, answer: Answer) -> None:
        parts, settings = self._owner.parts, self._settings
        if any(name == b"content-length" for name, _ in head.headers):
            self._content.length = head.content_length
        if parts.is_local(head):
            if head.content_length:
                self.refuse(RequestRefused(413, "no body is expected here"), answer.peer)
            else:
                parts.answer_locally(answer, head)
            return
        if head.content_length > settings.max_body:
            detail = f"a body of more than {settings.max_body} bytes"
            self.refuse(RequestRefused(413, detail), answer.peer)
            return
        self._content.upload = Upload(parts.gateway, self._clock, parts.budget, self)
        if head.expects_continue:
            self.output.wants_continue = True
            self._owner.want(self.output)
        self._watch_body()

    def _run(self, body: bytes, channel: str | None, size: int) -> None:
        parts, answer, head = self._owner.parts, self._answer, self._head
        if answer is None or head is None:
            return
        self._exchange = exchange = parts.exchange(answer, head)
        self._owner.watch(self._clock.seconds() + self._settings.http_timeout_s)
        exchange.start(body, channel, size)

    def _watch_body(self) -> None:
        self._owner.watch(self._content.since + self._settings.body_timeout_s)

    def _body_is_late(self) -> None:
        self.upload_refused(RequestRefused(408, "the request's body took too long"))

    def _is_stalled(self) -> None:
        self._owner.reset(self.output.stream_id, CANCEL, "http.stalled")
