"""From an entry to the steps that it ends with, without a broker."""

from random import Random

import pytest

from channel_layer.layer import Done, Drop, Entry, Kind, Retry, Send, SendReceipt
from shared import codec
from shared.errors import BodyGone, ConfigurationError
from shared.messages import HttpRequest, Receipt, WsConnect, WsReceive, WsReply
from workers.handling import Handling, consumed_channels
from workers.routing import App, get, job, post, websocket
from workers.web import HttpError, Response

REPLY = "server.response.P!c"


def fails(*_):
    """Raises."""
    raise ValueError("on purpose")


def http(method="GET", path="/", attempt=1, **facts):
    """An entry that holds a request."""
    packed = codec.encode(HttpRequest(REPLY, method, path, **facts))
    return Entry(7, Kind.MESSAGE, "http.request", packed, REPLY, attempt=attempt)


def gone(channel):
    """A body that is not there."""
    raise BodyGone(channel)


def handling(*routes, error_page=None, debug=False):
    """What handles entries with these routes."""
    return Handling(App(routes, error_page), gone, Random(1), debug)


def answered(made, entry):
    """The response that an entry ends with."""
    (done,) = made.handle((entry,), lambda _: None)
    response = codec.decode_http_reply(done.operations[0].payload)
    return response.status, dict(response.headers), response.content


def test_order_of_steps():
    """Effects come first, then the answer, which needs no receipt, then the end of the body."""

    def page(_, outbox):
        outbox.send_group("g", {"text": "x"})
        return Response("x")

    begun = []
    entry = http(body_channel="b?1")
    (done,) = handling(get("/", page, timeout_s=3)).handle((entry,), begun.append)
    assert [type(step).__name__ for step in done.operations] == [*("SendGroup", "Send", "Drop")]
    assert (done.entry_id, done.force, begun) == (7, False, [3])


def test_error_pages():
    """The application's page dresses every error; where it fails too, a plain one stands in."""

    def page(request, status, title, detail):
        return Response(f"<{status} {title}: {detail} {request.path}>", status)

    def teapot(*_):
        raise HttpError(418, "short and stout")

    routes = (get("/", fails), get("/tea", teapot))
    made = handling(*routes, error_page=page)
    assert answered(made, http())[2].startswith(b"<500 Internal Server Error: Something")
    assert answered(made, http(path="/x"))[2].startswith(b"<404 Not Found")
    status, headers, content = answered(made, http("PUT"))
    assert (status, headers[b"allow"]) == (405, b"GET, HEAD")
    assert content.startswith(b"<405 Method Not Allowed")
    assert answered(made, http(path="/tea"))[2] == b"<418 I'm a Teapot: short and stout /tea>"
    for broken in (fails, lambda *_: "text"):
        status, _, content = answered(handling(*routes, error_page=broken), http())
        assert (status, b"<h1>Internal Server Error</h1>" in content) == (500, True)


def test_second_attempts():
    """Only what may be repeated is repeated; the rest is told to come back."""
    made = handling(
        get("/", lambda *_: Response("x")),
        post("/once", lambda *_: Response("x")),
        post("/again", lambda request, _: Response(str(request.attempt)), idempotent=True),
    )
    assert answered(made, http(attempt=2))[0] == 200
    assert answered(made, http("POST", "/again", 2))[2] == b"2"
    status, headers, _ = answered(made, http("POST", "/once", 2))
    assert (status, headers[b"retry-after"]) == (503, b"2")


def test_lost_body():
    """A request whose body is gone is a 503."""
    made = handling(post("/", lambda request, _: Response(request.body())))
    (done,) = made.handle((http("POST", body_channel="b?1"),), lambda _: None)
    assert codec.decode_http_reply(done.operations[0].payload).status == 503
    assert done.operations[-1] == Drop("b?1")


def test_failures():
    """A unit that cannot be done ends in a way that no full list refuses."""
    made = handling(job("j", fails, retries=2, backoff_s=1))
    (done,) = made.failure((http(),), "full")
    assert (done.force, codec.decode_http_reply(done.operations[0].payload).status) == (True, 503)

    frames = [codec.encode(WsReceive(REPLY, "/", order, "x")) for order in (1, 2)]
    chain = (
        Entry(1, Kind.MESSAGE, "websocket.receive", frames[0], chained=True),
        Entry(2, Kind.MESSAGE, "websocket.receive", frames[1], REPLY, 2),
    )
    assert made.failure(chain, "full") == (
        Done(1, (), force=True),
        Done(
            2,
            (
                Send(REPLY, codec.encode(WsReply(close=4500)), urgent=True),
                SendReceipt(REPLY, codec.encode(Receipt("done")), 2),
            ),
            force=True,
        ),
    )
    handshake = Entry(
        3, Kind.MESSAGE, "websocket.connect", codec.encode(WsConnect(REPLY, "/")), REPLY
    )
    (done,) = made.failure((handshake,), "full")
    assert [type(step) for step in done.operations] == [SendReceipt]

    (retry,) = made.failure((Entry(4, Kind.MESSAGE, "j", codec.pack({})),), "full")
    assert (retry.attempt_limit, retry.reason) == (3, "full")
    other = Entry(5, Kind.MESSAGE, "unknown", b"", REPLY)
    assert made.failure((other,), "full")[0].force
    assert made.handle((other,), lambda _: None)[0].operations == (
        SendReceipt(REPLY, codec.encode(Receipt("done"))),
    )


def test_retries():
    """A failed job waits longer each time, spread by a quarter, and knows its limit."""
    made = handling(job("j", fails, retries=2, backoff_s=10))
    for attempt, expected_ms in ((1, 10_000), (2, 20_000), (3, 40_000)):
        entry = Entry(9, Kind.MESSAGE, "j", codec.pack({}), attempt=attempt)
        (retry,) = made.handle((entry,), lambda _: None)
        assert isinstance(retry, Retry)
        assert (retry.attempt_limit, retry.reason) == (3, "ValueError: 'on purpose'")
        assert 0.75 * expected_ms <= retry.delay_ms <= 1.25 * expected_ms
    ran = []
    made = handling(job("j", lambda *_: ran.append(1), retries=2))
    (retry,) = made.handle(
        (Entry(9, Kind.MESSAGE, "j", codec.pack({}), attempt=4),), lambda _: None
    )
    assert (ran, retry.reason) == ([], "its worker died at attempt 3")


def test_sockets_without_handlers():
    """Events that nobody wants are acknowledged; a handshake without a handler is refused."""
    made = handling(websocket("/", connect=lambda event, outbox: outbox.accept()))
    frame = codec.encode(WsReceive(REPLY, "/", 1, "x"))
    (done,) = made.handle(
        (Entry(1, Kind.MESSAGE, "websocket.receive", frame, REPLY, 1),), lambda _: None
    )
    assert done.operations == (SendReceipt(REPLY, codec.encode(Receipt("done")), 1),)
    handshake = codec.encode(WsConnect(REPLY, "/other"))
    (done,) = made.handle(
        (Entry(1, Kind.MESSAGE, "websocket.connect", handshake, REPLY),), lambda _: None
    )
    assert done.operations[0] == Send(REPLY, codec.encode(WsReply(accept=False)))


def test_consumed_channels():
    """Globs choose among the application's channels; none left is an error."""
    app = App([get("/", fails), job("a.b", fails), job("a.c", fails)])
    assert consumed_channels(app, (), ()) == ("http.request", "a.b", "a.c")
    assert consumed_channels(app, ("a.*",), ("*.c",)) == ("a.b",)
    with pytest.raises(ConfigurationError, match="no channel is left"):
        consumed_channels(app, ("x",), ())
