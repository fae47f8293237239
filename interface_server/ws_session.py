"""One socket from its handshake to its end, as a table of transitions.

Says what can happen in each state and which move it is (`ws_opening.py`, `ws_moves.py`); what is
absent from the table cannot happen. Knows no wire, no layer and no clock.
"""

from collections.abc import Callable, Mapping
from typing import Any

from interface_server import ws_steps as step
from interface_server.ws_opening import Opening
from interface_server.ws_steps import State

Move = Callable[[Opening, Any, float], None]

_WHEN_ACCEPTED: dict[type, Move] = {
    step.Garbled: Opening.complain,
    step.Receipted: Opening.land,
    step.Placed: Opening.ignore,
    step.Refused: Opening.retry_later,
    step.Lost: Opening.send_again,
    step.Reaped: Opening.leave_reaped,
    step.TimePassed: Opening.check_time,
}
"""The same as long as an accepted socket has events to be handled."""

_WHEN_OVER: dict[type, Move] = {
    step.Replied: Opening.miss,
    step.Garbled: Opening.complain,
    step.Receipted: Opening.ignore,
    step.Overflowed: Opening.ignore,
    step.PeerGone: Opening.ignore,
    step.Stopped: Opening.ignore,
    step.Lost: Opening.ignore,
    step.Reaped: Opening.ignore,
}
"""The same once nothing but the disconnect is left."""

TABLE: Mapping[State, Mapping[type, Move]] = {
    State.NEW: {step.Started: Opening.start},
    State.CONNECTING: {
        step.Replied: Opening.answer,
        step.Garbled: Opening.complain,
        step.Receipted: Opening.answer_missed,
        step.Placed: Opening.ignore,
        step.Refused: Opening.connect_refused,
        step.PeerGone: Opening.abandon,
        step.Stopped: Opening.refuse_going,
        step.Lost: Opening.send_again,
        step.Reaped: Opening.refuse_reaped,
        step.TimePassed: Opening.answer_overdue,
    },
    State.OPEN: _WHEN_ACCEPTED
    | {
        step.Replied: Opening.act,
        step.FrameCame: Opening.take_frame,
        step.Overflowed: Opening.overflow,
        step.PeerFailed: Opening.fail,
        step.PeerGone: Opening.go,
        step.Stopped: Opening.stop,
    },
    State.CLOSING: _WHEN_ACCEPTED
    | {
        step.Replied: Opening.miss,
        step.FrameCame: Opening.drop_frame,
        step.Overflowed: Opening.ignore,
        step.PeerFailed: Opening.ignore,
        step.PeerGone: Opening.go,
        step.Stopped: Opening.ignore,
    },
    State.ABANDONED: {
        step.Replied: Opening.answer_late,
        step.Garbled: Opening.complain,
        step.Receipted: Opening.answer_never,
        step.Placed: Opening.ignore,
        step.Refused: Opening.connect_missed,
        step.PeerGone: Opening.ignore,
        step.Stopped: Opening.hurry,
        step.Lost: Opening.forget,
        step.Reaped: Opening.hurry_reaped,
        step.TimePassed: Opening.give_up,
    },
    State.GONE: _WHEN_ACCEPTED
    | {
        step.Replied: Opening.miss,
        step.PeerGone: Opening.ignore,
        step.Stopped: Opening.ignore,
    },
    State.LEAVING: _WHEN_OVER
    | {
        step.Placed: Opening.left,
        step.Refused: Opening.stay,
        step.TimePassed: Opening.retry,
    },
    State.ENDED: _WHEN_OVER
    | {
        step.Placed: Opening.ignore,
        step.Refused: Opening.ignore,
        step.FrameCame: Opening.drop_frame,
        step.TimePassed: Opening.ignore,
    },
}


class Session(Opening):
    """The rules of one socket: `Opening` and `Moves`, chosen by the table."""

    __slots__ = ()

    def feed(self, happened: step.Input, now: float) -> list[step.Action]:
        """What must be done, in order, now that this happened.

        Raises: LookupError for what cannot happen in the present state.
        """
        move = TABLE[self.state].get(type(happened))
        if move is None:
            raise LookupError(f"{type(happened).__name__} cannot happen while {self.state.value}")
        move(self, happened, now)
        return self.actions()
