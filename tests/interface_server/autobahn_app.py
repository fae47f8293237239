"""The application behind the Autobahn test-suite: a socket that sends each message back as it came.

It keeps nothing and knows no case of the suite.
"""

from workers.consumers import SocketEvent
from workers.outbox import Outbox
from workers.routing import App, websocket


def build() -> App:
    """The application, as `--app` wants it."""
    return App(routes=[websocket("/", connect=accept, receive=echo)])


def accept(_: SocketEvent, outbox: Outbox) -> None:
    """Let everybody in."""
    outbox.accept()


def echo(event: SocketEvent, outbox: Outbox) -> None:
    """Text goes back as text, bytes as bytes."""
    if event.text is not None:
        outbox.send_text(event.text)
    else:
        outbox.send_bytes(event.binary or b"")
