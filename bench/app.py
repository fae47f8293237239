"""The application that is measured: a page of 1 KB, a socket that echoes, one that tells all."""

from bench.page import page
from workers.consumers import SocketEvent
from workers.outbox import Outbox
from workers.routing import App, get, websocket
from workers.web import Request, Response


def build() -> App:
    """The application, as `--app` wants it."""
    return App(
        routes=[
            get("/page", show_page),
            websocket("/echo", connect=echo_connect, receive=echo_receive),
            websocket("/all", connect=all_connect, receive=all_receive),
        ]
    )


def show_page(_: Request, __: Outbox) -> Response:
    """The page."""
    return Response(page())


def echo_connect(_: SocketEvent, outbox: Outbox) -> None:
    """Accept."""
    outbox.accept()


def echo_receive(event: SocketEvent, outbox: Outbox) -> None:
    """Send back what came."""
    outbox.send_text(event.text or "")


def all_connect(_: SocketEvent, outbox: Outbox) -> None:
    """Accept, and hear what is told to all."""
    outbox.accept()
    outbox.join("all")


def all_receive(event: SocketEvent, outbox: Outbox) -> None:
    """Tell all what came."""
    outbox.send_group("all", {"text": event.text})
