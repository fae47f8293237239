"""What is known of the files that were asked for: their state for a moment, small ones whole.

Asks the disk through `file_disk`; answers no request (`static_files.py`).
"""

import os
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from interface_server import file_disk, file_rules
from interface_server.file_disk import DiskFile
from interface_server.http_responses import ReadyResponse
from interface_server.settings import Mount
from shared.messages import Headers, HttpResponse

SMALL_FILE = 64 * 1024
"""Files up to here are kept in memory; ours."""

CACHE_BYTES = 16 * 1024 * 1024
"""Bytes of small files that are kept, the least used ones leave; ours."""

KNOWN_BYTES = 2048
"""What a known file counts for in the same memory besides its content; ours."""

TRUSTED_S = 0.1
"""How long the disk is not asked again about a small file: so late is a change seen. Asking
takes longer than all the rest of an answer; ours."""


@dataclass(frozen=True, slots=True)
class MountedFolder:
    """A mount whose folder is a real path; `is_media` when its files come from users."""

    prefix: str
    folder: str
    is_media: bool

    @classmethod
    def of(cls, mount: Mount, is_media: bool) -> "MountedFolder":
        """The mount, whatever links lead to its folder."""
        return cls(mount.prefix, os.path.realpath(mount.folder), is_media)


class Variant:
    """A file in one coding (`""`: as it is); `ready` is its whole answer once that was made.

    `unchanged` is the answer to a client that has it.
    """

    __slots__ = ("coding", "file", "headers", "modified_s", "ready", "tag", "unchanged")

    def __init__(self, file: DiskFile, coding: str, tag: bytes, headers: Headers) -> None:
        self.file = file
        self.coding = coding
        self.tag = tag
        self.headers = headers
        self.modified_s = file.modified_ns // 1_000_000_000
        self.ready: ReadyResponse | None = None
        self.unchanged = ReadyResponse(HttpResponse(304, file_rules.headers_of_304(headers)))

    @property
    def is_small(self) -> bool:
        """Whether its content is kept in memory."""
        return self.file.size <= SMALL_FILE


class KnownFile:
    """The file itself in `plain`, and what lies beside it by coding."""

    __slots__ = ("coded", "kept_bytes", "plain", "trusted_until")

    def __init__(self, plain: Variant, coded: Sequence[Variant]) -> None:
        self.plain = plain
        self.coded = {variant.coding: variant for variant in coded}
        self.kept_bytes = KNOWN_BYTES
        self.trusted_until = float("-inf")


class KnownFiles:
    """Known files by the path that was asked for; `cached_bytes` is what they take, bounded."""

    def __init__(self, immutable: re.Pattern[str], seconds: Callable[[], float]) -> None:
        self._immutable = immutable
        self._seconds = seconds
        self._files: OrderedDict[str, KnownFile] = OrderedDict()
        self.cached_bytes = 0

    def trusted(self, path: str) -> KnownFile | None:
        """What the disk said a moment ago; None when it is to be asked."""
        known = self._files.get(path)
        if known is None or known.trusted_until < self._seconds():
            return None
        return known

    def look(self, mount: MountedFolder, path: str) -> KnownFile | None:
        """What the disk says now; None when there is no such file. Raises: OSError."""
        segments = file_rules.safe_segments(path[len(mount.prefix) + 1 :])
        plain = None if segments is None else file_disk.found(mount.folder, segments)
        if segments is None or plain is None:
            return None
        coded = {} if mount.is_media else _coded(mount.folder, segments)
        known = self._files.get(path)
        if known is None or not _is_same(known, plain, coded):
            self.forget(path)
            known = self._made(mount, segments[-1], plain, coded)
            self._files[path] = known
            self._take(known, KNOWN_BYTES)
        if known.plain.is_small:  # a large one takes long enough to send
            known.trusted_until = self._seconds() + TRUSTED_S
        self._files.move_to_end(path)
        return known

    def forget(self, path: str) -> None:
        """Ask the disk at the next request."""
        known = self._files.pop(path, None)
        if known is not None:
            self.cached_bytes -= known.kept_bytes

    def whole(self, known: KnownFile, variant: Variant) -> ReadyResponse:
        """The answer of a small variant that is sent whole. Raises: OSError."""
        if variant.ready is None:
            content = b"".join(file_disk.pieces(variant.file, ((0, variant.file.size),)))
            variant.ready = ReadyResponse(HttpResponse(200, variant.headers, content))
            known.kept_bytes += len(content)
            self._take(known, len(content))
        return variant.ready

    def _made(
        self, mount: MountedFolder, name: str, plain: DiskFile, coded: dict[str, DiskFile]
    ) -> KnownFile:
        is_immutable = bool(self._immutable.search(name))

        def variant(file: DiskFile, coding: str = "") -> Variant:
            tag = file_rules.entity_tag(file.modified_ns, file.size, coding)
            modified_s = file.modified_ns // 1_000_000_000
            if mount.is_media:
                headers = file_rules.media_headers(name, tag, modified_s)
            else:
                headers = file_rules.file_headers(
                    name, tag, modified_s, coding, bool(coded), is_immutable
                )
            return Variant(file, coding, tag, headers)

        return KnownFile(variant(plain), [variant(file, coding) for coding, file in coded.items()])

    def _take(self, known: KnownFile, size: int) -> None:
        """Count bytes of a file that is in use, and let the least used ones go."""
        self.cached_bytes += size
        while self.cached_bytes > CACHE_BYTES and next(iter(self._files.values())) is not known:
            _, dropped = self._files.popitem(last=False)
            self.cached_bytes -= dropped.kept_bytes


def _coded(folder: str, segments: Sequence[str]) -> dict[str, DiskFile]:
    found = (
        (coding, file_disk.found_beside(folder, segments, ending))
        for coding, ending in file_rules.NEIGHBOURS
    )
    return {coding: file for coding, file in found if file is not None}


def _is_same(known: KnownFile, plain: DiskFile, coded: dict[str, DiskFile]) -> bool:
    return known.plain.file == plain and coded == {
        coding: variant.file for coding, variant in known.coded.items()
    }
