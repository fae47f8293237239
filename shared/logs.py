"""Structured log lines on standard error; the access log is `access_log.py`'s.

Cookies, bodies and query strings never come in here; whoever logs passes names, numbers and paths
only. No log line is allowed to stop the process that writes it.
"""

import json
import logging
import sys
from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any, Protocol, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger

from shared.settings import LogSettings

BoundLogger = FilteringBoundLogger
"""What `get_logger` gives: `log.warning("event_name", key=value)`."""

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/!?@+*[](),%")
"""Characters of a value that is shown without quotes."""


def configure_logging(settings: LogSettings) -> None:
    """Send every log line of this process to standard error, in the form that was asked for.

    Lines of libraries that use Python's own logging come along from `warning` upward.
    """
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    structlog.configure(
        processors=[
            _with_subject,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            _json_line if settings.json else _text_line,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_StandardError,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in [known for known in root.handlers if isinstance(known, _LibraryLines)]:
        root.removeHandler(handler)
    root.addHandler(_LibraryLines(max(level, logging.WARNING)))


class Subject(Protocol):
    """What a thread is busy with."""

    def facts(self) -> Mapping[str, object]:
        """The names by which it is found in other lines; asked for only when a line is written."""


_subject: ContextVar[Subject | None] = ContextVar("subject", default=None)


def speak_of(subject: Subject) -> None:
    """From now on, each line of this thread also has the facts of `subject`, of libraries too."""
    _subject.set(subject)


def get_logger(part: str) -> BoundLogger:
    """The logger of one part of the program; `part` stands in each of its lines.

    It may be made before `configure_logging` was called and follows it from then on.
    """
    if not structlog.is_configured():
        configure_logging(LogSettings())
    logger: BoundLogger = structlog.get_logger(part=part)
    return logger


class _StandardError:
    """Writes finished lines to whatever standard error is at that moment."""

    def __init__(self, *_: Any) -> None:
        pass

    def msg(self, line: str) -> None:
        write_line(sys.stderr, line)

    debug = info = warning = error = critical = exception = fatal = msg


class _LibraryLines(logging.Handler):
    """Hands lines of Python's own logging to ours, under the library's name."""

    def emit(self, record: logging.LogRecord) -> None:
        name = logging.getLevelName(record.levelno).lower()
        emit = getattr(get_logger(record.name), name, get_logger(record.name).error)
        emit("library_log", message=record.getMessage(), exc_info=record.exc_info)


def write_line(stream: TextIO, line: str) -> None:
    """Write the line at once, if anybody is there to read it."""
    try:
        stream.write(line + "\n")
        stream.flush()
    except (OSError, ValueError):
        return  # the reader of our lines is gone; serving goes on without them


def _with_subject(_: Any, __: str, event: EventDict) -> EventDict:
    subject = _subject.get()
    if subject is not None:
        for key, value in subject.facts().items():
            event.setdefault(key, value)
    return event


def _json_line(_: Any, __: str, event: EventDict) -> str:
    return _quoted(_ordered(event))


def _text_line(_: Any, __: str, event: EventDict) -> str:
    line = _ordered(event)
    head = " ".join(str(line.pop(key, "-")) for key in ("timestamp", "level", "part", "event"))
    traceback = line.pop("exception", None)
    pairs = "".join(f" {key}={_shown(value)}" for key, value in line.items())
    return head + pairs + (f"\n{traceback}" if traceback else "")


def _ordered(event: MutableMapping[str, Any]) -> dict[str, Any]:
    first = ("timestamp", "level", "part", "event")
    return {key: event[key] for key in first if key in event} | {
        key: value for key, value in event.items() if key not in first
    }


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else str(value)
    if text and _PLAIN.issuperset(text):
        return text
    return _quoted(text)


def _quoted(value: Any) -> str:
    """As JSON that shows as one line: letters as they are, unless something in it ends lines or
    moves a terminal's cursor, which JSON itself leaves alone past U+007E (U+0085, U+009B, U+2028).
    """
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value, default=str)
