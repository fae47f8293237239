"""Sessions brought to a state, and short names for what they say; asserts only that state."""

from channel_layer.layer import CloseSocket, Operation, Send
from interface_server import ws_steps as step
from interface_server.ws_session import Session
from interface_server.ws_steps import SessionLimits, State
from shared.messages import Receipt, WsConnect, WsReply

CHANNEL = "server.response.PROC!1"
STARTED = step.Started(WsConnect(CHANNEL, "/p"))
DONE = Receipt("done")
LIMITS = SessionLimits(connect_timeout_s=5, event_timeout_s=100, queue_frames=4, queue_bytes=1000)


def new_session(state: State = State.CONNECTING, **connect: object) -> Session:
    """A session brought to `state`; its connect was receipted unless it is still asked about."""
    session = Session(CHANNEL, "/p", LIMITS)
    started = step.Started(WsConnect(CHANNEL, "/p", **connect))  # type: ignore[arg-type]
    if state is State.NEW:
        return session
    session.feed(started, 0.0)
    if state is State.CONNECTING:
        return session
    if state is State.ABANDONED:
        session.feed(step.PeerGone(1006), 0.0)
        return session
    session.feed(step.Replied(WsReply(accept=True)), 0.0)
    session.feed(step.Receipted(0, DONE), 0.0)
    if state is State.CLOSING:
        session.feed(step.Replied(WsReply(close=1000)), 0.0)
    elif state is State.GONE:
        session.feed(step.FrameCame("flying"), 0.0)
        session.feed(step.PeerGone(1001), 0.0)
    elif state is State.LEAVING:
        session.feed(step.PeerGone(1001), 0.0)
    elif state is State.ENDED:
        session.feed(step.PeerGone(1001), 0.0)
        session.feed(step.Placed(1), 0.0)
    assert session.state is state
    return session


def operations(actions: list[step.Action]) -> list[Operation]:
    """All that is handed to the layer."""
    return [
        o for action in actions if isinstance(action, step.PlaceEvents) for o in action.operations
    ]


def sends(actions: list[step.Action]) -> list[Send]:
    """The events among them, that inside the end of a registration included."""
    placed = (o.disconnect if isinstance(o, CloseSocket) else o for o in operations(actions))
    return [operation for operation in placed if isinstance(operation, Send)]


def kinds(actions: list[step.Action]) -> list[str]:
    return [type(action).__name__ for action in actions]
