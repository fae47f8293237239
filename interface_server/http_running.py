"""Runs one exchange: sends its request, hears its replies, and does what the table says.

The rules are in `http_exchange.py`; the bytes are `http_answer.py`'s.
"""

from twisted.python.failure import Failure

from channel_layer.layer import Drop, Entry, Outcome, Send, Verdict
from interface_server import http_exchange as table
from interface_server.gateway import Broadcast, Gateway
from interface_server.http_answer import Answer
from interface_server.http_messages import RequestHead, http_request
from interface_server.http_responses import FramingBroken
from interface_server.http_upload import BodyBudget, perform_quietly
from interface_server.proxies import Peer
from shared import codec
from shared.errors import InvalidMessage, LayerError
from shared.logs import get_logger
from shared.messages import HttpDisconnect

REQUESTS = "http.request"
DISCONNECTS = "http.disconnect"

_log = get_logger("interface_server.http")


class RunningExchange:
    """One request that workers answer; a Receiver for its reply channel.

    `body_size` bytes go back to the budget when it is over. `due_at` is when its deadline
    passes, None once an answer has begun.
    """

    __slots__ = (
        "_answer",
        "_body_channel",
        "_body_size",
        "_budget",
        "_channel",
        "_due",
        "_gateway",
        "_head",
        "_request_id",
        "_state",
    )

    def __init__(
        self, gateway: Gateway, answer: Answer, head: RequestHead, due: float, budget: BodyBudget
    ) -> None:
        self._gateway = gateway
        self._answer = answer
        self._head = head
        self._due = due
        self._budget = budget
        self._state = table.State.WAITING
        self._channel = gateway.new_reply_channel()
        self._request_id = ""
        self._body_channel: str | None = None
        self._body_size = 0

    @property
    def due_at(self) -> float | None:
        """See above."""
        waits = self._state in (table.State.WAITING, table.State.LATER)
        return self._due if waits else None

    def start(self, peer: Peer, body: bytes, body_channel: str | None, body_size: int) -> None:
        """Send the request."""
        gateway, channel = self._gateway, self._channel
        settings = gateway.settings
        self._body_channel = body_channel
        self._body_size = body_size
        self._request_id = peer.request_id or gateway.new_request_id()
        gateway.register(channel, self)
        request = http_request(
            self._head, peer, channel, self._request_id, settings.root_path, body, body_channel
        )
        ttl_ms = int(settings.http_timeout_s * 1000)
        send = Send(REQUESTS, codec.encode(request), receipt=channel, ttl_ms=ttl_ms)
        gateway.perform(send).addCallbacks(self._sent, self._not_sent)

    def reply(self, entry: Entry) -> None:
        """A worker's response or chunk."""
        try:
            happened: table.Happened = codec.decode_http_reply(entry.payload)
        except InvalidMessage as error:
            happened = table.BadReply(error)
        self._happened(happened)

    def receipt(self, entry: Entry) -> None:
        """What became of the request."""
        try:
            self._happened(codec.decode_receipt(entry.payload))
        except InvalidMessage as error:
            self._blame(table.Blame("bad_receipt", (("error", str(error)),)))

    def broadcast(self, broadcast: Broadcast) -> None:
        """A group's message: the same as a reply of its own."""
        try:
            happened: table.Happened = broadcast.http_reply
        except InvalidMessage as error:
            happened = table.BadReply(error)
        self._happened(happened)

    def deadline_passed(self) -> None:
        """The time for an answer is over."""
        self._happened(table.DeadlinePassed())

    def client_gone(self) -> None:
        """The connection ended."""
        self._happened(table.ClientGone())

    def _sent(self, outcome: Outcome) -> None:
        if outcome.verdict is not Verdict.DONE:
            self._happened(table.NotSent(is_full=True))

    def _not_sent(self, failure: Failure) -> None:
        if not isinstance(failure.value, LayerError):
            _log.error("request_not_sent", traceback=failure.getTraceback())
        self._happened(table.NotSent(is_full=False))

    def _happened(self, happened: table.Happened) -> None:
        before = self._state
        self._state, actions = table.step(before, happened)
        if self._state is table.State.OVER and before is not table.State.OVER:
            self._gateway.unregister(self._channel)
            self._budget.give(self._body_size)
        try:
            for action in actions:
                self._perform(action)
        except FramingBroken as error:
            facts = (("key", "content"), ("came", f"{error.size} bytes"))
            expected = ("expected", f"{error.left} bytes, what its Content-Length leaves")
            self._blame(table.Blame("bad_reply", (*facts, expected)))
            self._answer.abort()

    def _perform(self, action: table.Action) -> None:
        match action:
            case table.Respond(response):
                self._answer.respond(response)
            case table.Continue(chunk):
                self._answer.more(chunk)
            case table.Answer(status, detail, retry_after_s):
                if self._body_channel is not None:
                    perform_quietly(self._gateway, Drop(self._body_channel))
                self._answer.own(status, detail, retry_after_s)
            case table.Abort():
                self._answer.abort()
            case table.TellDisconnect():
                self._tell_disconnect()
            case table.Blame():
                self._blame(action)
            case table.Count(what):
                self._gateway.count(what)

    def _blame(self, blame: table.Blame) -> None:
        _log.warning(
            blame.event,
            method=self._head.method,
            path=self._head.path,
            request_id=self._request_id,
            **dict(blame.facts),
        )

    def _tell_disconnect(self) -> None:
        if self._gateway.settings.send_http_disconnect:
            gone = codec.encode(HttpDisconnect(self._channel, self._head.path))
            perform_quietly(self._gateway, Send(DISCONNECTS, gone, urgent=True))
