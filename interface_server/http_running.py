"""Runs one exchange: sends its request, hears its replies, and does what the table says.

The rules are in `http_exchange.py`; the bytes are `http_answer.py`'s.
"""

from collections.abc import Sequence

from channel_layer.answers import Outcome
from channel_layer.layer import Awaited, Drop, Entry, OpenSocket, Position, Send
from interface_server import http_steps as table
from interface_server.broadcasts import Broadcast
from interface_server.gateway import Gateway
from interface_server.http_answer import Answer
from interface_server.http_exchange import step
from interface_server.http_holding import Holding
from interface_server.http_messages import RequestHead
from interface_server.http_responses import FramingBroken
from interface_server.http_upload import BodyBudget, perform_quietly
from interface_server.request_message import packed_request
from interface_server.wires import Clock
from shared import codec
from shared.errors import InvalidMessage, LayerError
from shared.logs import get_logger
from shared.messages import Hold, HttpDisconnect, HttpResponse, ResponseChunk

REQUESTS = "http.request"
DISCONNECTS = "http.disconnect"

MAX_KEPT_BODY = 64 * 1024
"""A request whose body is no larger can be sent again, should the layer lose it; ours."""

SENT_AGAIN = 2
"""The attempt of a request that is sent once more, since the layer lost it."""

_log = get_logger("interface_server.http")


