"""The way in of one HTTP connection: takes requests from the bytes and starts each in its turn.

Heads and bodies are read by `http_reader` and `http_upload`, requests are run by `http_running`.
Ends nothing: what cannot be served goes to the owner, which answers and closes.
"""

import enum
from collections.abc import Iterator
from typing import Protocol

from interface_server.http_answer import Answer
from interface_server.http_messages import RequestHead, RequestRefused
from interface_server.http_parts import HttpParts
from interface_server.http_reader import RequestReader
from interface_server.http_responses import CONTINUE
from interface_server.http_row import AnswerRow, Deadline
from interface_server.http_upload import IncomingBody, Upload
from interface_server.proxies import Peer, with_host
from interface_server.ws_handshake import check_handshake

MAX_UNREAD = 64 * 1024
"""Received bytes that may wait behind unanswered requests; past it reading pauses; ours."""


class Expects(enum.Enum):
    """What the next received bytes are."""

    HEAD = 1
    BODY = 2
    NOTHING = 3
    """Of no interest: the connection ends behind the answers that it owes."""


_HEAD, _BODY, _NOTHING = Expects
"""Names of the module: Python 3.11 finds an enum's member at ten times the cost."""


class IntakeOwner(Protocol):
    """The connection."""

    def refuse(self, refused: RequestRefused, answer: Answer | None) -> None:
        """A request, the answer's if it got so far, cannot be served: answer it and end."""

    def hand_on(self, head: bytes, rest: bytes) -> None:
        """A WebSocket handshake came; the bytes behind it are the other protocol's."""

    def watch(self, at: float) -> None:
        """There is a new deadline."""

    def regulate(self) -> None:
        """`must_wait` may have changed."""


