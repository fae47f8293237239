"""Hands out the files of mounted folders, without asking a worker.

The rules are in `file_rules.py`. Lists no folder, follows no link out of one, writes nothing.
"""

import os
import stat
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.utils import formatdate

from interface_server import file_rules
from interface_server.http_responses import own_page
from interface_server.settings import Mount
from shared.logs import get_logger
from shared.messages import Headers, HttpResponse

PIECE = 64 * 1024
"""Bytes read at a time; a read of this size from the page cache takes some 10 µs."""

SMALL_FILE = 64 * 1024
"""Files up to here are kept in memory; ours."""

CACHE_BYTES = 16 * 1024 * 1024
"""Bytes of small files that are kept, the least used ones leave; ours."""

_STATIC_HEADERS: Headers = (
    (b"Cache-Control", b"no-cache"),
    (b"X-Content-Type-Options", b"nosniff"),
)
_MEDIA_HEADERS: Headers = (
    (b"Cache-Control", b"public, max-age=31536000, immutable"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Content-Security-Policy", b"default-src 'none'; sandbox"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
)
_ASKED = frozenset({b"if-none-match", b"if-modified-since", b"if-range", b"range"})

_log = get_logger("interface_server.static")


@dataclass(frozen=True, slots=True)
class FileResponse:
    """A response of `length` bytes that are read as they are wanted."""

    status: int
    headers: Headers
    length: int
    pieces: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    modified_ns: int
    size: int
    inode: int


@dataclass(frozen=True, slots=True)
class _Mounted:
    prefix: str
    folder: str
    is_media: bool


class StaticFiles:
    """The mounted folders; where two prefixes fit, the longer one counts.

    `cached_bytes` are the small files' in memory.
    """

    def __init__(self, static: Sequence[Mount], media: Sequence[Mount]) -> None:
        mounts = [_mounted(mount, False) for mount in static]
        mounts += [_mounted(mount, True) for mount in media]
        self._mounts = sorted(mounts, key=lambda mount: -len(mount.prefix))
        self._small: OrderedDict[_File, bytes] = OrderedDict()
        self.cached_bytes = 0

    def covers(self, path: str) -> bool:
        """Whether the path lies below a mount."""
        return self._mount_of(path) is not None

    def answer(
        self, method: str, path: str, headers: Headers
    ) -> HttpResponse | FileResponse | None:
        """The answer to a request below a mount; None for other paths."""
        mount = self._mount_of(path)
        if mount is None:
            return None
        if method not in ("GET", "HEAD"):
            return own_page(405, "Only GET and HEAD.", ((b"Allow", b"GET, HEAD"),))
        segments = file_rules.safe_segments(path[len(mount.prefix) + 1 :])
        if segments is None:
            return own_page(404, "There is no such file.")
        try:
            file = _found(mount.folder, segments)
            if file is None:
                return own_page(404, "There is no such file.")
            return self._respond(mount, file, segments[-1], method, headers)
        except PermissionError:
            _log.warning("file_not_readable", path=path)
            return own_page(403, "This file may not be read.")
        except OSError:
            return own_page(404, "There is no such file.")

    def _mount_of(self, path: str) -> _Mounted | None:
        for mount in self._mounts:
            if path.startswith(mount.prefix) and path[len(mount.prefix) :][:1] in ("", "/"):
                return mount
        return None

    def _respond(
        self, mount: _Mounted, file: _File, name: str, method: str, headers: Headers
    ) -> HttpResponse | FileResponse:
        asked = _asked(headers)
        tag = file_rules.entity_tag(file.modified_ns, file.size)
        modified_s = file.modified_ns // 1_000_000_000
        written = _headers(mount, name, tag, modified_s)
        none_match, since = asked.get(b"if-none-match", []), asked.get(b"if-modified-since", [])
        if file_rules.is_unchanged(none_match, since, tag, modified_s):
            return HttpResponse(304, written)
        wanted = None
        if_range = asked.get(b"if-range", [])
        if method == "GET" and file_rules.range_holds(if_range, tag, modified_s):
            wanted = file_rules.wanted_range(asked.get(b"range", []), file.size)
        if wanted is None:
            return self._content(200, written, file, 0, file.size)
        start, length = wanted
        if length == 0:
            span = (b"Content-Range", b"bytes */%d" % file.size)
            return own_page(416, "No byte of the file lies there.", (span,))
        span = (b"Content-Range", b"bytes %d-%d/%d" % (start, start + length - 1, file.size))
        return self._content(206, (*written, span), file, start, length)

    def _content(
        self, status: int, headers: Headers, file: _File, start: int, length: int
    ) -> HttpResponse | FileResponse:
        if file.size > SMALL_FILE:
            if not os.access(file.path, os.R_OK):
                raise PermissionError(f"{file.path!r} may not be read")
            return FileResponse(status, headers, length, _pieces(file, start, length))
        content = self._small.get(file)
        if content is None:
            content = b"".join(_pieces(file, 0, file.size))
            self._keep(file, content)
        else:
            self._small.move_to_end(file)
        return HttpResponse(status, headers, content[start : start + length])

    def _keep(self, file: _File, content: bytes) -> None:
        self._small[file] = content
        self.cached_bytes += len(content)
        while self.cached_bytes > CACHE_BYTES:
            _, dropped = self._small.popitem(last=False)
            self.cached_bytes -= len(dropped)


def _mounted(mount: Mount, is_media: bool) -> _Mounted:
    return _Mounted(mount.prefix, os.path.realpath(mount.folder), is_media)


def _found(folder: str, segments: Sequence[str]) -> _File | None:
    """The regular file of that name, wherever in the folder its links lead; None for none."""
    root = folder.rstrip("/") + "/"
    real = os.path.realpath(root + "/".join(segments), strict=True)
    if not real.startswith(root) or "/." in real[len(root) - 1 :]:
        return None
    facts = os.stat(real, follow_symlinks=False)
    if not stat.S_ISREG(facts.st_mode):
        return None
    return _File(real, facts.st_mtime_ns, facts.st_size, facts.st_ino)


def _pieces(file: _File, start: int, length: int) -> Iterator[bytes]:
    """The bytes, read as they are asked for. Raises: OSError, also when the file changed."""
    opened = os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        facts = os.fstat(opened)
        if (facts.st_ino, facts.st_size) != (file.inode, file.size):
            raise OSError(f"{file.path!r} changed while it was sent")
        while length:
            piece = os.pread(opened, min(PIECE, length), start)
            if not piece:
                raise OSError(f"{file.path!r} became shorter while it was sent")
            start += len(piece)
            length -= len(piece)
            yield piece
    finally:
        os.close(opened)


def _headers(mount: _Mounted, name: str, tag: bytes, modified_s: int) -> Headers:
    kind = file_rules.media_type(name) if mount.is_media else file_rules.content_type(name)
    fixed = _MEDIA_HEADERS if mount.is_media else _STATIC_HEADERS
    if mount.is_media and kind == file_rules.OCTETS:
        fixed = (*fixed, (b"Content-Disposition", b"attachment"))
    return (
        (b"Content-Type", kind.encode("ascii")),
        (b"ETag", tag),
        (b"Last-Modified", formatdate(modified_s, usegmt=True).encode("ascii")),
        (b"Accept-Ranges", b"bytes"),
        *fixed,
    )


def _asked(headers: Headers) -> dict[bytes, list[bytes]]:
    asked: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        if name in _ASKED:
            asked.setdefault(name, []).append(value)
    return asked
