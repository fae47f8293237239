"""Answers requests for the files of mounted folders, without asking a worker.

Conditions and ranges are ruled by `file_conditions` and `file_ranges`, what lies on the disk is
known by `known_files`. Lists no folder and writes nothing.
"""

import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from interface_server import file_disk, file_rules
from interface_server.accepted_codings import IDENTITY, best_coding
from interface_server.file_conditions import CONDITIONS, condition_status, range_holds
from interface_server.file_disk import DiskFile
from interface_server.file_ranges import Span, part_heads, wanted_spans
from interface_server.http_responses import ReadyResponse, own_page
from interface_server.known_files import KnownFile, KnownFiles, MountedFolder, Variant
from interface_server.settings import Mount
from shared.logs import get_logger
from shared.messages import Headers, HttpResponse

_ACCEPT = b"accept-encoding"
_RANGE = b"range"
_ASKED = CONDITIONS | {_ACCEPT, _RANGE}
_ALLOW: Headers = ((b"Allow", b"GET, HEAD, OPTIONS"),)
_VARY = (b"Vary", b"Accept-Encoding")
_NOTHING = r"(?!)"
"""An expression that is found nowhere."""

_log = get_logger("interface_server.static")


@dataclass(frozen=True, slots=True)
class FileResponse:
    """A response of `length` bytes that are read as they are wanted.

    They are those of the file's `spans`, with `between` around each where it is given.
    """

    status: int
    headers: Headers
    length: int
    file: DiskFile
    spans: Sequence[tuple[int, int]]
    between: Sequence[bytes] = ()

    @property
    def pieces(self) -> Iterator[bytes]:
        """The bytes, for who takes them one file after the other."""
        return file_disk.pieces(self.file, self.spans, self.between)

    @property
    def loose_pieces(self) -> Iterator[bytes]:
        """The same for who takes many files at a time."""
        return file_disk.loose_pieces(self.file, self.spans, self.between)


FileAnswer = ReadyResponse | HttpResponse | FileResponse
_Asked = Mapping[bytes, Sequence[bytes]]


class StaticFiles:
    """The mounted folders; where two prefixes fit, the longer one counts.

    `immutable` is an expression that is found in names whose content never changes, none when it
    is empty; `seconds` is a clock of any start.
    """

    def __init__(
        self,
        static: Sequence[Mount],
        media: Sequence[Mount],
        immutable: str = file_rules.IMMUTABLE_NAMES,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        mounts = [MountedFolder.of(mount, False) for mount in static]
        mounts += [MountedFolder.of(mount, True) for mount in media]
        self._mounts = sorted(mounts, key=lambda mount: -len(mount.prefix))
        self._known = KnownFiles(re.compile(immutable or _NOTHING), seconds)

    @property
    def cached_bytes(self) -> int:
        """What known files take in memory."""
        return self._known.cached_bytes

    def covers(self, path: str) -> bool:
        """Whether the path lies below a mount."""
        return self._mount_of(path) is not None

    def answer(self, method: str, path: str, headers: Headers) -> FileAnswer | None:
        """The answer to a request below a mount; None for other paths."""
        known = self._known.trusted(path)
        if known is None or method not in ("GET", "HEAD"):
            return self._answer_anew(method, path, headers)
        try:
            return self._respond(known, method, headers)
        except OSError:  # another file took its name a moment ago
            return self._answer_anew(method, path, headers)

    def _mount_of(self, path: str) -> MountedFolder | None:
        for mount in self._mounts:
            if path.startswith(mount.prefix) and path[len(mount.prefix) :][:1] in ("", "/"):
                return mount
        return None

    def _answer_anew(self, method: str, path: str, headers: Headers) -> FileAnswer | None:
        mount = self._mount_of(path)
        if mount is None:
            return None
        if method == "OPTIONS":
            return HttpResponse(204, _ALLOW)
        if method not in ("GET", "HEAD"):
            return own_page(405, "Only GET and HEAD.", _ALLOW)
        try:
            known = self._known.look(mount, path)
            if known is not None:
                return self._respond(known, method, headers)
        except PermissionError:
            _log.warning("file_not_readable", path=path)
            return own_page(403, "This file may not be read.")
        except OSError:  # what cannot be opened by this name is not there
            pass
        self._known.forget(path)
        return own_page(404, "There is no such file.")

    def _respond(self, known: KnownFile, method: str, headers: Headers) -> FileAnswer:
        """Raises: OSError."""
        asked: dict[bytes, list[bytes]] = {}
        for name, value in headers:
            if name in _ASKED:
                asked.setdefault(name, []).append(value)
        if not asked:
            return self._content(known, known.plain)
        variant = _liked(known, asked) if known.coded else known.plain
        if variant is None:
            return own_page(406, "This file is at hand in none of the codings asked for.", (_VARY,))
        status = condition_status(asked, variant.tag, variant.modified_s)
        if status == 304:
            return variant.unchanged
        if status == 412:
            return own_page(412, "The file is not in the state that was asked for.")
        if method != "GET" or _RANGE not in asked:
            return self._content(known, variant)
        if not range_holds(asked.get(b"if-range", ()), variant.tag, variant.modified_s):
            return self._content(known, variant)
        return self._ranged(known, variant, asked[_RANGE])

    def _content(self, known: KnownFile, variant: Variant) -> FileAnswer:
        if variant.is_small:
            return self._known.whole(known, variant)
        file_disk.check_readable(variant.file)
        size = variant.file.size
        return FileResponse(200, variant.headers, size, variant.file, ((0, size),))

    def _ranged(self, known: KnownFile, variant: Variant, wanted: Sequence[bytes]) -> FileAnswer:
        size = variant.file.size
        spans = wanted_spans(wanted, size)
        if spans is None:
            return self._content(known, variant)
        if not spans:
            extra = (b"Content-Range", b"bytes */%d" % size)
            return own_page(416, "No byte of the file lies there.", (extra,))
        headers, between = _part_headers(variant, spans)
        length = sum(span.length for span in spans) + sum(map(len, between))
        if not variant.is_small:
            file_disk.check_readable(variant.file)
            return FileResponse(206, headers, length, variant.file, spans, between)
        content = self._known.whole(known, variant).response.content
        parts = [content[span.start : span.end] for span in spans]
        if between:
            pairs = zip(between, [*parts, b""], strict=True)
            parts = [piece for pair in pairs for piece in pair]
        return HttpResponse(206, headers, b"".join(parts))


def _liked(known: KnownFile, asked: _Asked) -> Variant | None:
    coding = best_coding(asked.get(_ACCEPT, ()), known.coded)
    return known.plain if coding == IDENTITY else known.coded.get(coding or "")


def _part_headers(variant: Variant, spans: Sequence[Span]) -> tuple[Headers, list[bytes]]:
    """Headers of a 206, and what stands between its parts when it has several.

    Source: RFC 9110 section 15.3.7.
    """
    size = variant.file.size
    if len(spans) == 1:
        span = (b"Content-Range", spans[0].content_range(size))
        return (*variant.headers, span), []
    boundary = secrets.token_hex(16).encode("ascii")
    kind = dict(variant.headers)[b"Content-Type"]
    several = (b"Content-Type", b"multipart/byteranges; boundary=" + boundary)
    headers = tuple(several if pair[0] == b"Content-Type" else pair for pair in variant.headers)
    return headers, part_heads(spans, kind, size, boundary)
