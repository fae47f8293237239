"""Which bytes of a file a Range asks for, and how several ranges stand in one response.

Bounds what one request may cost; reads no file.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

MAX_RANGES = 16
"""Ranges of one request; past it the whole file is sent. Readers of videos and documents ask for
one to three; ours."""

PART_OVERHEAD = 100
"""About what a part's own head takes: ranges with a smaller gap between them are sent as one."""

_RANGE = re.compile(rb"[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*")


class Span(NamedTuple):
    """`length` bytes from `start` on."""

    start: int
    length: int

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.start + self.length

    def content_range(self, size: int) -> bytes:
        """The value of Content-Range; `size` is the whole file's."""
        return b"bytes %d-%d/%d" % (self.start, self.end - 1, size)


def wanted_spans(values: Sequence[bytes], size: int) -> tuple[Span, ...] | None:
    """What the Range headers ask for; None for the whole file, none at all for 416.

    What is not understood means the whole file, and so do more than MAX_RANGES and ranges that
    come to as much as the file or more. Those that overlap or nearly touch become one, at the
    place of the first. Source: RFC 9110 sections 14.2 and 15.3.7.
    """
    if len(values) != 1:
        return None
    unit, mark, listed = values[0].partition(b"=")
    elements = [element for element in listed.split(b",") if element.strip(b" \t")]
    if unit.lower() != b"bytes" or not mark or not 0 < len(elements) <= MAX_RANGES:
        return None
    spans = []
    for element in elements:
        span = _span(element, size)
        if span is None:
            return None
        if span.length:
            spans.append(span)
    if len(spans) > 1 and sum(span.length for span in spans) >= size:
        return None
    return _merged(spans)


def part_heads(spans: Sequence[Span], kind: bytes, size: int, boundary: bytes) -> list[bytes]:
    """What stands before each of the spans and, as the last, behind them.

    `kind` is the file's type. Source: RFC 9110 section 14.6.
    """
    heads = [
        b"\r\n--%b\r\nContent-Type: %b\r\nContent-Range: %b\r\n\r\n"
        % (boundary, kind, span.content_range(size))
        for span in spans
    ]
    return [*heads, b"\r\n--%b--\r\n" % boundary]


def _span(element: bytes, size: int) -> Span | None:
    """One range, of length 0 when it names no byte of the file; None when it is malformed."""
    match = _RANGE.fullmatch(element)
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        length = min(int(match[2]), size)
        return Span(size - length, length)
    start = int(match[1])
    if match[2] and int(match[2]) < start:
        return None
    end = min(int(match[2]) + 1, size) if match[2] else size
    return Span(start, end - start) if start < size else Span(0, 0)


def _merged(spans: Sequence[Span]) -> tuple[Span, ...]:
    merged: list[Span] = []
    for span in spans:
        whole, place = span, len(merged)
        for at in reversed(range(len(merged))):
            if _is_near(whole, merged[at]):
                near, place = merged.pop(at), at
                start = min(near.start, whole.start)
                whole = Span(start, max(near.end, whole.end) - start)
        merged.insert(place, whole)
    return tuple(merged)


def _is_near(one: Span, other: Span) -> bool:
    return one.start <= other.end + PART_OVERHEAD and other.start <= one.end + PART_OVERHEAD
