"""A small application for the system tests: it shows which worker answers and can hold a request.

Marks and counts lie as files in the folder named by SMALL_APP, where the tests read them.
"""

import os
import time
from pathlib import Path
from typing import Any

from workers.consumers import SocketEvent
from workers.outbox import Outbox
from workers.routing import App, get, post, websocket
from workers.web import Request, Response

MALFORMED: dict[str, dict[str, Any]] = {
    "text-of-bytes": {"text": b"bytes"},
    "text-of-int": {"text": 5},
    "close-out-of-range": {"close": 99999},
    "both-kinds": {"text": "a", "bytes": b"b"},
    "unknown-key": {"texts": "a"},
    "not-a-head": {"status": "200"},
}
"""Replies that break the message format, by the name that stands in the path."""


def build() -> App:
    """The application, as `--app` wants it."""
    return App(
        routes=[
            get("/who", who),
            get("/hold/{name}", hold),
            post("/once/{name}", once),
            post("/again/{name}", once, idempotent=True),
            post("/echo", echo_body, idempotent=True),
            get("/bad/{kind}", bad_page),
            get("/fails", fails),
            websocket("/chat", connect=chat_connect, receive=chat_receive),
            websocket("/bad/{kind}", connect=chat_connect, receive=bad_receive),
        ]
    )


def who(_: Request, __: Outbox) -> Response:
    """The id of the process that answers."""
    return Response(str(os.getpid()), content_type="text/plain; charset=utf-8")


def hold(request: Request, _: Outbox) -> Response:
    """Leave a mark and wait while the tests' file `hold` exists."""
    _mark(f"held-{request.params['name']}-{request.attempt}-{os.getpid()}")
    _wait_while_held()
    return Response(f"{os.getpid()} {request.attempt}")


def once(request: Request, outbox: Outbox) -> Response:
    """Tell the chat, leave a mark, then wait: whoever is killed here has done nothing yet."""
    outbox.send_group("chat", {"text": f"once {request.params['name']}"})
    _mark(f"once-{request.params['name']}-{request.attempt}-{os.getpid()}")
    _wait_while_held()
    return Response("done")


def echo_body(request: Request, _: Outbox) -> Response:
    """The body as it came."""
    return Response(request.body(), content_type="application/octet-stream")


def bad_page(request: Request, outbox: Outbox) -> Response:
    """Send a reply that breaks the format; what follows it comes too late."""
    outbox.reply(request.reply_channel, MALFORMED[str(request.params["kind"])])
    return Response("too late")


def fails(_: Request, __: Outbox) -> Response:
    """Raise."""
    raise RuntimeError("this page fails on purpose")


def chat_connect(_: SocketEvent, outbox: Outbox) -> None:
    """Accept and join the chat."""
    outbox.accept()
    outbox.join("chat")


def chat_receive(event: SocketEvent, outbox: Outbox) -> None:
    """Say to everybody what came, with the number of the frame."""
    count = event.state.get("count", 0) + 1
    outbox.state({"count": count})
    outbox.send_text(f"{count} {event.text}")
    outbox.send_group("chat", {"text": f"all {event.text}"})


def bad_receive(event: SocketEvent, outbox: Outbox) -> None:
    """Answer in a way that breaks the format, then properly; alone, then to the group."""
    bad = MALFORMED[str(event.params["kind"])]
    outbox.reply(event.reply_channel, bad)
    outbox.send_group("chat", bad)
    outbox.send_text(f"after {event.text}")


def _mark(name: str) -> None:
    _folder().joinpath(name).touch()


def _wait_while_held() -> None:
    gate = _folder() / "hold"
    while gate.exists():
        time.sleep(0.01)


def _folder() -> Path:
    return Path(os.environ["SMALL_APP"])
