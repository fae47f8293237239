"""The application of the tests about bounds and about what never stops: large, slow, and frank.

Its book (the file BOUNDS_BOOK) has a line for each accepted and each ended socket. It decides
nothing about limits, which are the server's.
"""

import os
import time

from workers.consumers import SocketEvent
from workers.outbox import Outbox
from workers.responses import LATER, Later
from workers.routing import App, get, post, websocket
from workers.web import Request, Response

SLOW_S = 0.02
"""What a frame costs on `/slow`."""


def build() -> App:
    """The application, as `--app` wants it."""
    echo = websocket("/echo", connect=welcome, receive=answer, disconnect=say_goodbye)
    return App(
        routes=[
            get("/who", who),
            get("/large/{kib:int}", large),
            post("/size", size),
            post("/shout/{kib:int}/{number:int}", shout),
            get("/park/{name}", park),
            echo,
            websocket("/room", connect=enter, receive=answer, disconnect=say_goodbye),
            websocket("/slow", connect=welcome, receive=dawdle, disconnect=say_goodbye),
        ]
    )


def who(_: Request, __: Outbox) -> Response:
    """The id of the process that answers."""
    return Response(str(os.getpid()), content_type="text/plain; charset=utf-8")


def large(request: Request, _: Outbox) -> Response:
    """As many KiB as the path says."""
    return Response(b"x" * (1024 * int(request.params["kib"])), content_type="text/plain")


def size(request: Request, _: Outbox) -> Response:
    """How long the body is."""
    return Response(str(len(request.body())), content_type="text/plain")


def shout(request: Request, outbox: Outbox) -> Response:
    """Send everybody in the room a frame of so many KiB that begins with its number."""
    text = f"{request.params['number']} ".ljust(1024 * int(request.params["kib"]), ".")
    outbox.send_group("room", {"text": text})
    return Response("said")


def park(request: Request, _: Outbox) -> Later:
    """Write down the reply channel and leave the answer to whoever reads that."""
    write_down(f"parked {request.params['name']} {request.reply_channel}")
    return LATER


def welcome(event: SocketEvent, outbox: Outbox) -> None:
    """Accept and write it down."""
    write_down(f"accepted {event.reply_channel}")
    outbox.accept()


def enter(event: SocketEvent, outbox: Outbox) -> None:
    """Accept into the room."""
    welcome(event, outbox)
    outbox.join("room")


def answer(event: SocketEvent, outbox: Outbox) -> None:
    """The same back; to `whoami`, the reply channel."""
    if event.text == "whoami":
        outbox.send_text(event.reply_channel)
    elif event.text is not None:
        outbox.send_text(event.text)
    else:
        outbox.send_bytes(event.binary or b"")


def dawdle(event: SocketEvent, outbox: Outbox) -> None:
    """Take a while for each frame, then say which it was."""
    time.sleep(SLOW_S)
    outbox.send_text(str(event.order))


def say_goodbye(event: SocketEvent, _: Outbox) -> None:
    """Write the end down."""
    write_down(f"ended {event.reply_channel} {event.code}")


def write_down(line: str) -> None:
    """Append a line to the book, whole, whoever else writes."""
    book = os.open(os.environ["BOUNDS_BOOK"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(book, f"{line}\n".encode())
    finally:
        os.close(book)
