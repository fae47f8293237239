"""A small application that says who asks it: for the tests of proxies."""

from workers.consumers import SocketEvent
from workers.event_streams import event_stream
from workers.outbox import Outbox
from workers.routing import App, get, post, websocket
from workers.web import Later, Request, Response, json_response


def build() -> App:
    """The application, as `--app` wants it."""
    return App(
        routes=[
            get("/who", who),
            post("/echo", echo),
            get("/events", events),
            post("/say", say),
            websocket("/chat", connect=accept, receive=receive),
        ]
    )


def who(request: Request, _: Outbox) -> Response:
    """Client, scheme, host and id of the request."""
    return json_response(
        {
            "client": request.client[0] if request.client else None,
            "scheme": request.scheme,
            "host": request.host,
            "request_id": request.request_id,
        }
    )


def echo(request: Request, _: Outbox) -> Response:
    """The body."""
    return Response(request.body(), content_type="application/octet-stream")


def events(request: Request, _: Outbox) -> Response | Later:
    """What is said, as it is said."""
    return event_stream(request, ["said"])


def say(request: Request, outbox: Outbox) -> Response:
    """Tell all streams."""
    outbox.send_group("said", {"text": request.body().decode()})
    return Response(status=204)


def accept(event: SocketEvent, outbox: Outbox) -> None:
    """Let everybody in, and remember who it is."""
    outbox.accept()
    outbox.state({"client": event.client[0] if event.client else "-"})


def receive(event: SocketEvent, outbox: Outbox) -> None:
    """Say who spoke."""
    outbox.send_text(f"{event.state['client']} says {event.text}")
