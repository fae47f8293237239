"""The access log: its two forms, and what cannot forge a line of it."""

import io
import json
import re
from collections.abc import Callable

from shared.access_log import AccessLog


def written(log: AccessLog, stream: io.StringIO) -> str:
    return re.sub(r"\[\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\]", "[TIME]", stream.getvalue())


def test_access_lines_have_the_known_form() -> None:
    """Requests and sockets are logged in the form that Channels users know."""
    stream = io.StringIO()
    log = AccessLog(stream, True, lambda: 1_459_428_830.5)
    log.http("POST", "/post/2/", 302, 0.0512, ("127.0.0.1", 65479))
    log.websocket("CONNECT", "/thread/2/", ("127.0.0.1", 49224))
    log.http("GET", "/", 200, 1.5, ("::1", 80), "3f9c1")
    log.websocket("DISCONNECT", "/x", None, "3f9c2", 1001, "peer")
    assert written(log, stream).splitlines() == [
        "[TIME] HTTP POST /post/2/ 302 [0.05, 127.0.0.1:65479]",
        "[TIME] WebSocket CONNECT /thread/2/ [127.0.0.1:49224]",
        "[TIME] HTTP GET / 200 [1.50, [::1]:80] 3f9c1",
        "[TIME] WebSocket DISCONNECT /x [-] 3f9c2 1001 peer",
    ]


def test_access_lines_can_be_json() -> None:
    """One object a line with the time in UTC; the client is there only where it may be shown."""
    stream = io.StringIO()
    log = AccessLog(stream, True, lambda: 1_459_428_830.5, as_json=True)
    log.http("GET", '/a"\n', 200, 0.0123, ("::1", 80), "3f9c1", "1.0", 512)
    AccessLog(stream, False, lambda: 0.0, as_json=True).websocket(
        "DISCONNECT", "/x", ("::1", 80), "3f9c2", 1001, "peer"
    )
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {
            "time": "2016-03-31T12:53:50.500+00:00",
            "event": "http",
            "method": "GET",
            "path": '/a"\n',
            "status": 200,
            "duration_ms": 12.3,
            "bytes": 512,
            "http_version": "1.0",
            "request_id": "3f9c1",
            "client": "[::1]:80",
        },
        {
            "time": "1970-01-01T00:00:00.000+00:00",
            "event": "websocket_disconnect",
            "path": "/x",
            "code": 1001,
            "cause": "peer",
            "request_id": "3f9c2",
        },
    ]


def test_addresses_can_be_left_out() -> None:
    """Without addresses a dash stands in their place."""
    stream = io.StringIO()
    log = AccessLog(stream, False, lambda: 0.0)
    log.http("GET", "/", 200, 0.0, ("127.0.0.1", 65479))
    log.websocket("REJECT", "/x", None)
    assert written(log, stream).splitlines() == [
        "[TIME] HTTP GET / 200 [0.00, -]",
        "[TIME] WebSocket REJECT /x [-]",
    ]


def test_the_time_in_access_lines_follows_the_clock() -> None:
    """Each line carries the second in which it was written."""
    stream = io.StringIO()
    times = iter([0.9, 1.0])
    log = AccessLog(stream, False, lambda: next(times))
    log.http("GET", "/", 200, 0.0, None)
    log.http("GET", "/", 200, 0.0, None)
    first, second = stream.getvalue().splitlines()
    assert first[18:20] == "00"
    assert second[18:20] == "01"


def test_access_lines_are_held_until_later() -> None:
    """With `later` the lines of one turn are asked to be written once, together and in order."""
    stream = io.StringIO()
    booked: list[Callable[[], None]] = []
    log = AccessLog(stream, False, lambda: 0.0, booked.append)
    log.http("GET", "/1", 200, 0.0, None)
    log.websocket("CONNECT", "/2", None)
    assert stream.getvalue() == ""
    (write,) = booked
    write()
    log.http("GET", "/3", 200, 0.0, None)
    log.flush()
    booked[1]()
    assert written(log, stream).splitlines() == [
        "[TIME] HTTP GET /1 200 [0.00, -]",
        "[TIME] WebSocket CONNECT /2 [-]",
        "[TIME] HTTP GET /3 200 [0.00, -]",
    ]


def test_a_path_cannot_forge_an_access_line() -> None:
    """Line ends, blanks and control characters of a decoded path are percent-encoded."""
    stream = io.StringIO()
    log = AccessLog(stream, False, lambda: 0.0)
    log.http("GET", "/a b\n[2016/03/31 12:53:50] HTTP GET /é%\udc80", 200, 0.0, None)
    (line,) = written(log, stream).splitlines()
    assert "/a%20b%0A%5B2016/03/31%2012:53:50%5D%20HTTP%20GET%20/%C3%A9%25" in line


def test_no_stream_writes_nothing() -> None:
    """An access log that is switched off takes calls and does nothing."""
    log = AccessLog(None, True, lambda: 0.0)
    log.http("GET", "/", 200, 0.0, None)
    log.websocket("CONNECT", "/", None)


def test_a_broken_stream_stops_nobody() -> None:
    """A reader of the lines that went away never becomes an error of the server."""
    stream = io.StringIO()
    stream.close()
    AccessLog(stream, True, lambda: 0.0).http("GET", "/", 200, 0.0, None)
