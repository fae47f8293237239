"""An application for the tests of event streams and long polls; its groups are in the query."""

from workers.consumers import SocketEvent
from workers.event_streams import HeldAnswer, event_stream, long_poll
from workers.outbox import Outbox
from workers.routing import App, get, websocket
from workers.web import Request, Response

HISTORY = (1000, 3600.0)


def build() -> App:
    """The application, as `--app` wants it."""
    return App(
        routes=[
            get("/events", events),
            get("/poll", poll),
            get("/no-stream", no_stream),
            websocket("/socket", connect=connect),
        ]
    )


def events(request: Request, outbox: Outbox) -> HeldAnswer:
    """A stream of the groups `group`; with `hello` it is greeted."""
    hello = request.query.get("hello")
    if hello:
        outbox.send(request.reply_channel, {"text": hello, "event": "hello"})
    return event_stream(request, request.query.getlist("group"))


def poll(request: Request, _: Outbox) -> HeldAnswer:
    """A poll of the groups `group` for `wait` seconds."""
    wait_s = float(request.query.get("wait", "20"))
    return long_poll(request, request.query.getlist("group"), wait_s=wait_s)


def no_stream(request: Request, outbox: Outbox) -> Response:
    """A page that comes with an event, which it must not."""
    outbox.send(request.reply_channel, {"text": "x"})
    return Response("late")


def connect(event: SocketEvent, outbox: Outbox) -> None:
    """A socket of one group."""
    outbox.accept()
    outbox.join(event.query.get("group"), since=("", 0))
