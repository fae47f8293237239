"""Sockets of servers that died: one disconnect each, in the memory and the blocking layer."""

import pytest

from channel_layer.answers import Outcome, Reaped, Verdict
from channel_layer.layer import (
    CloseSocket,
    Done,
    Join,
    OpenSocket,
    Retry,
    Send,
    SendGroup,
    SendReceipt,
)
from shared import codec
from shared.errors import InvalidName, MessageTooLarge
from shared.messages import Receipt, WsReply
from tests.channel_layer.conftest import Leases

DISCONNECT = "websocket.disconnect"
RECEIVE = "websocket.receive"
DONE = Outcome(Verdict.DONE)
ONE = "server.P!1"


def opened(leases: Leases, *clients: str, inbox: str = "server.P!") -> None:
    sockets = [OpenSocket(f"{inbox}{client}", b"bye " + client.encode()) for client in clients]
    leases.layer.perform(sockets)


def reaped(leases: Leases) -> Reaped:
    """What a reaping does after a silence."""
    leases.pass_ms(60)
    result: Reaped = leases.layer.reap_servers(silent_ms=50)
    return result


def goodbyes(leases: Leases) -> list[bytes]:
    """The payloads of all disconnects, each taken and handled."""
    taken = leases.layer.take("w", [DISCONNECT], 5000)
    leases.layer.commit("w", [Done(entry.id) for entry in taken])
    return sorted(entry.payload for entry in taken)


def test_a_dead_server_says_goodbye_once(leases: Leases) -> None:
    """Each socket of a silent server has one disconnect, however often it is reaped."""
    opened(leases, "1", "2", "3")
    assert leases.layer.reap_servers(silent_ms=5000) == Reaped()
    assert reaped(leases) == Reaped(("server.P!",), 3, 0)
    assert goodbyes(leases) == [b"bye 1", b"bye 2", b"bye 3"]
    assert reaped(leases) == Reaped()
    assert goodbyes(leases) == []


def test_the_living_are_left_alone(leases: Leases) -> None:
    """Only silent servers are reaped; opening a socket is a sign of life."""
    opened(leases, "1")
    opened(leases, "1", inbox="server.Q!")
    leases.pass_ms(1100)
    opened(leases, "2", inbox="server.Q!")
    assert leases.layer.reap_servers(silent_ms=1000) == Reaped(("server.P!",), 1, 0)


def test_a_closed_socket_has_its_disconnect(leases: Leases) -> None:
    """Closing sends the server's own disconnect; the reaper has nothing to add."""
    opened(leases, "1", "2")
    leases.layer.perform([CloseSocket(ONE, Send(DISCONNECT, b"own", urgent=True))])
    assert goodbyes(leases) == [b"own"]
    assert reaped(leases) == Reaped(("server.P!",), 1, 0)
    assert goodbyes(leases) == [b"bye 2"]


def test_a_late_close_says_nothing(leases: Leases) -> None:
    """A server that was taken for dead closes its sockets without a second disconnect."""
    opened(leases, "1")
    reaped(leases)
    close = CloseSocket(ONE, Send(DISCONNECT, b"own", urgent=True))
    assert leases.layer.perform([close, close]) == (DONE, DONE)
    assert goodbyes(leases) == [b"bye 1"]


def test_a_registration_that_was_lost_is_closed_with_its_disconnect(leases: Leases) -> None:
    """A server that knows another epoch, since data was lost, says goodbye for itself.

    Not so when it was taken for dead: then the reaper said it.
    """
    goodbye = Send(DISCONNECT, b"own", urgent=True)
    leases.layer.perform([CloseSocket(ONE, goodbye, "another.7"), CloseSocket(ONE, goodbye)])
    assert goodbyes(leases) == [b"own"]
    opened(leases, "1", inbox="server.Q!")
    reaped(leases)
    leases.layer.perform([CloseSocket("server.Q!1", goodbye, "another.7")])
    assert goodbyes(leases) == [b"bye 1"]


def test_a_refused_handshake_closes_silently(leases: Leases) -> None:
    """A registration may end without a disconnect."""
    opened(leases, "1")
    leases.layer.perform([CloseSocket(ONE)])
    assert reaped(leases) == Reaped(("server.P!",), 0, 0)
    assert goodbyes(leases) == []


def test_a_changed_state_changes_the_farewell(leases: Leases) -> None:
    """A receipt with a farewell replaces that of its socket, and registers none."""
    opened(leases, "1", "2")
    receipt = codec.encode(Receipt("done", state=b"s"))
    leases.layer.perform(
        [
            SendReceipt(ONE, receipt, 1, b"changed"),
            SendReceipt("server.P!2", receipt, 1),
            SendReceipt("server.P!3", receipt, 1, b"stranger"),
        ]
    )
    assert reaped(leases).disconnects == 2
    assert goodbyes(leases) == [b"bye 2", b"changed"]


@pytest.mark.parametrize("delay_ms", [0, 300_000])
@pytest.mark.parametrize("channel", ["websocket.connect", RECEIVE, DISCONNECT])
def test_an_event_under_way_comes_first(leases: Leases, channel: str, delay_ms: int) -> None:
    """A socket whose event waits for a worker has its disconnect later, the others have it now."""
    opened(leases, "1", "2")
    leases.layer.perform([Send(channel, b"event", receipt=ONE, delay_ms=delay_ms)])
    assert reaped(leases) == Reaped((), 1, 1)
    assert leases.layer.reap_servers(silent_ms=50) == Reaped((), 0, 1)


