"""The application that is measured: a page of 1 KB, bodies, an echo, groups, jobs."""

import json
import random
import time
from typing import Any

from bench.page import MIB, page
from workers.consumers import JobAttempt, SocketEvent
from workers.outbox import Outbox
from workers.routing import App, get, job, post, websocket
from workers.web import Request, Response

JOB = "bench.job"

_handled_at: list[float] = []
_taken_s: list[float] = []
"""Of this process's jobs; so jobs are measured with one worker."""


def build() -> App:
    """The application, as `--app` wants it."""
    return App(
        routes=[
            get("/page", show_page),
            websocket("/echo", connect=echo_connect, receive=echo_receive),
            websocket("/all", connect=all_connect),
            post("/tell", tell),
            websocket("/group/{number:int}", connect=group_connect),
            post("/tell/{messages:int}/{groups:int}", tell_groups),
            post("/jobs/{number:int}", send_jobs),
            get("/jobs", show_jobs),
            job(JOB, run_job),
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


def group_connect(event: SocketEvent, outbox: Outbox) -> None:
    """Accept, and hear what is told to the group of this number."""
    outbox.accept()
    outbox.join(f"group.{event.params['number']}")


def tell_groups(request: Request, outbox: Outbox) -> Response:
    """Tell so many groups, drawn from so many, what was posted."""
    groups, text = int(request.params["groups"]), request.body().decode()
    for _ in range(int(request.params["messages"])):
        outbox.send_group(f"group.{random.randrange(groups)}", {"text": text})
    return Response(b"", status=204)


def send_jobs(request: Request, outbox: Outbox) -> Response:
    """Send so many jobs."""
    for _ in range(int(request.params["number"])):
        outbox.send(JOB, {"sent": time.monotonic()})
    return Response(b"", status=204)


def run_job(message: dict[str, Any], _: Outbox, __: JobAttempt) -> None:
    """Note when it came."""
    now = time.monotonic()
    _handled_at.append(now)
    _taken_s.append(now - message["sent"])


def show_jobs(_: Request, __: Outbox) -> Response:
    """How many jobs ran, when the last one did (monotonic), and how long each took to come.

    Then it forgets them.
    """
    shown = {"at": _handled_at[-1] if _handled_at else 0, "taken_s": sorted(_taken_s)}
    _handled_at.clear()
    _taken_s.clear()
    return Response(json.dumps(shown).encode(), content_type="application/json")


def upload(request: Request, _: Outbox) -> Response:
    """Take a body as a whole."""
    return Response(str(len(request.body())).encode(), content_type="text/plain")


def download(_: Request, __: Outbox) -> Response:
    """A body of 1 MiB."""
    return Response(MIB, content_type="application/octet-stream")
