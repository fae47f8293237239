"""The application of the fault bench: what its handlers did can be counted afterwards.

Its records lie in the SQLite file named by FAULT_DB (`fault_records.py` reads them). It is no
example of good taste: handlers sleep on purpose.
"""

import os
import time
import zlib
from typing import Any

from tests.system.fault_records import Records
from workers.consumers import JobAttempt, SocketEvent
from workers.outbox import Outbox
from workers.routing import App, get, job, post, websocket
from workers.web import Request, Response

HISTORY = (2000, 120.0)
"""Messages and seconds that the groups of `/log` keep."""

MOST_SLEEP_MS = 20


def build() -> App:
    """The application, as `--app` wants it."""
    handlers = _Handlers(Records(os.environ["FAULT_DB"]))
    return App(
        routes=[
            get("/page/{number:int}", handlers.page),
            post("/note/{number:int}", handlers.note, idempotent=True),
            post("/once/{number:int}", handlers.note),
            post("/tell/{group}/{number:int}", handlers.tell, idempotent=True),
            post("/log/{group}/{number:int}", handlers.log, idempotent=True),
            post("/slow/{ms:int}/{number:int}", handlers.slow_note, idempotent=True),
            websocket("/echo/{name}", handlers.enter, handlers.echo, handlers.leave),
            websocket("/feed/{group}/{name}", handlers.feed, handlers.ignore, handlers.leave),
            websocket("/log/{group}/{name}", handlers.follow, handlers.ignore, handlers.leave),
            websocket("/here/{group}/{name}", handlers.appear, handlers.ignore, handlers.leave),
            job("fault.job", handlers.work, retries=50, backoff_s=0.1),
            job("fault.presence", handlers.presence),
        ]
    )


class _Handlers:
    def __init__(self, records: Records) -> None:
        self._records = records

    def page(self, request: Request, _: Outbox) -> Response:
        """Who answers, at which attempt."""
        return _plain(request)

    def slow_note(self, request: Request, outbox: Outbox) -> Response:
        """A note that takes its time; that it began can be seen."""
        self._records.begin(int(request.params["number"]), request.attempt)
        time.sleep(int(request.params["ms"]) / 1000)
        return self.note(request, outbox)

    def note(self, request: Request, outbox: Outbox) -> Response:
        """One row for each request id, and one word to those who listen, in the same commit."""
        number = int(request.params["number"])
        self._records.note(request.request_id, number)
        outbox.send_group("notes", {"text": str(number)})
        return _plain(request)

    def tell(self, request: Request, outbox: Outbox) -> Response:
        """Tell the members of a group without history."""
        outbox.send_group(f"feed.{request.params['group']}", _text(request))
        return _plain(request)

    def log(self, request: Request, outbox: Outbox) -> Response:
        """Tell the members of a group with history."""
        outbox.send_group(f"log.{request.params['group']}", _text(request), history=HISTORY)
        return _plain(request)

    def enter(self, event: SocketEvent, outbox: Outbox) -> None:
        """Accept; the state remembers the name and counts the frames."""
        outbox.accept()
        outbox.state({"name": event.params["name"], "count": 0})
        self._records.attempt(str(event.params["name"]), event.order, event.attempt)

    def echo(self, event: SocketEvent, outbox: Outbox) -> None:
        """Sleep for up to 20 ms, then say what came, how many came before, and who says it."""
        name, count = event.state["name"], event.state["count"]
        time.sleep(zlib.crc32(f"{name} {count}".encode()) % (MOST_SLEEP_MS + 1) / 1000)
        outbox.state({"name": name, "count": count + 1})
        outbox.send_text(f"{event.text} {count} {event.order} {os.getpid()} {event.attempt}")

    def ignore(self, _: SocketEvent, __: Outbox) -> None:
        """Nothing is expected here."""

    def leave(self, event: SocketEvent, _: Outbox) -> None:
        """One row for each end of a socket."""
        name = str(event.state.get("name", f"stateless {event.params['name']}"))
        self._records.end(name, event.code or 0, event.attempt)

    def feed(self, event: SocketEvent, outbox: Outbox) -> None:
        """Accept and join a group without history."""
        outbox.accept()
        outbox.state({"name": event.params["name"]})
        group = str(event.params["group"])
        outbox.join("notes" if group == "notes" else f"feed.{group}")

    def follow(self, event: SocketEvent, outbox: Outbox) -> None:
        """Accept and join a group with history, behind the position in the query string."""
        outbox.accept()
        outbox.state({"name": event.params["name"]})
        epoch, _, offset = event.query.get("since", ":0").rpartition(":")
        outbox.join(f"log.{event.params['group']}", since=(epoch, int(offset)))

    def appear(self, event: SocketEvent, outbox: Outbox) -> None:
        """Accept and be present in a group as the user that the name begins with."""
        outbox.accept()
        name = str(event.params["name"])
        outbox.state({"name": name})
        user = name.partition("-")[0]
        outbox.join(f"here.{event.params['group']}", user=user, presence="fault.presence")

    def work(self, message: dict[str, Any], _: Outbox, attempt: JobAttempt) -> None:
        """One row for each time that a job was handled."""
        time.sleep(message.get("ms", 0) / 1000)
        self._records.job(message["number"], attempt.id, attempt.attempt)

    def presence(self, message: dict[str, Any], _: Outbox, __: JobAttempt) -> None:
        """One row for each change of presence."""
        word = f"{message['event']} {message['group']} {message['devices']}"
        self._records.end(f"presence {message['user']} {word}", 0, 1)


def _plain(request: Request) -> Response:
    number = request.params.get("number", 0)
    text = f"{number} {os.getpid()} {request.attempt}"
    return Response(text, content_type="text/plain; charset=utf-8")


def _text(request: Request) -> dict[str, str]:
    return {"text": str(request.params["number"])}
