"""Reads the outer structure of JPEG, PNG, GIF and WEBP files: format, size, frames, and end.

It decodes no pixels. It finds what must be known before a decoder may see the file: whether it is
a picture at all, how large it would become, and whether other data is hidden behind it.
"""

import re
import struct
from dataclasses import dataclass

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_JPEG_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))
_JPEG_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_MAX_SCANS = 64
"""Encoders write some ten scans; each costs a decoder a walk over all pixels of the picture."""


class NotAPicture(ValueError):
    """Bytes that are not one whole picture; the text says why, for the person who sent it."""


@dataclass(frozen=True, slots=True)
class Outline:
    """`format` is "jpeg", "png", "gif" or "webp"; width and height in pixels as stored.

    `end` is the offset behind the picture's last byte.
    """

    format: str
    width: int
    height: int
    frames: int
    end: int


def outline(content: bytes) -> Outline:
    """The structure of the picture in `content`.

    Raises: NotAPicture. Source: ITU T.81 annex B, PNG section 5, GIF89a, RFC 9649 section 2.
    """
    try:
        if content.startswith(b"\xff\xd8\xff"):
            return _jpeg(content)
        if content.startswith(_PNG):
            return _png(content)
        if content.startswith((b"GIF87a", b"GIF89a")):
            return _gif(content)
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            return _webp(content)
    except (struct.error, IndexError) as error:
        raise NotAPicture("the picture is cut off") from error
    raise NotAPicture("not a picture we know: expected JPEG, PNG, GIF or WEBP")


def has_other_data(content: bytes, found: Outline) -> bool:
    """Whether something else than padding lies behind the picture.

    Cameras append further JPEGs (a preview, a gain map) and fill up with zeros; that is no harm.
    """
    rest = content[found.end :].strip(b"\x00")
    while rest.startswith(b"\xff\xd8\xff"):
        try:
            rest = rest[_jpeg(rest).end :].strip(b"\x00")
        except (NotAPicture, struct.error, IndexError):
            return True
    return bool(rest)


def _jpeg(content: bytes) -> Outline:
    width = height = scans = 0
    at = 2
    while True:
        if content[at] != 0xFF:
            raise NotAPicture("the picture is damaged")
        while content[at] == 0xFF:
            at += 1
        marker = content[at]
        at += 1
        if marker == 0xD9:
            break
        if marker in _JPEG_ALONE:
            continue
        (length,) = struct.unpack_from(">H", content, at)
        if marker in _JPEG_FRAME:
            height, width = struct.unpack_from(">HH", content, at + 3)
        at += length
        if marker == 0xDA:
            scans += 1
            if scans > _MAX_SCANS:
                raise NotAPicture(
                    f"the picture has more than {_MAX_SCANS} scans, too costly to read"
                )
            following = _JPEG_MARKER.search(content, at)
            if following is None:
                raise NotAPicture("the picture is cut off")
            at = following.start()
    return _checked(Outline("jpeg", width, height, 1, at))


def _png(content: bytes) -> Outline:
    if content[12:16] != b"IHDR":
        raise NotAPicture("the picture is damaged")
    width, height = struct.unpack_from(">II", content, 16)
    frames = 1
    at = len(_PNG)
    while True:
        length, kind = struct.unpack_from(">I4s", content, at)
        if kind == b"IHDR" and at != len(_PNG):
            raise NotAPicture("the picture is damaged")
        if kind == b"acTL":
            (frames,) = struct.unpack_from(">I", content, at + 8)
        at += length + 12
        if at > len(content):
            raise NotAPicture("the picture is cut off")
        if kind == b"IEND":
            return _checked(Outline("png", width, height, max(1, frames), at))


def _gif(content: bytes) -> Outline:
    width, height, flags = struct.unpack_from("<HHB", content, 6)
    at = 13 + _gif_palette(flags)
    frames = 0
    while True:
        kind = content[at]
        if kind == 0x3B:
            return _checked(Outline("gif", width, height, frames, at + 1))
        if kind == 0x21:
            at = _gif_blocks(content, at + 2)
        elif kind == 0x2C:
            left, top, wide, high, flags = struct.unpack_from("<HHHHB", content, at + 1)
            width, height = max(width, left + wide), max(height, top + high)
            frames += 1
            at = _gif_blocks(content, at + 10 + _gif_palette(flags) + 1)
        else:
            raise NotAPicture("the picture is damaged")


def _gif_palette(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _gif_blocks(content: bytes, at: int) -> int:
    while content[at]:
        at += content[at] + 1
    return at + 1


def _webp(content: bytes) -> Outline:
    (size,) = struct.unpack_from("<I", content, 4)
    end = 8 + size + size % 2
    if 8 + size > len(content):
        raise NotAPicture("the picture is cut off")
    kind = content[12:16]
    if kind == b"VP8X":
        width = int.from_bytes(content[24:27], "little") + 1
        height = int.from_bytes(content[27:30], "little") + 1
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 21)
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", content, 26))
    else:
        raise NotAPicture("the picture is damaged")
    return _checked(Outline("webp", width, height, _webp_frames(content, 8 + size), end))


def _webp_frames(content: bytes, end: int) -> int:
    frames, at = 0, 12
    while at + 8 <= end:
        kind, length = struct.unpack_from("<4sI", content, at)
        frames += kind == b"ANMF"
        at += 8 + length + length % 2
    return max(1, frames)


def _checked(found: Outline) -> Outline:
    if found.width < 1 or found.height < 1 or found.frames < 1:
        raise NotAPicture("the picture is empty")
    return found
