"""The application that is measured: a page of 1 KB, bodies, an echo, a group."""

from bench.page import MIB, page
from workers.consumers import SocketEvent
from workers.outbox import Outbox
from workers.routing import App, get, post, websocket
from workers.web import Request, Response


def build() -> App:
    """The application, as `--app` wants it."""
    return App(
        routes=[
            get("/page", show_page),
            websocket("/echo", connect=echo_connect, receive=echo_receive),
            websocket("/all", connect=all_connect),
            post("/tell", tell),
            post("/upload", upload),
            get("/download", download),
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


def tell(request: Request, outbox: Outbox) -> Response:
    """Tell all sockets what was posted."""
    outbox.send_group("all", {"text": request.body().decode()})
    return Response(b"", status=204)


def upload(request: Request, _: Outbox) -> Response:
    """Take a body as a whole."""
    return Response(str(len(request.body())).encode(), content_type="text/plain")


def download(_: Request, __: Outbox) -> Response:
    """A body of 1 MiB."""
    return Response(MIB, content_type="application/octet-stream")
