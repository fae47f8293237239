"""The rules for handing out files: safe names, types and what their headers say.

Touches no disk (`file_disk.py`); conditions and ranges have files of their own.
"""

from email.utils import formatdate

from shared.messages import Headers

OCTETS = "application/octet-stream"

_TYPES = {
    "avif": "image/avif",
    "br": OCTETS,
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
    "zst": "application/zstd",
}

_SHOWN_MEDIA = ("image/", "video/", "audio/")

NEIGHBOURS = (("br", ".br"), ("zstd", ".zst"), ("gzip", ".gz"))
"""Codings of a file that may lie beside it, with the endings of their names; the smallest first,
as the usual tools at their best make them."""

IMMUTABLE_NAMES = (
    r"(?:^|[.-])(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{8,64}\."
    r"|(?:^|[.-])(?=[2-7]*[A-Z])(?=[A-Z]*[2-7])[A-Z2-7]{8,64}\."
)
"""Eight or more hexadecimal digits, or capital base32 ones, between marks, with a letter and a
digit among them: so `name.0123abcd.css` and `name-5QWXKZJ2.js`, yet neither words nor dates."""

FOR_GOOD = b"public, max-age=31536000, immutable"
"""A year, the most that caches keep. Source: RFC 8246."""

_OF_CONTENT = frozenset(
    {b"Accept-Ranges", b"Content-Disposition", b"Content-Encoding", b"Content-Type"}
)
_NOSNIFF = (b"X-Content-Type-Options", b"nosniff")
_SANDBOXED: Headers = (
    (b"Content-Security-Policy", b"default-src 'none'; sandbox"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
)


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


def entity_tag(modified_ns: int, size: int, coding: str = "") -> bytes:
    """The strong tag of a file's state; each coding has its own."""
    ending = b"-" + coding.encode("ascii") if coding else b""
    return b'"%x-%x%b"' % (modified_ns, size, ending)


def file_headers(
    name: str, tag: bytes, modified_s: int, coding: str, is_coded: bool, is_immutable: bool
) -> Headers:
    """Headers of a file of the site; `name` is the plain file's.

    `is_coded`: codings of it lie beside it, of which this may be one.
    """
    keep = FOR_GOOD if is_immutable else b"no-cache"
    headers: Headers = (
        (b"Content-Type", content_type(name).encode("ascii")),
        *_state_headers(tag, modified_s),
        (b"Cache-Control", keep),
        _NOSNIFF,
    )
    if coding:
        headers = (*headers, (b"Content-Encoding", coding.encode("ascii")))
    return (*headers, (b"Vary", b"Accept-Encoding")) if is_coded else headers


def media_headers(name: str, tag: bytes, modified_s: int) -> Headers:
    """Headers of a file that a user sent."""
    kind = media_type(name)
    headers: Headers = (
        (b"Content-Type", kind.encode("ascii")),
        *_state_headers(tag, modified_s),
        (b"Cache-Control", FOR_GOOD),
        _NOSNIFF,
        *_SANDBOXED,
    )
    return headers if kind != OCTETS else (*headers, (b"Content-Disposition", b"attachment"))


def headers_of_304(headers: Headers) -> Headers:
    """Those of a file's headers that a client gets who has the file.

    Source: RFC 9110 section 15.4.5.
    """
    return tuple(pair for pair in headers if pair[0] not in _OF_CONTENT)


def _state_headers(tag: bytes, modified_s: int) -> Headers:
    return (
        (b"ETag", tag),
        (b"Last-Modified", formatdate(modified_s, usegmt=True).encode("ascii")),
        (b"Accept-Ranges", b"bytes"),
    )
