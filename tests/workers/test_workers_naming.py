"""What happens to a message is found by its request's id in every line of a worker."""

import json
import logging
import time

import pytest

from channel_layer.layer import Entry, Kind
from shared import codec
from shared.logs import configure_logging
from shared.messages import HttpRequest, WsConnect, WsReceive
from shared.settings import LogSettings
from workers.naming import named
from workers.routing import App, get
from workers.web import HttpError, Response


@pytest.fixture(autouse=True)
def json_lines():
    """Lines that can be read."""
    configure_logging(LogSettings(json=True))
    yield
    configure_logging(LogSettings())


def lines(capsys):
    """The lines so far."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def entry(channel, payload):
    """An entry as it was taken."""
    return Entry(5, Kind.MESSAGE, channel, payload)


def test_names():
    """A request has its id, a handshake id and socket, an event the socket; nonsense its entry."""
    request = HttpRequest("server.response.p!c", "GET", "/a", request_id="r1")
    assert named(entry("http.request", codec.encode(request))) == {
        "channel": "http.request",
        "path": "/a",
        "request_id": "r1",
    }
    socket = {"path": "/s", "socket": "server.response.p!s"}
    connect = WsConnect("server.response.p!s", "/s", request_id="r2")
    told = named(entry("websocket.connect", codec.encode(connect)))
    assert told == {"channel": "websocket.connect", **socket, "request_id": "r2"}
    event = WsReceive("server.response.p!s", "/s", 1, "text")
    told = named(entry("websocket.receive", codec.encode(event)))
    assert told == {"channel": "websocket.receive", **socket}
    for channel in ("http.request", "websocket.connect", "jobs"):
        assert named(entry(channel, b"\xc1")) == {"channel": channel, "entry": 5}


def test_lines_of_a_handler(crew, edge, capsys):
    """Whoever writes a line while a handler runs, it has the request's id; before and after not."""

    def page(request, _):
        logging.getLogger("some.library").warning("slow query")
        if request.path == "/refused":
            raise HttpError(503, "No room.") from OSError("disk is full")
        if request.path == "/missing":
            raise HttpError(404)
        return Response("page")

    crew.start("one", App([get(path, page) for path in ("/page", "/refused", "/missing")]))
    for number, path in enumerate(("/page", "/refused", "/missing")):
        reply = edge.request("GET", path, request_id=f"id-{number}")
        status, _, content = edge.response(reply)[0]
        assert (b"Request id id-1" in content) == (path == "/refused"), (status, content)
    found = lines(capsys)
    library = [line for line in found if line["event"] == "library_log"]
    assert [line["request_id"] for line in library] == ["id-0", "id-1", "id-2"]
    (refused,) = [line for line in found if line["event"] == "handler_refused"]
    assert refused["request_id"] == "id-1"
    assert (refused["status"], refused["reason"]) == (503, "No room.")
    assert refused["cause"] == "OSError('disk is full')"


def test_an_overdue_handler(crew, edge, capsys):
    """The line of the watchdog, which runs on another thread, names the request."""

    def endless(_request, _outbox):
        time.sleep(0.5)

    app = App([get("/", endless, timeout_s=0.1)])
    crew.start("one", app)
    overdue = crew.watch(app)
    reply = edge.request("GET", "/", request_id="late")
    assert edge.response(reply)[0][0] == 503
    assert overdue.wait(5)
    told = [line for line in lines(capsys) if line["event"] == "handler_overdue"]
    assert {line["request_id"] for line in told} == {"late"}
