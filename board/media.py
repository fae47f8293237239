"""Where pictures lie: an incoming folder that nobody serves, and the public one that is served.

Looks into no picture; checking and encoding is `pictures.py`. Every name here is made by us.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_BLOCK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Incoming:
    """A file as it came in. `tim` (microseconds) is its unique name, `sha256` in hexadecimal."""

    tim: int
    sha256: str


class MediaFolder:
    """The folder `root` with `incoming`, `public/src` and `public/thumb`.

    `url` leads to `public`. `clock_us` gives microseconds since 1970, of which names are made.
    """

    def __init__(self, root: Path, url: str, clock_us: Callable[[], int]) -> None:
        self._root = root
        self._url = url
        self._clock_us = clock_us
        for name in ("incoming", "public/src", "public/thumb"):
            (root / name).mkdir(parents=True, exist_ok=True)

    def receive(self, file: BinaryIO) -> Incoming:
        """Copy an upload from its start into the incoming folder, under a new name."""
        tim = self._clock_us()
        digest = hashlib.sha256()
        file.seek(0)
        while True:
            try:
                target = self.incoming_path(tim).open("xb")
            except FileExistsError:
                tim += 1
                continue
            break
        try:
            with target:
                while block := file.read(_BLOCK_BYTES):
                    digest.update(block)
                    target.write(block)
        except BaseException:
            self.discard(tim)
            raise
        return Incoming(tim, digest.hexdigest())

    def discard(self, tim: int) -> None:
        """Remove a file from the incoming folder; no error if it is gone."""
        self.incoming_path(tim).unlink(missing_ok=True)

    def incoming(self, before_tim: int) -> list[int]:
        """The names of the files older than `before_tim` that wait in the incoming folder."""
        names = (path.name for path in (self._root / "incoming").iterdir())
        tims = (int(name) for name in names if name.isascii() and name.isdigit())
        return sorted(tim for tim in tims if tim < before_tim)

    def incoming_path(self, tim: int) -> Path:
        """Where an upload waits for the picture job."""
        return self._root / "incoming" / str(tim)

    def source_path(self, tim: int, extension: str) -> Path:
        """Where the clean picture lies; `extension` has its dot."""
        return self._root / "public" / "src" / f"{tim}{extension}"

    def thumb_path(self, tim: int, extension: str) -> Path:
        """Where the thumbnail lies; `extension` has its dot."""
        return self._root / "public" / "thumb" / f"{tim}{extension}"

    def source_url(self, tim: int, extension: str) -> str:
        """The url of the clean picture."""
        return f"{self._url}/src/{tim}{extension}"

    def thumb_url(self, tim: int, extension: str) -> str:
        """The url of the thumbnail."""
        return f"{self._url}/thumb/{tim}{extension}"
