"""Events as the lines of a text/event-stream.

Knows neither streams nor who reads them. Source: HTML Living Standard section 9.2.6.
"""

import re
from math import floor
from zlib import crc32

from shared.held_messages import Event

BEATS = 64
"""Moments of one interval at which heartbeats are written: so few, since each wakes the process,
and so many that each is short; ours."""

FIRST_RETRY_MS = 250
RETRY_SPREAD_MS = 3750
"""Readers come back after 0.25 to 4 s, like sockets that were closed with 1012; ours."""

_LINE_ENDS = re.compile(r"\r\n|\r|\n")

HEARTBEAT = b":\n\n"
"""A comment, which readers skip."""


def event_lines(event: Event) -> bytes:
    """The lines of an event without an id, with the blank one that ends it; none without text.

    Line ends within the text begin lines of their own, so that nothing in it is taken for
    another field; a reader gets all of them as LF.
    """
    if event.text is None:
        return b""
    name = f"event: {event.name}\n" if event.name else ""
    text = event.text
    if "\n" in text or "\r" in text:
        text = "\ndata: ".join(_LINE_ENDS.split(text))
    return f"{name}data: {text}\n\n".encode()


def id_line(event_id: str) -> bytes:
    """The line that names the event which it stands in; alone it only moves a reader on."""
    return b"id: %b\n" % event_id.encode("ascii")


def word_lines(word: str, event_id: str, group: str) -> bytes:
    """The server's own event about a group: "joined", nothing is missing up to this id, or "gap",
    what lies before it is lost to this reader."""
    return f"event: {word}\nid: {event_id}\ndata: {group}\n\n".encode("ascii")


def retry_lines(retry_ms: int) -> bytes:
    """Says how long a reader is to wait before it comes again."""
    return b"retry: %d\n\n" % retry_ms


def first_beat_at(now: float, interval_s: float) -> float:
    """When the first heartbeat of a stream that begins `now` is due: within the interval, at one
    of the moments that all streams share."""
    between_s = interval_s / BEATS
    return between_s * floor((now + interval_s) / between_s)


def jittered_ms(channel: str) -> int:
    """How long the reader on `channel` stays away when its server ends; a crowd is spread."""
    return FIRST_RETRY_MS + crc32(channel.encode()) % RETRY_SPREAD_MS
