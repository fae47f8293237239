"""Holds shared/logs.py: the form of log lines and that no line can break or be forged."""

import json
import logging
import re
from collections.abc import Iterator

import pytest

from shared.logs import configure_logging, get_logger
from shared.settings import LogSettings


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    yield
    configure_logging(LogSettings())  # as the loggers of all parts have it


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
