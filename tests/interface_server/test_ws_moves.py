"""What a socket does when the layer lost its data, or when its server was taken for dead."""

import pytest

from channel_layer.layer import Awaited, CloseSocket, OpenSocket, Send
from interface_server import ws_steps as step
from interface_server.ws_session import Session
from interface_server.ws_steps import State
from shared import codec
from shared.messages import REAPED_ORDER, Receipt, WsDisconnect, WsReply
from tests.interface_server.ws_cases import (
    CHANNEL,
    DONE,
    LIMITS,
    kinds,
    new_session,
    operations,
    sends,
)


def farewell(state: bytes = b"") -> OpenSocket:
    """How a socket of the cases is registered."""
    gone = WsDisconnect(CHANNEL, "/p", REAPED_ORDER, 1006, state)
    return OpenSocket(CHANNEL, codec.encode(gone))


def test_a_socket_is_registered_with_the_disconnect_that_a_reaper_is_to_send() -> None:
    """It names the path and the newest state, and stands behind all orders."""
    session = new_session(State.OPEN)
    assert session.registration == farewell()
    session.feed(step.FrameCame("1"), 1.0)
    session.feed(step.Receipted(1, Receipt("done", state=b"new")), 1.0)
    assert session.registration == farewell(b"new")


@pytest.mark.parametrize("state", list(State), ids=lambda s: s.name)
def test_only_a_socket_whose_end_is_to_come_is_registered_anew(state: State) -> None:
    """Not before its connect was sent, and not once its disconnect is on its way."""
    is_registered = state not in (State.NEW, State.LEAVING, State.ENDED)
    assert (new_session(state).registration is not None) is is_registered


def test_a_disconnect_that_is_still_to_be_told_keeps_the_registration() -> None:
    """An empty layer would swallow the disconnect of a socket that it does not know."""
    session = new_session(State.LEAVING)
    session.feed(step.Refused(1, "away"), 1.0)
    assert session.registration == farewell()


def test_an_end_says_the_disconnect_only_where_it_is_registered() -> None:
    """So a socket has one disconnect, whether its server or a reaper says it."""
    session = new_session(State.OPEN)
    (end,) = operations(session.feed(step.PeerGone(1001), 1.0))
    assert isinstance(end, CloseSocket)
    assert end.channel == CHANNEL
    assert end.disconnect is not None
    assert end.disconnect.urgent


def test_an_event_in_flight_is_awaited_until_its_receipt() -> None:
    """What waits to be tried again is not: the layer does not have it."""
    session = new_session(State.CONNECTING)
    assert session.awaited == Awaited("websocket.connect", CHANNEL, 0)
    session.feed(step.Replied(WsReply(accept=True)), 0.0)
    session.feed(step.Receipted(0, DONE), 0.0)
    assert session.awaited is None
    session.feed(step.FrameCame("1"), 1.0)
    assert session.awaited == Awaited("websocket.receive", CHANNEL, 1)
    session.feed(step.Refused(1, "full"), 1.0)
    assert session.awaited is None
    session.feed(step.TimePassed(), 2.0)
    session.feed(step.Receipted(1, DONE), 2.0)
    session.feed(step.PeerGone(1001), 2.0)
    assert session.state is State.LEAVING
    assert session.awaited is None


@pytest.mark.parametrize("state", [State.OPEN, State.CLOSING, State.GONE], ids=lambda s: s.name)
def test_a_lost_flight_goes_out_once_more_as_its_second_attempt(state: State) -> None:
    """Whole and in order; only the one that is meant, and only while its receipt is to come."""
    session = new_session(State.OPEN)
    session.feed(step.FrameCame("1"), 1.0)
    session.feed(step.FrameCame("2"), 1.0)
    session.feed(step.FrameCame("3"), 1.0)
    chain = sends(session.feed(step.Receipted(1, DONE), 1.0))
    if state is State.CLOSING:
        session.feed(step.Replied(WsReply(close=1000)), 1.0)
    elif state is State.GONE:
        session.feed(step.PeerGone(1001), 1.0)
    assert session.feed(step.Lost(1), 2.0) == []
    actions = session.feed(step.Lost(3), 50.0)
    assert kinds(actions) == ["Count", "PlaceEvents"]
    assert sends(actions) == [send._replace(attempt=2) for send in chain]
    assert session.deadline == 50.0 + LIMITS.event_timeout_s
    session.feed(step.Receipted(3, DONE), 51.0)
    assert session.feed(step.Lost(3), 52.0) == []