class RequestIntake:
    """An UploadOwner that reads for `owner` and puts answers in `row`."""

    def __init__(self, parts: HttpParts, row: AnswerRow, seen: Peer, owner: IntakeOwner) -> None:
        self._parts = parts
        self._clock = parts.clock
        self._settings = parts.gateway.settings
        self._row = row
        self._seen = seen
        self._owner = owner
        self._reader = RequestReader(self._settings.max_head, parts.heads)
        self._body: IncomingBody | None = None
        self._expects = _HEAD
        self._is_advancing = False

    @property
    def is_idle(self) -> bool:
        """Whether a next request may come and nothing of it is here."""
        return self._expects is _HEAD and self._reader.is_empty and self._body is None

    @property
    def has_unread(self) -> bool:
        """Whether bytes are here that no request used."""
        return bool(self._reader.unread)

    @property
    def must_wait(self) -> bool:
        """Whether the client is to be left with what it has not sent yet."""
        if self._expects is _BODY:
            return self._body is not None and self._body.upload.is_full
        if self._expects is _HEAD:
            is_behind = self._row.output.behind_since is not None
            return is_behind or len(self._reader.unread) > MAX_UNREAD
        return False

    def feed(self, received: bytes) -> None:
        """Take bytes."""
        if self._expects is not _NOTHING:
            self._reader.feed(received)
            self.advance()

    def advance(self) -> None:
        """Start what can be started."""
        if self._is_advancing:
            return
        self._is_advancing = True
        try:
            while self._read_head() if self._expects is _HEAD else self._read_body():
                pass
        except RequestRefused as refused:
            self._refuse(refused)
        finally:
            self._is_advancing = False
        self._owner.regulate()

    def expect_no_more(self) -> None:
        """Take no further request; a body that is under way is read to its end."""
        if self._expects is _HEAD:
            self._expects = _NOTHING

    def give_up(self) -> None:
        """Take nothing more at all; forget what is under way."""
        self._expects = _NOTHING
        if self._body is not None:
            self._body.upload.abandon()
            self._body = None

    def deadlines(self) -> Iterator[Deadline]:
        """What is waited for now, each with its end."""
        settings, since = self._settings, self._reader.partial_since
        if self._expects is _BODY and self._body is not None:
            if not self._body.upload.is_full:
                yield self._body.since + settings.body_timeout_s, self._body_is_late
        elif self._expects is _HEAD and since is not None:
            yield since + settings.head_timeout_s, self._head_is_late

    def _read_head(self) -> bool:
        """Start the next request; False when it is not here yet or must wait."""
        now = self._clock.seconds()
        head = self._reader.next_head(now)
        if head is None:
            since = self._reader.partial_since
            if since is not None:
                self._owner.watch(since + self._settings.head_timeout_s)
            return False
        is_behind = self._row.output.behind_since is not None
        if is_behind or (self._row and not self._may_run_beside(head)):
            self._reader.put_back(head)
            return False
        if head.is_for_https:
            self._check_security(head)
        if head.is_websocket and self._parts.takes_sockets:
            self._hand_on(head)
        else:
            self._start(head, now)
        return not self._reader.is_empty

    def _may_run_beside(self, head: RequestHead) -> bool:
        """Whether the request may start before the earlier ones are answered.

        Bodies wait too, which keeps them one at a time. Source: RFC 9112 section 9.3.2.
        """
        return (
            head.is_safe
            and not (head.has_body or head.is_websocket)
            and len(self._row) < self._settings.pipeline_depth
            and self._row.all_safe
        )

    def _check_security(self, head: RequestHead) -> None:
        """Only a trusted proxy that has TLS may ask for `https`. Source: RFC 9110 section 7.4."""
        if self._parts.proxies.peer(self._seen, head.headers).scheme != "https":
            raise RequestRefused(421, "an https address on a connection without TLS")

    def _hand_on(self, head: RequestHead) -> None:
        peer = self._parts.proxies.peer(self._seen, head.headers)
        check_handshake(head, peer, self._settings.websocket_origins)
        if b"\x85" in self._reader.raw_head:  # a line end to Autobahn, which reads it as text
            raise RequestRefused(400, "a byte in the head that is no part of a handshake")
        self._expects = _NOTHING
        self._owner.hand_on(self._reader.raw_head, self._reader.take_rest())

    def _start(self, head: RequestHead, now: float) -> None:
        peer = self._parts.proxies.peer(self._seen, head.headers)
        if peer.host is not None:
            head = head._replace(headers=with_host(head.headers, peer.host), part=None)
        closes = not head.keeps_alive or self._parts.is_draining
        answer = Answer(self._row, head, peer, now, closes)
        self._row.add(answer)
        if head.has_body:
            self._start_body(head, answer)
            return
        if closes:
            self._expects = _NOTHING
        if not self._parts.answer_locally(answer, head):
            self._run(head, answer, b"", None, 0)

    def _start_body(self, head: RequestHead, answer: Answer) -> None:
        upload = Upload(self._parts.gateway, self._clock, self._parts.budget, self)
        self._body = IncomingBody(head, answer, upload, self._clock)
        self._expects = _BODY
        if self._parts.is_local(head):
            raise RequestRefused(413, "no body is expected here")
        if head.content_length > self._settings.max_body:
            raise RequestRefused(413, f"a body of more than {self._settings.max_body} bytes")
        if head.expects_continue and not self._reader.unread:
            self._row.output.write(CONTINUE)
        self._owner.watch(self._body.since + self._settings.body_timeout_s)

    def _read_body(self) -> bool:
        if self._expects is not _BODY or self._body is None or not self._reader.unread:
            return False
        used, ended = self._body.feed(self._reader.unread)
        self._reader.skip(used)
        if ended:
            self._expects = _NOTHING if self._body.answer.closes else _HEAD
            self._body.upload.end()
        return ended

    def upload_complete(self, body: bytes, channel: str | None) -> None:
        """The body is all here; the request goes out."""
        incoming, self._body = self._body, None
        if incoming is not None:
            self._run(incoming.head, incoming.answer, body, channel, incoming.upload.size)

    def upload_refused(self, refused: RequestRefused) -> None:
        """The layer does not take the body."""
        self._refuse(refused)

    def upload_moved(self) -> None:
        """The layer took a chunk."""
        if self._body is not None:
            self._body.made_progress()
            self._owner.watch(self._body.since + self._settings.body_timeout_s)
        self._owner.regulate()

    def _run(
        self, head: RequestHead, answer: Answer, body: bytes, channel: str | None, size: int
    ) -> None:
        exchange = self._parts.exchange(answer, head)
        self._owner.watch(self._clock.seconds() + self._settings.http_timeout_s)
        exchange.start(body, channel, size)

    def _refuse(self, refused: RequestRefused) -> None:
        answer = None if self._body is None else self._body.answer
        self.give_up()
        self._reader.take_rest()
        self._owner.refuse(refused, answer)

    def _head_is_late(self) -> None:
        self._refuse(RequestRefused(408, "the request's head took too long", "head_late"))

    def _body_is_late(self) -> None:
        self._refuse(RequestRefused(408, "the request's body took too long"))
