"""The words of an exchange: where it stands, what may happen to it, and what is to be done then.

Decides nothing; which goes with which is the table of `http_exchange.py`.
"""

import enum
from dataclasses import dataclass
from typing import NamedTuple

from shared.errors import InvalidMessage
from shared.messages import Event, Hold, HttpReply, HttpResponse, Receipt, ResponseChunk


class State(enum.IntEnum):
    """Where an exchange stands; `http_exchange.py` says what each means."""

    WAITING = 0
    LATER = 1
    STREAMING = 2
    EVENTS = 3
    POLLING = 4
    PUSHING = 5
    OVER = 6


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


@dataclass(frozen=True, slots=True)
class LastEvent:
    """An event stream was given its last event, or a poll what it waits for."""


Came = HttpReply | BadReply | Receipt
Happened = Came | NotSent | DeadlinePassed | Lost | RepliesLost | Stopped | ClientGone | LastEvent


class Respond(NamedTuple):
    """Write a response, or its head with the first content when it says that more comes."""

    response: HttpResponse


class Continue(NamedTuple):
    """Write more content."""

    chunk: ResponseChunk


class Begin(NamedTuple):
    """Write the head of an event stream, or begin to gather what a poll is answered with."""

    hold: Hold


class Push(NamedTuple):
    """Give an event that is for this exchange alone."""

    event: Event


@dataclass(frozen=True, slots=True)
class Beat:
    """Let the client of an event stream hear something."""


@dataclass(frozen=True, slots=True)
class Farewell:
    """End an event stream whose server ends: its client comes again, at a time of its own."""


@dataclass(frozen=True, slots=True)
class AnswerPoll:
    """Answer a poll with what was gathered, be it nothing."""


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


HeldAction = Push | Beat | Farewell | AnswerPoll
_OwnAction = Answer | SendAgain | Abort | TellDisconnect | Blame | Count
Action = Respond | Continue | Begin | HeldAction | _OwnAction
Step = tuple[State, tuple[Action, ...]]
