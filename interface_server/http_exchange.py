"""One request from sent to answered, as a table of states and what may happen in them.

Facts in, actions out; sends, writes and times nothing itself.

    WAITING    the request was sent, nothing came yet
    LATER      its handler is done and keeps the reply channel: the answer may come any time
    STREAMING  the head of the answer was written, its handler is to give more content
    EVENTS     an event stream was begun: its groups' messages are events, silence is broken
    POLLING    the answer comes with the next event, at its deadline without one
    PUSHING    as STREAMING, but the handler is done and said "later": content may come any time
    OVER       answered, given up or abandoned; whatever comes is ignored and counted
"""

from collections.abc import Callable
from typing import Any

from interface_server.http_steps import (
    Abort,
    Answer,
    AnswerPoll,
    BadReply,
    Beat,
    Begin,
    Blame,
    ClientGone,
    Continue,
    Count,
    DeadlinePassed,
    Farewell,
    Happened,
    LastEvent,
    Lost,
    NotSent,
    Push,
    RepliesLost,
    Respond,
    SendAgain,
    State,
    Step,
    Stopped,
    TellDisconnect,
)
from shared.errors import InvalidMessage
from shared.messages import Event, Hold, HttpResponse, Receipt, ResponseChunk

_FAULT = "The server could not answer this request."
_BUSY = "The server is busy. Please try again."
_CUT = (("came", "a part of the response"),)
_NO_STREAM = InvalidMessage("text", "a response, since no event stream was begun", "an event")


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


def _hold(_: State, hold: Hold) -> Step:
    if hold.hold == "poll":
        return State.POLLING, (Count("http.polls"), Begin(hold))
    return State.EVENTS, (Count("http.event_streams"), Begin(hold))


def _hold_too_late(_: State, hold: Hold) -> Step:
    error = InvalidMessage("hold", "content only, the response has begun", hold.hold)
    return State.OVER, (_blame_reply(error), Abort())


def _no_stream(_: State, __: Event) -> Step:
    return State.OVER, (_blame_reply(_NO_STREAM), Answer(500, _FAULT))


def _no_stream_either(_: State, __: Event) -> Step:
    return State.OVER, (_blame_reply(_NO_STREAM), Abort())


def _blame_reply(error: InvalidMessage) -> Blame:
    return Blame(
        "bad_reply", (("key", error.key), ("came", error.came), ("expected", error.expected))
    )


def _push(state: State, event: Event) -> Step:
    return state, (Push(event),)


def _refuse_event(state: State, bad: BadReply) -> Step:
    return state, (Count("invalid_replies"), _blame_reply(bad.error))


def _beat(state: State, _: DeadlinePassed) -> Step:
    return state, (Beat(),)


def _last_event(_: State, __: LastEvent) -> Step:
    return State.OVER, (Continue(ResponseChunk()),)


def _farewell(_: State, __: Stopped) -> Step:
    return State.OVER, (Count("http.event_streams_sent_on"), Farewell())


def _answer_poll(_: State, __: object) -> Step:
    return State.OVER, (AnswerPoll(),)


_Row = dict[type, Callable[[State, Any], Step]]

_UNANSWERED: _Row = {
    HttpResponse: _respond,
    ResponseChunk: _no_head,
    Hold: _hold,
    Event: _no_stream,
    BadReply: _bad_reply,
    Receipt: _receipt,
    NotSent: _not_sent,
    DeadlinePassed: _deadline,
    Lost: _lost,
    RepliesLost: _stay,
    Stopped: _stopped,
    ClientGone: _gone,
    LastEvent: _stay,
}

_BEGUN: _Row = {
    HttpResponse: _second_head,
    ResponseChunk: _continue,
    Hold: _hold_too_late,
    Event: _no_stream_either,
    BadReply: _bad_chunk,
    Receipt: _receipt_in_stream,
    NotSent: _not_sent_yet_answered,
    DeadlinePassed: _stream_stopped,
    Lost: _lost_in_stream,
    RepliesLost: _replies_lost,
    Stopped: _stay,
    ClientGone: _gone,
    LastEvent: _stay,
}

_HELD: _Row = {
    Event: _push,
    BadReply: _refuse_event,
    Receipt: _stay,
    NotSent: _stay,
    Lost: _stay,
    ClientGone: _gone,
}

_EVENTS: _Row = (
    _BEGUN
    | _HELD
    | {
        DeadlinePassed: _beat,
        RepliesLost: _stay,
        Stopped: _farewell,
        LastEvent: _last_event,
    }
)

_POLLING: _Row = (
    _UNANSWERED
    | _HELD
    | {
        DeadlinePassed: _answer_poll,
        RepliesLost: _answer_poll,
        Stopped: _answer_poll,
        LastEvent: _answer_poll,
    }
)

_OVER: _Row = dict.fromkeys(_BEGUN, _stay)

_TABLE: dict[State, _Row] = {
    State.WAITING: _UNANSWERED,
    State.LATER: _UNANSWERED | {HttpResponse: _respond_later, Receipt: _stay, Lost: _stay},
    State.STREAMING: _BEGUN,
    State.EVENTS: _EVENTS,
    State.POLLING: _POLLING,
    State.PUSHING: _BEGUN | {Receipt: _stay, DeadlinePassed: _stay, Lost: _stay},
    State.OVER: _OVER
    | dict.fromkeys((HttpResponse, ResponseChunk, Hold, Event, BadReply), _ignore),
}
