"""One request from sent to answered, as a table of states and what may happen in them.

Facts in, actions out; sends, writes and times nothing itself.

    WAITING    the request was sent, nothing came yet
    LATER      its handler is done and keeps the reply channel: the answer may come any time
    STREAMING  the head of the answer was written, its handler is to give more content
    PUSHING    the same, but the handler is done and said "later": content may come any time
    OVER       answered, given up or abandoned; whatever comes is ignored and counted
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from shared.errors import InvalidMessage
from shared.messages import HttpResponse, Receipt, ResponseChunk


class State(enum.IntEnum):
    """Where an exchange stands; see the top of the file."""

    WAITING = 0
    LATER = 1
    STREAMING = 2
    PUSHING = 3
    OVER = 4


@dataclass(frozen=True, slots=True)
class BadReply:
    """Something came on the reply channel that is no reply."""

    error: InvalidMessage


@dataclass(frozen=True, slots=True)
class NotSent:
    """The layer did not take the request; `is_full` when its list is at its capacity."""

    is_full: bool


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """The time for an answer, or for more of it, is over."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The layer lost its data, and the request with them; `is_at_hand` when we still hold it."""

    is_at_hand: bool


@dataclass(frozen=True, slots=True)
class RepliesLost:
    """The layer lost data: what comes next may have a hole before it."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """This server ends before an answer came."""


@dataclass(frozen=True, slots=True)
class ClientGone:
    """The connection ended."""


Came = HttpResponse | ResponseChunk | BadReply | Receipt
Happened = Came | NotSent | DeadlinePassed | Lost | RepliesLost | Stopped | ClientGone


class Respond(NamedTuple):
    """Write a response, or its head with the first content when it says that more comes."""

    response: HttpResponse


class Continue(NamedTuple):
    """Write more content."""

    chunk: ResponseChunk


@dataclass(frozen=True, slots=True)
class Answer:
    """Write a page of our own; with `retry_after_s` the client may try again."""

    status: int
    detail: str
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class SendAgain:
    """Send the request once more, as its second attempt."""


@dataclass(frozen=True, slots=True)
class Abort:
    """Cut the connection: the client must see that its response is not whole."""


@dataclass(frozen=True, slots=True)
class TellDisconnect:
    """Tell workers that the client left, where the operator asked for that."""


@dataclass(frozen=True, slots=True)
class Blame:
    """Log one line: whose fault, what came and what was expected."""

    event: str
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Count:
    """Raise a counter."""

    what: str


Action = Respond | Continue | Answer | SendAgain | Abort | TellDisconnect | Blame | Count
Step = tuple[State, tuple[Action, ...]]

_FAULT = "The server could not answer this request."
_BUSY = "The server is busy. Please try again."
_CUT = (("came", "a part of the response"),)


def step(state: State, happened: Happened) -> Step:
    """The next state and what is to be done now."""
    return _TABLE[state][type(happened)](state, happened)


def _respond(_: State, response: HttpResponse) -> Step:
    return State.STREAMING if response.more_content else State.OVER, (Respond(response),)


def _respond_later(_: State, response: HttpResponse) -> Step:
    return State.PUSHING if response.more_content else State.OVER, (Respond(response),)


def _continue(state: State, chunk: ResponseChunk) -> Step:
    return state if chunk.more_content else State.OVER, (Continue(chunk),)


def _no_head(_: State, chunk: ResponseChunk) -> Step:
    error = InvalidMessage("status", "an int from 200 to 599 in a response's first message", None)
    return State.OVER, (_blame_reply(error), Answer(500, _FAULT))


def _second_head(_: State, response: HttpResponse) -> Step:
    error = InvalidMessage("status", "content only, the response has begun", response.status)
    return State.OVER, (_blame_reply(error), Abort())


def _bad_reply(_: State, bad: BadReply) -> Step:
    return State.OVER, (_blame_reply(bad.error), Answer(500, _FAULT))


def _bad_chunk(_: State, bad: BadReply) -> Step:
    return State.OVER, (_blame_reply(bad.error), Abort())


def _receipt(state: State, receipt: Receipt) -> Step:
    if receipt.kind == "dead":
        blame = Blame("request_given_up", (("status", "503"),))
        return State.OVER, (blame, Answer(503, _FAULT, retry_after_s=1))
    if receipt.kind == "taken":
        return state, ()
    if receipt.later:
        return State.LATER, ()
    blame = Blame(
        "request_not_answered", (("expected", "a response or 'later'"), ("status", "500"))
    )
    return State.OVER, (blame, Answer(500, _FAULT))


def _receipt_in_stream(state: State, receipt: Receipt) -> Step:
    if receipt.kind == "taken":
        return state, ()
    if receipt.kind == "done" and receipt.later:
        return State.PUSHING, ()
    blame = Blame(
        "response_not_finished",
        (("expected", "a last chunk or 'later'"), ("came", f"a receipt {receipt.kind!r}")),
    )
    return State.OVER, (blame, Abort())


def _not_sent(_: State, failure: NotSent) -> Step:
    event = "request_list_full" if failure.is_full else "layer_unavailable"
    blame = Blame(event, (("status", "503"),))
    return State.OVER, (Count("http." + event), blame, Answer(503, _BUSY, retry_after_s=1))


def _not_sent_yet_answered(_: State, __: NotSent) -> Step:
    return State.OVER, (Blame("layer_unavailable"), Abort())


def _deadline(_: State, __: DeadlinePassed) -> Step:
    blame = Blame("request_deadline_passed", (("status", "503"),))
    answer = Answer(503, "The answer took too long.", retry_after_s=1)
    return State.OVER, (Count("http.deadline_passed"), blame, answer)


def _stream_stopped(_: State, __: DeadlinePassed) -> Step:
    blame = Blame("response_stopped", (("expected", "more content or a receipt"),))
    return State.OVER, (Count("http.response_stopped"), blame, Abort())


def _lost(state: State, lost: Lost) -> Step:
    if lost.is_at_hand:
        return state, (Count("http.sent_again"), SendAgain())
    blame = Blame("request_lost", (("status", "503"),))
    return State.OVER, (Count("http.lost"), blame, Answer(503, _FAULT, retry_after_s=1))


def _stopped(_: State, __: Stopped) -> Step:
    blame = Blame("request_unanswered_at_stop", (("status", "503"),))
    return State.OVER, (Count("http.stopped"), blame, Answer(503, _BUSY, retry_after_s=1))


def _lost_in_stream(_: State, __: Lost) -> Step:
    return State.OVER, (Count("http.lost"), Blame("request_lost", _CUT), Abort())


def _replies_lost(_: State, __: RepliesLost) -> Step:
    return State.OVER, (Count("http.lost"), Blame("replies_lost", _CUT), Abort())


def _gone(_: State, __: ClientGone) -> Step:
    return State.OVER, (TellDisconnect(), Count("http.client_gone"))


def _stay(state: State, _: object) -> Step:
    return state, ()


def _ignore(state: State, _: object) -> Step:
    return state, (Count("http.late_reply"),)


def _blame_reply(error: InvalidMessage) -> Blame:
    return Blame(
        "bad_reply", (("key", error.key), ("came", error.came), ("expected", error.expected))
    )


_Row = dict[type, Callable[[State, Any], Step]]

_UNANSWERED: _Row = {
    HttpResponse: _respond,
    ResponseChunk: _no_head,
    BadReply: _bad_reply,
    Receipt: _receipt,
    NotSent: _not_sent,
    DeadlinePassed: _deadline,
    Lost: _lost,
    RepliesLost: _stay,
    Stopped: _stopped,
    ClientGone: _gone,
}

_BEGUN: _Row = {
    HttpResponse: _second_head,
    ResponseChunk: _continue,
    BadReply: _bad_chunk,
    Receipt: _receipt_in_stream,
    NotSent: _not_sent_yet_answered,
    DeadlinePassed: _stream_stopped,
    Lost: _lost_in_stream,
    RepliesLost: _replies_lost,
    Stopped: _stay,
    ClientGone: _gone,
}

_OVER: _Row = dict.fromkeys(_BEGUN, _stay)

_TABLE: dict[State, _Row] = {
    State.WAITING: _UNANSWERED,
    State.LATER: _UNANSWERED | {HttpResponse: _respond_later, Receipt: _stay, Lost: _stay},
    State.STREAMING: _BEGUN,
    State.PUSHING: _BEGUN | {Receipt: _stay, DeadlinePassed: _stay, Lost: _stay},
    State.OVER: _OVER | {HttpResponse: _ignore, ResponseChunk: _ignore, BadReply: _ignore},
}