def test_a_leased_event_comes_first(leases: Leases) -> None:
    """While a worker has a socket's event its disconnect waits, then comes once."""
    opened(leases, "1")
    leases.layer.perform([Send(RECEIVE, b"event", receipt=ONE)])
    (event,) = leases.layer.take("w", [RECEIVE], 1)
    assert reaped(leases) == Reaped((), 0, 1)
    receipt = SendReceipt(ONE, codec.encode(Receipt("done")), 0, b"changed")
    leases.layer.commit("w", [Done(event.id, (receipt,))])
    assert leases.layer.reap_servers(silent_ms=50) == Reaped(("server.P!",), 1, 0)
    assert goodbyes(leases) == [b"changed"]


def test_an_event_to_be_retried_comes_first(leases: Leases) -> None:
    """An event that failed and waits for its next attempt is still under way."""
    opened(leases, "1")
    leases.layer.perform([Send(RECEIVE, b"event", receipt=ONE)])
    (event,) = leases.layer.take("w", [RECEIVE], 1)
    leases.layer.commit("w", [Retry(event.id, 300_000, 5, "it broke")])
    assert reaped(leases) == Reaped((), 0, 1)


def test_who_was_refused_needs_no_disconnect(leases: Leases) -> None:
    """A socket whose refusal the dead server did not read was never open: no disconnect."""
    opened(leases, "1", "2", "3")
    replies = (
        (ONE, WsReply(accept=False)),
        ("server.P!2", WsReply(accept=True)),
        ("server.P!3", WsReply(text="accept")),
    )
    leases.layer.perform([Send(channel, codec.encode(reply)) for channel, reply in replies])
    assert reaped(leases) == Reaped(("server.P!",), 2, 0)
    assert goodbyes(leases) == [b"bye 2", b"bye 3"]


def test_the_dead_are_nowhere_a_member(leases: Leases) -> None:
    """With its last socket a server's memberships are forgotten; nothing more is sent to it."""
    opened(leases, "1")
    leases.layer.perform([Join("g", ONE), Join("g", "server.P!2"), Join("h", ONE), Join("g", "q")])
    before = leases.layer.channel_statistics("server.P!")["messages_pending"]
    reaped(leases)
    assert leases.layer.group_channels("g") == ["q"]
    assert leases.layer.group_channels("h") == []
    assert leases.layer.perform([SendGroup("g", b"")]) == (DONE,)
    assert leases.layer.channel_statistics("server.P!")["messages_pending"] == before


def test_the_dead_join_nothing(leases: Leases) -> None:
    """What a worker still does for a dead server begins no membership that nobody would end."""
    opened(leases, "1")
    reaped(leases)
    joins = [Join("g", ONE, user="ann", presence="presence"), Join("g", ONE, is_known=True)]
    leases.layer.perform([*joins, SendGroup("g", b"")])
    assert leases.layer.group_channels("g") == []
    assert leases.layer.group_members("g") == {}
    assert leases.layer.channel_statistics("presence")["messages_count"] == 0
    assert leases.layer.channel_statistics("server.P!")["messages_pending"] == 0


def test_many_sockets_are_all_reaped(leases: Leases) -> None:
    """One call reaps a server of any size, although each step of it is bounded."""
    for first in range(0, 1600, 400):
        opened(leases, *map(str, range(first, first + 400)))
        leases.layer.perform([Join("g", f"server.P!{n}") for n in range(first, first + 400)])
    result = reaped(leases)
    assert (result.servers, result.disconnects, result.waiting) == (("server.P!",), 1600, 0)
    assert len(set(goodbyes(leases))) == 1600
    assert leases.layer.group_channels("g") == []


def test_goodbyes_pass_full_lists(leases: Leases) -> None:
    """Farewells are placed whatever the bound of the list is."""
    leases.layer.perform([Send(DISCONNECT, b"") for _ in range(20)])
    assert leases.layer.perform([Send(DISCONNECT, b"")])[0].verdict is Verdict.FULL
    opened(leases, "1", "2")
    assert reaped(leases).disconnects == 2
    assert len(goodbyes(leases)) == 22


def test_a_close_that_does_not_fit_changes_nothing(leases: Leases) -> None:
    """A disconnect that heeds bounds and meets a full list leaves the socket registered."""
    opened(leases, "1")
    leases.layer.perform([Send("tight.list", b"") for _ in range(2)])
    close = CloseSocket(ONE, Send("tight.list", b"own"))
    assert leases.layer.perform([close]) == (Outcome(Verdict.FULL, "tight.list"),)
    assert reaped(leases).disconnects == 1


def test_names_are_checked(leases: Leases) -> None:
    """A wrong name or a disconnect that is too large is refused before anything is done."""
    for operation in (
        OpenSocket("a b", b""),
        OpenSocket("normal", b""),
        CloseSocket("a b"),
        CloseSocket(ONE, Send("a b", b"")),
    ):
        with pytest.raises(InvalidName):
            leases.layer.perform([operation])
    with pytest.raises(MessageTooLarge):
        leases.layer.perform([CloseSocket(ONE, Send("a", b"x" * 2**25))])


def test_what_the_dead_did_not_read_is_left_to_them(leases: Leases) -> None:
    """A server may live after all: of what was sent to it nothing is taken out of the middle."""
    opened(leases, "1")
    leases.layer.perform([Send(ONE, b"read"), Send(ONE, b"unread")])
    (first,) = leases.layer.take("reader", ["server.P!"], 1)
    leases.layer.commit("reader", [Done(first.id)])
    assert reaped(leases) == Reaped(("server.P!",), 1, 0)
    leases.layer.perform([Send(ONE, b"behind")])
    left = leases.layer.take("reader", ["server.P!"], 5)
    assert [entry.payload for entry in left] == [b"unread", b"behind"]
