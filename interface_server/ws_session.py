"""One socket from its handshake to its end, as a table of transitions.

Says what can happen in each state and which move it is (`ws_moves.py`); what is absent from the
table cannot happen. Knows no wire, no layer and no clock.
"""

from collections.abc import Callable, Mapping
from typing import Any

from interface_server import ws_steps as step
from interface_server.ws_moves import Moves
from interface_server.ws_steps import State

Move = Callable[[Moves, Any, float], None]

_WHEN_ACCEPTED: dict[type, Move] = {
    step.Garbled: Moves.complain,
    step.Receipted: Moves.land,
    step.Placed: Moves.ignore,
    step.Refused: Moves.retry_later,
    step.TimePassed: Moves.check_time,
}
"""The same as long as an accepted socket has events to be handled."""

_WHEN_OVER: dict[type, Move] = {
    step.Replied: Moves.miss,
    step.Garbled: Moves.complain,
    step.Receipted: Moves.ignore,
    step.Overflowed: Moves.ignore,
    step.PeerGone: Moves.ignore,
    step.Stopped: Moves.ignore,
}
"""The same once nothing but the disconnect is left."""

TABLE: Mapping[State, Mapping[type, Move]] = {
    State.NEW: {step.Started: Moves.start},
    State.CONNECTING: {
        step.Replied: Moves.answer,
        step.Garbled: Moves.complain,
        step.Receipted: Moves.answer_missed,
        step.Placed: Moves.ignore,
        step.Refused: Moves.connect_refused,
        step.PeerGone: Moves.abandon,
        step.Stopped: Moves.refuse_stopping,
        step.TimePassed: Moves.answer_overdue,
    },
    State.OPEN: _WHEN_ACCEPTED
    | {
        step.Replied: Moves.act,
        step.FrameCame: Moves.take_frame,
        step.Overflowed: Moves.overflow,
        step.PeerGone: Moves.go,
        step.Stopped: Moves.stop,
    },
    State.CLOSING: _WHEN_ACCEPTED
    | {
        step.Replied: Moves.miss,
        step.FrameCame: Moves.drop_frame,
        step.Overflowed: Moves.ignore,
        step.PeerGone: Moves.go,
        step.Stopped: Moves.ignore,
    },
    State.ABANDONED: {
        step.Replied: Moves.answer_late,
        step.Garbled: Moves.complain,
        step.Receipted: Moves.answer_never,
        step.Placed: Moves.ignore,
        step.Refused: Moves.forget,
        step.PeerGone: Moves.ignore,
        step.Stopped: Moves.forget,
        step.TimePassed: Moves.give_up,
    },
    State.GONE: _WHEN_ACCEPTED
    | {
        step.Replied: Moves.miss,
        step.PeerGone: Moves.ignore,
        step.Stopped: Moves.ignore,
    },
    State.LEAVING: _WHEN_OVER
    | {
        step.Placed: Moves.left,
        step.Refused: Moves.stay,
        step.TimePassed: Moves.retry,
    },
    State.ENDED: _WHEN_OVER
    | {
        step.Placed: Moves.ignore,
        step.Refused: Moves.ignore,
        step.FrameCame: Moves.drop_frame,
        step.TimePassed: Moves.ignore,
    },
}


class Session(Moves):
    """The rules of one socket: `Moves` chosen by the table."""

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