def test_a_lost_handshake_is_asked_again_while_its_peer_waits() -> None:
    """The peer's time goes on; nothing is asked again for one that left."""
    session = new_session(State.CONNECTING)
    again = operations(session.feed(step.Lost(0), 1.0))
    assert isinstance(again[0], Send)
    assert (again[0].channel, again[0].attempt) == ("websocket.connect", 2)
    assert again[1] == farewell()
    assert session.deadline == 5.0
    abandoned = new_session(State.ABANDONED)
    assert operations(abandoned.feed(step.Lost(0), 1.0)) == [CloseSocket(CHANNEL)]


def test_a_connect_that_was_answered_is_not_sent_again() -> None:
    """Its receipt is lost, not its answer: the socket goes on."""
    session = new_session(State.CONNECTING)
    session.feed(step.Replied(WsReply(accept=True)), 0.0)
    assert session.feed(step.FrameCame("1"), 0.0) == []
    (first,) = sends(session.feed(step.Lost(0), 1.0))
    assert (first.channel, first.attempt) == ("websocket.receive", 1)


def test_a_reaped_socket_is_closed_and_what_waited_is_not_sent() -> None:
    """Its disconnect may have been handled: no frame may come behind it."""
    session = new_session(State.OPEN)
    session.feed(step.FrameCame("1"), 1.0)
    session.feed(step.FrameCame("2"), 1.0)
    assert step.Close(1012, "reaped") in session.feed(step.Reaped(), 2.0)
    assert (session.state, session.registration) == (State.CLOSING, None)
    assert operations(session.feed(step.Lost(1), 3.0)) == []
    (end,) = operations(session.feed(step.PeerGone(1012), 4.0))
    assert isinstance(end, CloseSocket)


def test_a_reaped_socket_whose_event_is_handled_ends_behind_it() -> None:
    """The reaper left it alone, since a worker was at work for it."""
    session = new_session(State.GONE)
    assert session.feed(step.Reaped(), 2.0) == []
    (end,) = operations(session.feed(step.Receipted(1, DONE), 3.0))
    assert isinstance(end, CloseSocket)


def test_a_handshake_of_a_server_taken_for_dead_is_refused() -> None:
    """Its answer may be gone; a worker that accepts all the same hears of the end."""
    session = new_session(State.CONNECTING)
    assert session.feed(step.Reaped(), 1.0) == [step.RefuseHandshake(503, "reaped")]
    assert session.state is State.ABANDONED
    session.feed(step.Replied(WsReply(accept=True)), 1.0)
    assert len(operations(session.feed(step.Receipted(0, DONE), 1.0))) == 1


@pytest.mark.parametrize("state", [State.CONNECTING, State.ABANDONED], ids=lambda s: s.name)
def test_a_handshake_that_was_reaped_is_not_registered_again(state: State) -> None:
    """Its disconnect may have been sent: a late acceptance ends what the reaper left, if it did."""
    session = new_session(state)
    assert session.registration is not None
    session.feed(step.Reaped(), 1.0)
    assert (session.state, session.registration) == (State.ABANDONED, None)
    session.feed(step.Replied(WsReply(accept=True)), 1.0)
    assert session.registration is None
    (end,) = operations(session.feed(step.Receipted(0, DONE), 1.0))
    assert isinstance(end, CloseSocket)


def test_an_end_that_the_layer_has_not_confirmed_asks_for_no_time() -> None:
    """While Redis is away for long, a socket that left does not ask for its turn without pause."""
    session: Session = new_session(State.LEAVING)
    assert session.deadline is None
