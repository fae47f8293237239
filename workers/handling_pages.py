"""One `http.request` from its entry to the steps that answer it.

It calls the page's handler and turns whatever comes of it, exceptions included, into one `Done`;
committing that is the worker's part.
"""

import traceback
from collections.abc import Callable
from dataclasses import dataclass

from channel_layer.layer import Done, Drop, Entry, Operation, Send, SendReceipt
from shared import codec
from shared.channel_names import check_channel
from shared.errors import BodyGone, InvalidMessage, InvalidName, LayerUnavailable, shortened
from shared.logs import get_logger
from shared.messages import HttpRequest, Receipt
from workers.error_pages import error_response, plain_page
from workers.event_streams import HeldAnswer
from workers.figures import Figures
from workers.forms import BadForm
from workers.outbox import Outbox
from workers.responses import Later, Response, response_messages
from workers.routing import HTTP_REQUEST, App, HttpMatch, MethodNotAllowed, NotFound
from workers.web import HttpError, Request

Begin = Callable[[float], None]
"""Called with a handler's time-out in seconds right before the handler runs."""

_RECEIPT = codec.encode(Receipt("done"))
_RECEIPT_LATER = codec.encode(Receipt("done", later=True))

_LONGEST_REASON = 200

_ANSWERS = (Response, HeldAnswer, Later)

log = get_logger("workers.pages")


@dataclass(frozen=True, slots=True)
class Pages:
    """Answers requests with the handlers of `app`; `debug` shows tracebacks to clients."""

    app: App
    read_body: Callable[[str], bytes]
    figures: Figures
    debug: bool = False

    def handle(self, entry: Entry, begin: Begin) -> Done:
        """The steps that answer the request in `entry`."""
        message = _decoded(entry)
        if message is None:
            self.figures.failed(HTTP_REQUEST, "request_unreadable")
            return Done(entry.id, _receipt(entry, later=False))
        answer, effects = self._answer(message, entry, begin)
        if isinstance(answer, Response):
            replies = _replies(message.reply_channel, answer)
            return Done(entry.id, (*effects, *replies, *_answered(entry, message)))
        if isinstance(answer, HeldAnswer):
            first = Send(message.reply_channel, codec.encode(answer.hold))
            steps = (first, *answer.joins, *effects)
            return Done(entry.id, (*steps, *_end(entry, message, later=True)))
        return Done(entry.id, (*effects, *_end(entry, message, later=True)))

    def failure(self, entry: Entry, detail: str = "") -> Done:
        """The steps that answer 503 in place of what could not be done; they cannot be refused."""
        message = _decoded(entry)
        if message is None:
            return Done(entry.id, _receipt(entry, later=False), force=True)
        response = error_response(Request(message), 503, detail, self.app.error_page, log)
        replies = _replies(message.reply_channel, response, urgent=True)
        return Done(entry.id, (*replies, *_end(entry, message, later=False)), force=True)

    def _answer(
        self, message: HttpRequest, entry: Entry, begin: Begin
    ) -> tuple[Response | Later | HeldAnswer, tuple[Operation, ...]]:
        """The answer and the other effects; an answer that is an error has none."""
        match = self.app.match_http(message.method, message.path)
        if not isinstance(match, HttpMatch):
            return self._unmatched(Request(message, attempt=entry.attempt), match), ()
        request = Request(message, match.params, entry.attempt, self.read_body)
        if entry.attempt > 1 and not match.route.is_repeatable(message.method):
            log.warning("not_repeated", path=message.path, request_id=message.request_id)
            self.figures.failed(HTTP_REQUEST, "not_repeated")
            return self._error(request, 503, ""), ()
        outbox, handler = Outbox(), match.route.handler
        begin(match.route.timeout_s)
        try:
            answer: object = handler(request, outbox)
        except (Exception, SystemExit) as error:
            return self._failed(request, error), ()
        finally:
            request.close()
        if isinstance(answer, _ANSWERS):
            return answer, outbox.operations
        name = getattr(handler, "__qualname__", repr(handler))
        wrong = TypeError(f"{name}: expected a Response or LATER, got {shortened(answer)}")
        return self._failed(request, wrong), ()

    def _failed(self, request: Request, error: BaseException) -> Response:
        """The page for what a handler raised."""
        facts = {"method": request.method, "path": request.path, "request_id": request.request_id}
        if isinstance(error, HttpError):
            if error.status >= 500:
                self._told_refusal(error, facts)
            return self._error(request, error.status, error.detail)
        if isinstance(error, BadForm):
            return self._error(request, error.status, str(error))
        if isinstance(error, BodyGone | LayerUnavailable):
            log.warning("body_unreadable", reason=str(error), **facts)
            self.figures.failed(HTTP_REQUEST, "body_unreadable")
            return self._error(request, 503, "")
        log.error("handler_failed", exc_info=error, **facts)
        self.figures.failed(HTTP_REQUEST, "handler_failed")
        if self.debug:
            text = "".join(traceback.format_exception(error))
            named = request.request_id
            return plain_page(500, "Internal Server Error", str(error), text, named)
        return self._error(request, 500, "")

    def _told_refusal(self, error: HttpError, facts: dict[str, str]) -> None:
        """The one line of an error that a handler answered on purpose."""
        cause = error.__cause__ or error.__context__
        why = {} if cause is None else {"cause": repr(cause)[:_LONGEST_REASON]}
        reason = error.detail[:_LONGEST_REASON]
        log.error("handler_refused", status=error.status, reason=reason, **why, **facts)
        self.figures.failed(HTTP_REQUEST, "handler_refused")

    def _unmatched(self, request: Request, match: NotFound | MethodNotAllowed) -> Response:
        if isinstance(match, NotFound):
            return self._error(request, 404, "")
        return self._error(request, 405, "").with_header("allow", ", ".join(match.allow))

    def _error(self, request: Request, status: int, detail: str) -> Response:
        return error_response(request, status, detail, self.app.error_page, log)


def _decoded(entry: Entry) -> HttpRequest | None:
    try:
        message = codec.decode_http_request(entry.payload)
        check_channel(message.reply_channel)
        if message.body_channel is not None:
            check_channel(message.body_channel)
    except (InvalidMessage, InvalidName) as error:
        log.error("request_unreadable", entry=entry.id, reason=str(error))
        return None
    return message


def _replies(channel: str, response: Response, urgent: bool = False) -> tuple[Operation, ...]:
    parts = response_messages(response)
    if len(parts) == 1:
        return (Send(channel, codec.encode(parts[0]), urgent=urgent),)
    return tuple([Send(channel, codec.encode(part), urgent=urgent) for part in parts])


def _answered(entry: Entry, message: HttpRequest) -> tuple[Operation, ...]:
    """What follows a whole answer: it ends the exchange by itself, so a receipt says no more."""
    if entry.receipt == message.reply_channel:
        return () if message.body_channel is None else (Drop(message.body_channel),)
    return _end(entry, message, later=False)


def _end(entry: Entry, message: HttpRequest, later: bool) -> tuple[Operation, ...]:
    body = () if message.body_channel is None else (Drop(message.body_channel),)
    return (*_receipt(entry, later), *body)


def _receipt(entry: Entry, later: bool) -> tuple[Operation, ...]:
    if not entry.receipt:
        return ()
    return (SendReceipt(entry.receipt, _RECEIPT_LATER if later else _RECEIPT, entry.order),)
