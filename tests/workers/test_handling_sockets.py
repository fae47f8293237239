"""What a socket's events end with, without a broker."""

from channel_layer.layer import Entry, Kind, SendReceipt
from shared import codec
from shared.messages import REAPED_ORDER, WsConnect, WsDisconnect, WsReceive
from workers.handling_sockets import Sockets
from workers.routing import App, websocket

REPLY = "server.response.P!c"


def keeps(event, outbox):
    """Keeps the order of its event, unless the frame says not to."""
    if event.text != "nothing":
        outbox.state({"order": event.order})


def receipts(*messages):
    """The receipts that a chain of one socket's events ends with."""
    sockets = Sockets(App([websocket("/", keeps, keeps, keeps)]))
    kinds = {
        WsConnect: "websocket.connect",
        WsReceive: "websocket.receive",
        WsDisconnect: "websocket.disconnect",
    }
    chain = tuple(
        Entry(
            number,
            Kind.MESSAGE,
            kinds[type(message)],
            codec.encode(message),
            REPLY if message is messages[-1] else "",
            message.order,
            chained=message is not messages[-1],
        )
        for number, message in enumerate(messages)
    )
    dones = sockets.handle(chain, lambda _: None)
    return [step for done in dones for step in done.operations if isinstance(step, SendReceipt)]


def farewell(order):
    """What is said of the socket with the state that the event `order` left."""
    state = codec.pack({"order": order})
    return codec.encode(WsDisconnect(REPLY, "/", REAPED_ORDER, 1006, state))


def test_new_state():
    """With a new state comes the end that the socket has with it, should its server die."""
    assert [one.farewell for one in receipts(WsConnect(REPLY, "/"))] == [farewell(0)]
    frames = [WsReceive(REPLY, "/", order, "x") for order in (3, 4)]
    assert [one.farewell for one in receipts(*frames)] == [farewell(4)]
    mixed = receipts(frames[0], WsReceive(REPLY, "/", 4, "nothing"))
    assert [one.farewell for one in mixed] == [farewell(3)]


def test_same_state():
    """A state that stays as it was changes nothing, and an ended socket has no other end."""
    assert receipts(WsReceive(REPLY, "/", 1, "nothing"))[0].farewell is None
    assert receipts(WsDisconnect(REPLY, "/", 5, 1000))[0].farewell is None
