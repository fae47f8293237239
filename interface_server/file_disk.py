"""Finds the files of mounted folders and reads them, piece by piece or as they are wanted.

Follows no link out of a folder and into nothing hidden; says nothing of HTTP.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

PIECE = 128 * 1024
"""Bytes read at a time; a read of this size from the page cache takes some 20 µs."""

LOOSE_PIECE = 16 * 1024
"""The same where many files are sent at a time: a frame of HTTP/2."""

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


@dataclass(frozen=True, slots=True)
class DiskFile:
    """One state of a regular file; `path` holds no link."""

    path: str
    modified_ns: int
    size: int
    inode: int


def found(folder: str, segments: Sequence[str]) -> DiskFile | None:
    """The regular file of that name, wherever in the folder its links lead; None for none.

    `folder` is a real path. Raises: OSError.
    """
    root = folder.rstrip("/") + "/"
    real = os.path.realpath(root + "/".join(segments), strict=True)
    if not real.startswith(root) or "/." in real[len(root) - 1 :]:
        return None
    facts = os.stat(real, follow_symlinks=False)
    if not stat.S_ISREG(facts.st_mode):
        return None
    return DiskFile(real, facts.st_mtime_ns, facts.st_size, facts.st_ino)


def found_beside(folder: str, segments: Sequence[str], ending: str) -> DiskFile | None:
    """The readable file of the same name with that ending; None for none."""
    try:
        beside = found(folder, (*segments[:-1], segments[-1] + ending))
    except OSError:
        return None
    return beside if beside is not None and os.access(beside.path, os.R_OK) else None


def check_readable(file: DiskFile) -> None:
    """Raises: PermissionError."""
    if not os.access(file.path, os.R_OK):
        raise PermissionError(f"{file.path!r} may not be read")


def pieces(
    file: DiskFile, spans: Sequence[tuple[int, int]], between: Sequence[bytes] = ()
) -> Iterator[bytes]:
    """The bytes of the (start, length) pairs, read as they are asked for.

    `between`, when given, is put before each of them, its last behind all.
    Raises: OSError, also when the file changed.
    """
    opened = _open(file)
    try:
        for at, (start, length) in enumerate(spans):
            if between:
                yield between[at]
            while length:
                piece = _read(opened, file, start, min(PIECE, length))
                start += len(piece)
                length -= len(piece)
                yield piece
        if between:
            yield between[-1]
    finally:
        os.close(opened)


def loose_pieces(
    file: DiskFile, spans: Sequence[tuple[int, int]], between: Sequence[bytes] = ()
) -> Iterator[bytes]:
    """The same in small pieces, the file open only while one is read.

    For connections that send many files at a time: a reader who takes nothing of a hundred would
    else keep a hundred of the process's open files, and 12 MiB. Raises: OSError.
    """
    for at, (start, length) in enumerate(spans):
        if between:
            yield between[at]
        while length:
            opened = _open(file)
            try:
                piece = _read(opened, file, start, min(LOOSE_PIECE, length))
            finally:
                os.close(opened)
            start += len(piece)
            length -= len(piece)
            yield piece
    if between:
        yield between[-1]


def _open(file: DiskFile) -> int:
    opened = os.open(file.path, _FLAGS)
    facts = os.fstat(opened)
    if DiskFile(file.path, facts.st_mtime_ns, facts.st_size, facts.st_ino) != file:
        os.close(opened)
        raise OSError(f"{file.path!r} changed while it was sent")
    return opened


def _read(opened: int, file: DiskFile, start: int, size: int) -> bytes:
    piece = os.pread(opened, size, start)
    if not piece:
        raise OSError(f"{file.path!r} became shorter while it was sent")
    return piece
