"""The table of one exchange: every state against everything that may happen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interface_server.http_exchange import step
from interface_server.http_steps import (
    Abort,
    Action,
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
    Stopped,
    TellDisconnect,
)
from shared.errors import InvalidMessage
from shared.messages import Event, Hold, HttpResponse, Receipt, ResponseChunk

WHOLE = HttpResponse(200, (), b"a")
BEGUN = HttpResponse(200, (), b"a", more_content=True)
MORE = ResponseChunk(b"b", more_content=True)
LAST = ResponseChunk(b"c")
BAD = BadReply(InvalidMessage("text", "nothing", 5))
TAKEN, DONE, LATER, DEAD = Receipt("taken"), Receipt("done"), Receipt("done", True), Receipt("dead")
FULL, AWAY = NotSent(True), NotSent(False)
LATE, GONE = DeadlinePassed(), ClientGone()
LOST, LOST_FOR_GOOD = Lost(is_at_hand=True), Lost(is_at_hand=False)
STREAM, POLL, EVENT = Hold("events"), Hold("poll"), Event("x")
EVERYTHING: list[Happened] = [
    *(WHOLE, BEGUN, MORE, LAST, BAD, TAKEN, DONE, LATER, DEAD, FULL, AWAY, LATE, GONE),
    *(LOST, LOST_FOR_GOOD, Stopped(), RepliesLost(), STREAM, POLL, EVENT, LastEvent()),
]


def essence(actions: tuple[Action, ...]) -> list[object]:
    """Actions without their words."""
    return [
        action.status
        if isinstance(action, Answer)
        else "response"
        if isinstance(action, Respond | Continue)
        else type(action)
        for action in actions
    ]


@pytest.mark.parametrize("state", [State.WAITING, State.LATER])
@pytest.mark.parametrize(
    ("happened", "after", "actions"),
    [
        (WHOLE, State.OVER, ["response"]),
        (MORE, State.OVER, [Blame, 500]),
        (BAD, State.OVER, [Blame, 500]),
        (FULL, State.OVER, [Count, Blame, 503]),
        (AWAY, State.OVER, [Count, Blame, 503]),
        (LATE, State.OVER, [Count, Blame, 503]),
        (Stopped(), State.OVER, [Count, Blame, 503]),
        (GONE, State.OVER, [TellDisconnect, Count]),
        (STREAM, State.EVENTS, [Count, Begin]),
        (POLL, State.POLLING, [Count, Begin]),
        (EVENT, State.OVER, [Blame, 500]),
    ],
)
def test_before_an_answer(
    state: State, happened: Happened, after: State, actions: list[object]
) -> None:
    """The first message decides."""
    found, acts = step(state, happened)
    assert (found, essence(acts)) == (after, actions)


@pytest.mark.parametrize(
    ("state", "after"), [(State.WAITING, State.STREAMING), (State.LATER, State.PUSHING)]
)
def test_an_answer_that_begins(state: State, after: State) -> None:
    """Only a handler that said "later" may take any time for the rest."""
    found, acts = step(state, BEGUN)
    assert (found, essence(acts)) == (after, ["response"])


@pytest.mark.parametrize(
    ("state", "happened", "after", "actions"),
    [
        (State.WAITING, LOST, State.WAITING, [Count, SendAgain]),
        (State.WAITING, LOST_FOR_GOOD, State.OVER, [Count, Blame, 503]),
        (State.LATER, LOST_FOR_GOOD, State.LATER, []),
        (State.STREAMING, LOST, State.OVER, [Count, Blame, Abort]),
        (State.PUSHING, LOST, State.PUSHING, []),
        (State.OVER, LOST, State.OVER, []),
    ],
)
def test_a_request_that_the_layer_lost(
    state: State, happened: Happened, after: State, actions: list[object]
) -> None:
    """It is sent again if it is still at hand, else answered at once; half an answer is cut."""
    found, acts = step(state, happened)
    assert (found, essence(acts)) == (after, actions)


@pytest.mark.parametrize(
    ("state", "after", "actions"),
    [
        (State.WAITING, State.WAITING, []),
        (State.LATER, State.LATER, []),
        (State.STREAMING, State.OVER, [Count, Blame, Abort]),
        (State.PUSHING, State.OVER, [Count, Blame, Abort]),
        (State.OVER, State.OVER, []),
    ],
)
def test_replies_that_may_be_lost(state: State, after: State, actions: list[object]) -> None:
    """Half an answer may have a hole, so it is not let end like a whole one."""
    found, acts = step(state, RepliesLost())
    assert (found, essence(acts)) == (after, actions)


@pytest.mark.parametrize(
    ("receipt", "after", "actions"),
    [
        (TAKEN, State.WAITING, []),
        (DONE, State.OVER, [Blame, 500]),
        (LATER, State.LATER, []),
        (DEAD, State.OVER, [Blame, 503]),
    ],
)
def test_receipts_before_an_answer(receipt: Receipt, after: State, actions: list[object]) -> None:
    """Done without an answer is an error at once, unless the handler said later."""
    found, acts = step(State.WAITING, receipt)
    assert (found, essence(acts)) == (after, actions)


@pytest.mark.parametrize(
    ("happened", "after", "actions"),
    [
        (MORE, State.STREAMING, ["response"]),
        (LAST, State.OVER, ["response"]),
        (WHOLE, State.OVER, [Blame, Abort]),
        (BAD, State.OVER, [Blame, Abort]),
        (TAKEN, State.STREAMING, []),
        (LATER, State.PUSHING, []),
        (DONE, State.OVER, [Blame, Abort]),
        (DEAD, State.OVER, [Blame, Abort]),
        (LATE, State.OVER, [Count, Blame, Abort]),
        (GONE, State.OVER, [TellDisconnect, Count]),
    ],
)
def test_in_the_middle_of_an_answer(
    happened: Happened, after: State, actions: list[object]
) -> None:
    """What is not content cuts the connection: a page of ours cannot follow half of theirs."""
    found, acts = step(State.STREAMING, happened)
    assert (found, essence(acts)) == (after, actions)


@pytest.mark.parametrize(
    ("happened", "after", "actions"),
    [
        (MORE, State.PUSHING, ["response"]),
        (LAST, State.OVER, ["response"]),
        (WHOLE, State.OVER, [Blame, Abort]),
        (BAD, State.OVER, [Blame, Abort]),
        (DONE, State.PUSHING, []),
        (LATE, State.PUSHING, []),
        (GONE, State.OVER, [TellDisconnect, Count]),
    ],
)
def test_in_the_middle_of_an_answer_that_comes_when_it_comes(
    happened: Happened, after: State, actions: list[object]
) -> None:
    """Behind "later" content has no deadline (server-sent events), and no receipt ends it."""
    found, acts = step(State.PUSHING, happened)
    assert (found, essence(acts)) == (after, actions)


@pytest.mark.parametrize(
    ("happened", "after", "actions"),
    [
        (EVENT, State.EVENTS, [Push]),
        (MORE, State.EVENTS, ["response"]),
        (LAST, State.OVER, ["response"]),
        (LastEvent(), State.OVER, ["response"]),
        (WHOLE, State.OVER, [Blame, Abort]),
        (STREAM, State.OVER, [Blame, Abort]),
        (BAD, State.EVENTS, [Count, Blame]),
        (LATER, State.EVENTS, []),
        (DONE, State.EVENTS, []),
        (DEAD, State.EVENTS, []),
        (AWAY, State.EVENTS, []),
        (LATE, State.EVENTS, [Beat]),
        (LOST, State.EVENTS, []),
        (RepliesLost(), State.EVENTS, []),
        (Stopped(), State.OVER, [Count, Farewell]),
        (GONE, State.OVER, [TellDisconnect, Count]),
    ],
)
def test_in_an_event_stream(happened: Happened, after: State, actions: list[object]) -> None:
    """It outlives its handler, silence and a loss of data; a bad event stops nothing."""
    found, acts = step(State.EVENTS, happened)
    assert (found, essence(acts)) == (after, actions)


@pytest.mark.parametrize(
    ("happened", "after", "actions"),
    [
        (EVENT, State.POLLING, [Push]),
        (LastEvent(), State.OVER, [AnswerPoll]),
        (LATE, State.OVER, [AnswerPoll]),
        (Stopped(), State.OVER, [AnswerPoll]),
        (RepliesLost(), State.OVER, [AnswerPoll]),
        (WHOLE, State.OVER, ["response"]),
        (MORE, State.OVER, [Blame, 500]),
        (BAD, State.POLLING, [Count, Blame]),
        (LATER, State.POLLING, []),
        (LOST, State.POLLING, []),
        (GONE, State.OVER, [TellDisconnect, Count]),
    ],
)
def test_in_a_poll(happened: Happened, after: State, actions: list[object]) -> None:
    """Whatever ends it, its client gets an answer that it can go on from."""
    found, acts = step(State.POLLING, happened)
    assert (found, essence(acts)) == (after, actions)


@given(st.lists(st.sampled_from(EVERYTHING)))
def test_every_course_ends_once(course: list[Happened]) -> None:
    """No input is unknown to a state; one head at most; after the end nothing is written."""
    state = State.WAITING
    heads, ends = 0, 0
    for happened in course:
        before = state
        state, actions = step(state, happened)
        heads += sum(isinstance(action, Respond | Answer | AnswerPoll) for action in actions)
        heads += any(isinstance(a, Begin) and a.hold is STREAM for a in actions)
        ends += state is State.OVER and before is not State.OVER
        if before is State.OVER:
            assert state is State.OVER
            assert all(isinstance(action, Count) for action in actions)
        if any(isinstance(action, Answer) and action.status >= 500 for action in actions):
            assert any(isinstance(action, Blame) for action in actions)
    assert heads <= 1
    assert ends <= 1


@given(st.lists(st.binary(max_size=5), min_size=1), st.lists(st.sampled_from([TAKEN, LATER])))
def test_no_content_is_lost_or_doubled(pieces: list[bytes], receipts: list[Receipt]) -> None:
    """The client gets what the worker said, in order."""
    said: list[Happened] = [HttpResponse(200, (), pieces[0], len(pieces) > 1)]
    said += [ResponseChunk(piece, True) for piece in pieces[1:-1]]
    said += [ResponseChunk(pieces[-1])] if len(pieces) > 1 else []
    state, written = State.WAITING, b""
    for happened in [*receipts, *said, *receipts]:
        state, actions = step(state, happened)
        for action in actions:
            if isinstance(action, Respond):
                written += action.response.content
            elif isinstance(action, Continue):
                written += action.chunk.content
    assert (state, written) == (State.OVER, b"".join(pieces))