class RunningExchange:
    """One request that workers answer; a Receiver for its reply channel.

    `body_size` bytes go back to the budget when it is over. `due_at` is when its deadline
    passes: for the answer, then for each further part of it unless the handler said "later". In
    an event stream a heartbeat is due then, in a long poll its answer.
    """

    __slots__ = (
        "_answer",
        "_body",
        "_body_channel",
        "_body_size",
        "_budget",
        "_channel",
        "_clock",
        "_due",
        "_gateway",
        "_head",
        "_held",
        "_is_awaited",
        "_state",
    )

    def __init__(
        self, gateway: Gateway, answer: Answer, head: RequestHead, clock: Clock, budget: BodyBudget
    ) -> None:
        self._gateway = gateway
        self._answer = answer
        self._head = head
        self._clock = clock
        now = clock.seconds()
        self._due = now + gateway.settings.http_timeout_s
        answer.sent_at = now
        self._budget = budget
        self._state = table.State.WAITING
        self._channel = gateway.new_reply_channel()
        self._body: bytes | None = b""
        self._body_channel: str | None = None
        self._body_size = 0
        self._is_awaited = True
        self._held: Holding | None = None

    @property
    def due_at(self) -> float | None:
        """See above."""
        if self._state > table.State.POLLING:
            return None
        return self._due if self._held is None else self._held.due_at

    def start(self, body: bytes, body_channel: str | None, body_size: int) -> None:
        """Send the request."""
        gateway = self._gateway
        self._body_channel = body_channel
        self._body_size = body_size
        gateway.register(self._channel, self)
        self._send(body)
        if body_channel is not None or len(body) > MAX_KEPT_BODY:
            self._body = None
        elif body:
            self._body = body

    def reply(self, entry: Entry) -> None:
        """A worker's response or chunk, or what is to be done instead."""
        try:
            happened: table.Happened = codec.decode_http_reply(entry.payload)
        except InvalidMessage as error:
            happened = table.BadReply(error)
        if isinstance(happened, Hold) and self._answer.method == "HEAD":
            self._happened(HttpResponse(200, happened.headers, more_content=True))
            happened = ResponseChunk()
        self._happened(happened)

    def receipt(self, entry: Entry) -> None:
        """What became of the request."""
        self._is_awaited = False
        try:
            self._happened(codec.decode_receipt(entry.payload))
        except InvalidMessage as error:
            self._tell(table.Blame("bad_receipt", (("error", str(error)),)))

    def broadcast(self, broadcast: Broadcast) -> None:
        """A group's message: the same as a reply of its own, an event for what is held for it.

        Raises: InvalidMessage when it is no event, for a held one.
        """
        if self._held is not None:
            self._held.broadcast(broadcast)
            self._heard(self._held)
            return
        try:
            happened: table.Happened = broadcast.http_reply
        except InvalidMessage as error:
            happened = table.BadReply(error)
        self._happened(happened)

    def positioned(self, group: str, position: Position, word: str) -> None:
        """Where an event stream or a poll is; a response has no place for that."""
        if self._held is not None:
            self._held.positioned(group, position, word)
            self._heard(self._held)

    def registration(self) -> OpenSocket | None:
        """The layer knows sockets only."""
        return None

    def awaited(self) -> Awaited | None:
        """The request, until a receipt said what became of it."""
        return Awaited(REQUESTS, self._channel) if self._is_awaited else None

    def lost(self, order: int) -> bool:
        """The request is nowhere any more; whether it was sent again.

        It is somewhere, should a receipt have come while the layer was asked.
        """
        if not self._is_awaited:
            return False
        self._happened(table.Lost(self._body is not None))
        return self._state is table.State.WAITING

    def missed(self) -> None:
        """Replies may be lost."""
        self._happened(table.RepliesLost())

    def reaped(self) -> None:
        """Its groups are joined again and it is asked what it awaits; that is all."""

    def deadline_passed(self) -> None:
        """The time for an answer, or for more of it, is over."""
        self._happened(table.DeadlinePassed())

    def stopped(self) -> None:
        """This server ends."""
        self._happened(table.Stopped())

    def stop(self) -> None:
        """The same, for what is held: it ends before others, and in its turn."""
        self.stopped()

    def client_gone(self) -> None:
        """The connection ended."""
        self._happened(table.ClientGone())

    def _send(self, body: bytes, attempt: int = 1) -> None:
        settings, channel = self._gateway.settings, self._channel
        packed = packed_request(
            self._head,
            self._answer.peer,
            channel,
            self._answer.request_id,
            settings.root_path,
            body,
            self._body_channel,
        )
        ttl_ms = int(settings.http_timeout_s * 1000)
        send = Send(REQUESTS, packed, receipt=channel, ttl_ms=ttl_ms, attempt=attempt)
        self._gateway.submit(send, self._not_sent)

    def _not_sent(self, came: Outcome | Exception) -> None:
        is_full = isinstance(came, Outcome)
        if not is_full and not isinstance(came, LayerError):
            _log.error("request_not_sent", exc_info=came)
        self._happened(table.NotSent(is_full))

    def _happened(self, happened: table.Happened) -> None:
        before = self._state
        self._state, actions = step(before, happened)
        if self._state is table.State.OVER and before is not table.State.OVER:
            self._gateway.unregister(self._channel)
            if self._body_size:
                self._budget.give(self._body_size)
            if self._held is not None:
                self._gateway.let_go(self)
        if len(actions) > 1:  # a whole answer is a single action
            self._account(actions)
        try:
            for action in actions:
                self._perform(action)
        except FramingBroken as error:
            facts = (("key", "content"), ("came", f"{error.size} bytes"))
            expected = ("expected", f"{error.left} bytes, what its Content-Length leaves")
            self._account((table.Blame("bad_reply", (*facts, expected)), table.Abort()))
            self._answer.abort()

    def _perform(self, action: table.Action) -> None:
        match action:
            case table.Respond(response):
                now = self._answer.replied_at = self._clock.seconds()
                self._due = now + self._gateway.settings.http_timeout_s
                self._answer.respond(response)
            case table.Continue(chunk):
                self._answer.more(chunk)
                self._due = self._clock.seconds() + self._gateway.settings.http_timeout_s
            case table.Answer(status, detail, retry_after_s):
                if self._body_channel is not None:
                    perform_quietly(self._gateway, Drop(self._body_channel))
                self._answer.own(status, detail, retry_after_s)
            case table.Begin(hold):
                now = self._clock.seconds()
                self._held = Holding(hold, self._answer, self._gateway.settings, now)
                if self._state is not table.State.OVER:  # its first content may cut its stream
                    self._gateway.hold(self)
            case table.Push() | table.Beat() | table.Farewell() | table.AnswerPoll():
                if self._held is not None:
                    self._held.perform(action, self._channel)
                    self._heard(self._held)
            case table.SendAgain():
                self._send(self._body or b"", SENT_AGAIN)
            case table.Abort():
                self._answer.abort()
            case table.TellDisconnect():
                self._tell_disconnect()
            case table.Count(what):
                self._gateway.count(what)

    def _heard(self, held: Holding) -> None:
        """What is held may be over with what it heard."""
        if held.is_over:
            self._happened(table.LastEvent())

    def _account(self, actions: Sequence[table.Action]) -> None:
        """Say in one line what went wrong, if something did, and count how it ends."""
        blame = next((one for one in actions if isinstance(one, table.Blame)), None)
        ending = next((one for one in actions if isinstance(one, table.Answer | table.Abort)), None)
        if blame is None:
            return
        if ending is None:
            self._tell(blame)
            return
        status = ending.status if isinstance(ending, table.Answer) else 0
        self._gateway.figures.failures[blame.event, status] += 1
        self._tell(blame, status=status or "cut")

    def _tell(self, blame: table.Blame, **more: int | str) -> None:
        facts = {**dict(blame.facts), **more, "request_id": self._answer.request_id}
        _log.warning(blame.event, method=self._head.method, path=self._head.path, **facts)

    def _tell_disconnect(self) -> None:
        if self._gateway.settings.send_http_disconnect:
            gone = codec.encode(HttpDisconnect(self._channel, self._head.path))
            perform_quietly(self._gateway, Send(DISCONNECTS, gone, urgent=True))
