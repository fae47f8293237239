"""A small application that the tests of the worker processes run; it serves no other purpose."""

import os
import time
from pathlib import Path
from typing import Any

from markupsafe import Markup

from workers.consumers import JobAttempt, SocketEvent
from workers.outbox import Outbox
from workers.routing import App, get, job, post, route, websocket
from workers.web import LATER, HttpError, Later, Request, Response, json_response, redirect


def hello(request: Request, _: Outbox) -> Response:
    """Who answers."""
    return json_response({"pid": os.getpid(), "attempt": request.attempt, **request.params})


def markup(_: Request, outbox: Outbox) -> Response:
    """A template's safe string as content, as a header and within a message."""
    outbox.send_group("listeners", {"text": Markup("<b>ö 中 😀</b>")})
    return Response(Markup("<p>safe</p>"), headers=[("x-safe", Markup("yes"))])


def broken(_: Request, outbox: Outbox) -> Response:
    """Raises after it queued an effect."""
    outbox.send("test.trace", {"line": "must not be sent"})
    raise ValueError("broken on purpose")


def wrong(_: Request, __: Outbox) -> Any:
    """Gives back what is no response."""
    return {"not": "a response"}


def slow(request: Request, outbox: Outbox) -> Response:
    """Takes as long as the query says, leaving a file at its beginning; tells if it is asked to."""
    _mark(request.query.get("mark"))
    time.sleep(float(request.query.get("s", "0.5")))
    if request.query.get("told"):
        outbox.send("test.seen", {"attempt": request.attempt})
    return json_response({"pid": os.getpid(), "attempt": request.attempt})


def create(request: Request, outbox: Outbox) -> Response:
    """A form with an effect."""
    if request.form().get("missing"):
        raise HttpError(404, "There is no such thing.")
    outbox.send("test.trace", {"line": request.form().get("text")})
    return redirect("/made/ö#p1")


def large(_: Request, __: Outbox) -> Response:
    """A response of 600 KB."""
    return Response(b"x" * 600_000, content_type="application/octet-stream")


def upload(request: Request, _: Outbox) -> Response:
    """How large the body was."""
    return json_response({"size": len(request.body())})


def later(request: Request, outbox: Outbox) -> Later:
    """Answers by a job."""
    outbox.send("test.answer", {"channel": request.reply_channel})
    return LATER


def answer(message: dict[str, Any], outbox: Outbox, _: JobAttempt) -> None:
    """Answers a request that said later."""
    outbox.reply(message["channel"], {"status": 200, "content": b"later"})


def connect(event: SocketEvent, outbox: Outbox) -> None:
    """Accepts and joins the room's group."""
    if event.query.get("fail"):
        raise ValueError("broken on purpose")
    outbox.accept()
    outbox.join(f"room.{event.params['room']}")
    outbox.state({"count": 0})


def receive(event: SocketEvent, outbox: Outbox) -> None:
    """Counts frames in the connection state and sends them back."""
    if event.text == "fail":
        raise ValueError("broken on purpose")
    count = event.state["count"] + 1
    outbox.state({"count": count})
    outbox.send_text(f"{count} {event.text}")


def disconnect(event: SocketEvent, outbox: Outbox) -> None:
    """Tells a channel how it ended."""
    outbox.send("test.trace", {"line": f"left {event.code} after {event.state['count']}"})


def trace(message: dict[str, Any], outbox: Outbox, attempt: JobAttempt) -> None:
    """A job that hands its message on to whoever listens in the test."""
    outbox.send("test.seen", {**message, "attempt": attempt.attempt, "limit": attempt.limit})


def tick(message: dict[str, Any], outbox: Outbox, _: JobAttempt) -> None:
    """A job of a few milliseconds that leaves its mark and hands its line on."""
    _mark(message.get("mark", ""))
    time.sleep(message.get("s", 0.003))
    outbox.send("test.seen", {"line": message["line"]})


def failing(message: dict[str, Any], outbox: Outbox, attempt: JobAttempt) -> None:
    """A job that succeeds at the attempt that its message names."""
    if attempt.attempt < message["succeeds_at"]:
        outbox.send("test.seen", {"line": "must not be sent"})
        raise ValueError("not yet")
    outbox.send("test.seen", {"attempt": attempt.attempt, "id": attempt.id})


def endless(message: dict[str, Any], outbox: Outbox, attempt: JobAttempt) -> None:
    """A job that takes too long at its first attempt."""
    _mark(message["mark"] + str(attempt.attempt))
    if attempt.attempt == 1:
        time.sleep(60)
    outbox.send("test.seen", {"attempt": attempt.attempt})


def build() -> App:
    """The application."""
    return App(
        [
            get("/", hello),
            get("/hello/{no:int}", hello),
            get("/markup", markup),
            get("/broken", broken),
            get("/wrong", wrong),
            get("/large", large),
            get("/later", later),
            get("/endless", slow, timeout_s=0.3),
            route("/slow", slow, ("GET", "POST")),
            post("/slow-idempotent", slow, idempotent=True),
            post("/create", create),
            post("/upload", upload),
            websocket("/room/{room}/", connect, receive, disconnect),
            job("test.trace", trace),
            job("test.answer", answer),
            job("test.tick", tick),
            job("test.failing", failing, retries=2, backoff_s=0.05),
            job("test.endless", endless, retries=1, backoff_s=0.05, timeout_s=0.3),
        ]
    )


def build_broken() -> App:
    """An application that cannot be built."""
    raise RuntimeError("the database is on the moon")


def _mark(name: str) -> None:
    if name:
        with Path(name).open("a") as file:
            file.write(f"{os.getpid()}\n")
