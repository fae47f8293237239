"""Finished pages in a process's memory: cut where each reader's own words go, bounded in bytes.

Never asks the database: whoever takes a page out brings the stamp that the database has now, and
gets nothing where the page was made at another one. Pure but for its lock.
"""

import re
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, replace
from hashlib import blake2b
from threading import Lock

from board.gzipping import deflated, gzipped, stored
from board.records import Stamp

_OVERHEAD_BYTES = 1000
"""What a kept page takes beside its text; measured, so that small pages are bounded as well."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Words that stand for a reader's own until a page is filled; nobody may know them before."""

    token: str
    form_key: str


@dataclass(frozen=True, slots=True)
class CutPage:
    """A page in pieces, UTF-8; `tokens` and `form_keys` are where in them a reader's own go.

    `tag` is a digest of everything else, so equal tags are equal pages. `blocks` are the pieces
    compressed, empty for a page that only one reader gets.
    """

    pieces: tuple[bytes, ...]
    tokens: tuple[int, ...]
    form_keys: tuple[int, ...]
    tag: str
    blocks: tuple[bytes, ...] = ()

    def filled(self, token: str, form_key: str) -> bytes:
        """The page for one reader."""
        return b"".join(self._with(self.pieces, token.encode(), form_key.encode()))

    def compressed(self) -> "CutPage":
        """The same page with its `blocks`."""
        return replace(self, blocks=tuple(map(deflated, self.pieces)))

    def gzipped(self, token: str, form_key: str) -> bytes:
        """The page for one reader as gzip, out of its `blocks`."""
        own, key = token.encode(), form_key.encode()
        plain = self._with(self.pieces, own, key)
        return gzipped(plain, self._with(self.blocks, stored(own), stored(key)))

    @property
    def size_bytes(self) -> int:
        """What keeping it takes, roughly."""
        return sum(map(len, self.pieces)) + sum(map(len, self.blocks)) + _OVERHEAD_BYTES

    def _with(self, pieces: tuple[bytes, ...], token: bytes, form_key: bytes) -> list[bytes]:
        filled = list(pieces)
        for places, own in ((self.tokens, token), (self.form_keys, form_key)):
            for place in places:
                filled[place] = own
        return filled


def cut(text: str, marks: Marks) -> CutPage:
    """A rendered page in pieces, cut at its marks."""
    parts = re.split(f"({re.escape(marks.token)}|{re.escape(marks.form_key)})", text)
    digest = blake2b(digest_size=12)
    pieces: list[bytes] = []
    places: dict[str, list[int]] = {marks.token: [], marks.form_key: []}
    for place, part in enumerate(parts):
        if place % 2:
            places[part].append(place)
            pieces.append(b"")
            digest.update(b"token " if part == marks.token else b"key ")
        else:
            pieces.append(part.encode())
            # The length stands before each piece, so that no two ways to cut look alike.
            digest.update(b"%d:%b" % (len(pieces[-1]), pieces[-1]))
    tokens, form_keys = tuple(places[marks.token]), tuple(places[marks.form_key])
    return CutPage(tuple(pieces), tokens, form_keys, digest.hexdigest())


class KeptPages:
    """At most `limit_bytes` of pages; the one that was not asked for the longest goes first."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._pages: OrderedDict[Hashable, tuple[Stamp, CutPage]] = OrderedDict()
        self._size_bytes = 0
        self._lock = Lock()

    @property
    def size_bytes(self) -> int:
        """What the kept pages take."""
        return self._size_bytes

    def find(self, name: Hashable, stamp: Stamp | None) -> CutPage | None:
        """The page of that name, where it was made at that very stamp."""
        with self._lock:
            kept = self._pages.get(name)
            if kept is None or kept[0] != stamp:
                return None
            self._pages.move_to_end(name)
            return kept[1]

    def keep(self, name: Hashable, stamp: Stamp, page: CutPage) -> None:
        """Keep a page in the place of an older one; one larger than the bound is not kept."""
        with self._lock:
            self._drop(name)
            if page.size_bytes > self._limit_bytes:
                return
            self._pages[name] = (stamp, page)
            self._size_bytes += page.size_bytes
            while self._size_bytes > self._limit_bytes:
                self._drop(next(iter(self._pages)))

    def _drop(self, name: Hashable) -> None:
        kept = self._pages.pop(name, None)
        if kept is not None:
            self._size_bytes -= kept[1].size_bytes
