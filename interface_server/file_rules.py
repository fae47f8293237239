"""The rules for handing out files: safe names, types, conditions and ranges.

Touches no disk; `static_files.py` does.
"""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

OCTETS = "application/octet-stream"

_TYPES = {
    "avif": "image/avif",
    "css": "text/css; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "gif": "image/gif",
    "gz": "application/gzip",
    "html": "text/html; charset=utf-8",
    "ico": "image/vnd.microsoft.icon",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "map": "application/json",
    "md": "text/markdown; charset=utf-8",
    "mjs": "text/javascript; charset=utf-8",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "ogg": "audio/ogg",
    "otf": "font/otf",
    "pdf": "application/pdf",
    "png": "image/png",
    "svg": "image/svg+xml",
    "ttf": "font/ttf",
    "txt": "text/plain; charset=utf-8",
    "wasm": "application/wasm",
    "wav": "audio/wav",
    "webm": "video/webm",
    "webmanifest": "application/manifest+json",
    "webp": "image/webp",
    "woff": "font/woff",
    "woff2": "font/woff2",
    "xml": "application/xml",
    "zip": "application/zip",
}

_SHOWN_MEDIA = ("image/", "video/", "audio/")
_RANGE = re.compile(rb"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*")
_ENTITY_TAG = re.compile(rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


def content_type(name: str) -> str:
    """The type that a file's ending stands for."""
    return _TYPES.get(name.rpartition(".")[2].lower(), OCTETS) if "." in name else OCTETS


def media_type(name: str) -> str:
    """The same for a file from a user: what a browser could run is plain octets."""
    kind = content_type(name)
    is_shown = kind.startswith(_SHOWN_MEDIA) and kind != "image/svg+xml"
    return kind if is_shown else OCTETS


def safe_segments(relative: str) -> tuple[str, ...] | None:
    """The names between the slashes; None when one is empty, hidden or leads out."""
    segments = tuple(relative.split("/"))
    for segment in segments:
        if not segment or segment.startswith(".") or "\\" in segment or "\x00" in segment:
            return None
    return segments


def entity_tag(modified_ns: int, size: int) -> bytes:
    """The strong tag of a file's state."""
    return b'"%x-%x"' % (modified_ns, size)


def is_unchanged(
    if_none_match: list[bytes], if_modified_since: list[bytes], tag: bytes, modified_s: int
) -> bool:
    """Whether what the client has is still right. Source: RFC 9110 section 13.2.2."""
    if if_none_match:
        joined = b",".join(if_none_match)
        found = (known.removeprefix(b"W/") for known in _ENTITY_TAG.findall(joined))
        return joined.strip() == b"*" or tag in found
    since = _http_date(if_modified_since[0]) if len(if_modified_since) == 1 else None
    return since is not None and modified_s <= since


def range_holds(if_range: list[bytes], tag: bytes, modified_s: int) -> bool:
    """Whether a Range may be followed: always without If-Range. Source: RFC 9110 section 13.1.5."""
    if not if_range:
        return True
    if len(if_range) > 1:
        return False
    return if_range[0] == tag or _http_date(if_range[0]) == modified_s


def wanted_range(values: list[bytes], size: int) -> tuple[int, int] | None:
    """First byte and length that one Range header asks for; None for the whole file.

    A length of 0 says that no byte of the file lies in it. Several ranges and what is not
    understood mean the whole file. Source: RFC 9110 section 14.2.
    """
    match = _RANGE.fullmatch(values[0]) if len(values) == 1 else None
    if match is None:
        return None
    first, last = match[1], match[2]
    if first:
        start = int(first)
        end = min(int(last), size - 1) if last else size - 1
        if last and int(last) < start:
            return None
        return (start, end - start + 1) if start < size else (0, 0)
    if not last:
        return None
    length = min(int(last), size)
    return size - length, length


def _http_date(value: bytes) -> int | None:
    """Seconds since the epoch; None for what is no date."""
    try:
        moment = parsedate_to_datetime(value.decode("ascii"))
    except (ValueError, TypeError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
