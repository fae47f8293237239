"""What the conditions of a request for a file come to: send it, "not modified", or a refusal.

Compares tags and dates; knows no file and writes no response.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

CONDITIONS = frozenset(
    {b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range"}
)

_MEMBER = re.compile(rb'[ \t,]*((?:W/)?"[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?=,|\Z)')
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Asked = Mapping[bytes, Sequence[bytes]]
"""The values of each header that was sent, by its name in lower case."""


def condition_status(asked: Asked, tag: bytes, modified_s: int) -> int:
    """200 when the file is to be sent, 304 or 412, for a GET or HEAD of an existing file.

    `tag` is strong. A date that is none is left out of account, as is a repeated one.
    Source: RFC 9110 section 13.2.2.
    """
    if b"if-match" in asked:
        if not _has_tag(asked[b"if-match"], tag, is_weak_enough=False):
            return 412
    elif b"if-unmodified-since" in asked:
        date = _one_date(asked[b"if-unmodified-since"])
        if date is not None and modified_s > date:
            return 412
    if b"if-none-match" in asked:
        return 304 if _has_tag(asked[b"if-none-match"], tag, is_weak_enough=True) else 200
    date = _one_date(asked.get(b"if-modified-since", ()))
    return 304 if date is not None and modified_s <= date else 200


def range_holds(if_range: Sequence[bytes], tag: bytes, modified_s: int) -> bool:
    """Whether a Range may be followed: always without If-Range.

    A weak tag never holds, a date only when it is the very one. Source: RFC 9110 section 13.1.5.
    """
    if not if_range:
        return True
    if len(if_range) > 1:
        return False
    return if_range[0] == tag or http_date(if_range[0]) == modified_s


def http_date(value: bytes) -> int | None:
    """Seconds since the epoch; None for what is no date."""
    try:
        moment = parsedate_to_datetime(value.decode("ascii"))
    except (ValueError, TypeError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int((moment - _EPOCH).total_seconds())


def _has_tag(values: Sequence[bytes], tag: bytes, is_weak_enough: bool) -> bool:
    """Whether the list is `*` or names the tag. Source: RFC 9110 section 8.8.3.2."""
    joined = b",".join(values)
    if joined == tag or joined.strip(b" \t") == b"*":
        return True
    known = _tags(joined)
    return tag in known or (is_weak_enough and b"W/" + tag in known)


def _tags(joined: bytes) -> list[bytes]:
    """The tags of a list; none when a part of it is no tag."""
    tags, at = [], 0
    while match := _MEMBER.match(joined, at):
        tags.append(match[1])
        at = match.end()
    return [] if joined[at:].strip(b" \t,") else tags


def _one_date(values: Sequence[bytes]) -> int | None:
    return http_date(values[0]) if len(values) == 1 else None
