"""Holds shared/logs.py: the form of log lines and that no line can break or be forged."""

import io
import json
import logging
import re
from collections.abc import Callable, Iterator

import pytest

from shared.logs import AccessLog, configure_logging, get_logger
from shared.settings import LogSettings


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    yield
    configure_logging(LogSettings())  # as the loggers of all parts have it


def written(log: AccessLog, stream: io.StringIO) -> str:
    return re.sub(r"\[\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\]", "[TIME]", stream.getvalue())


def test_a_line_is_event_then_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    """A line goes to standard error: time, level, part, event, then key=value in order."""
    get_logger("layer").warning("layer_away", retry_in_s=2, error="no route", empty="")
    line = capsys.readouterr().err
    assert re.fullmatch(
        r'\d{4}-\d\d-\d\dT[\d:.]+Z warning layer layer_away retry_in_s=2 error="no route" '
        r'empty=""\n',
        line,
    )


def test_a_value_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A newline or a quote in a value stays inside its quotes."""
    get_logger("x").info("event", path='/a\n2016 error "y"\x1b[2J')
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert "\x1b" not in text


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("character", ["\x7f", "\x85", "\x9b", "\u2028", "\u202e", "\ud800"])
def test_what_ends_lines_or_moves_a_cursor_is_escaped(
    capsys: pytest.CaptureFixture[str], character: str, as_json: bool
) -> None:
    """A path with such a character makes one line of others; plain letters are shown."""
    configure_logging(LogSettings("info", json=as_json))
    get_logger("x").warning("refused", path=f"/a{character}forged", name="Zoë")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable()
    assert f"\\u{ord(character):04x}forged" in line or f"\\u{ord(character):04X}forged" in line
    get_logger("x").warning("greeted", name="Zoë")
    assert "Zoë" in capsys.readouterr().err


def test_a_logger_made_early_follows_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    """A logger made before the settings were known obeys them afterwards."""
    log = get_logger("x")
    configure_logging(LogSettings("warning", json=True))
    log.info("quiet")
    log.error("loud", number=3)
    (line,) = capsys.readouterr().err.splitlines()
    found = json.loads(line)
    assert (found["part"], found["event"], found["level"], found["number"]) == (
        *("x", "loud", "error"),
        3,
    )


@pytest.mark.parametrize("as_json", [False, True])
def test_an_exception_brings_its_traceback(
    capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    """`exception` logs the traceback, below the line or as a value."""
    configure_logging(LogSettings(json=as_json))
    try:
        raise KeyError("lost")
    except KeyError:
        get_logger("x").exception("handler_failed")
    text = capsys.readouterr().err
    assert "Traceback" in text
    assert "KeyError: 'lost'" in text


def test_lines_of_libraries_come_along(capsys: pytest.CaptureFixture[str]) -> None:
    """A library's warning is one of our lines, once, even when configured twice."""
    configure_logging(LogSettings())
    configure_logging(LogSettings())
    logging.getLogger("some.library").warning("it is %s", "late")
    logging.getLogger("some.library").info("chatter")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith('warning some.library library_log message="it is late"')


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
