"""Checks pictures that strangers sent and makes clean copies and thumbnails of them.

Only the pixels of a picture survive: every file that it writes is encoded anew, without metadata.
Where files lie and what they are called is the application's business.
"""

import os
import struct
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageCms

from shared.errors import ChannelsBoardError
from workers.picture_files import NotAPicture, Outline, has_other_data, outline

_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright again, by its orientation. Source: Exif 2.32 section 4.6.4."""

_PILLOW = {"jpeg": "JPEG", "png": "PNG", "gif": "GIF", "webp": "WEBP"}
_EXTENSIONS = {"jpeg": "jpg", "png": "png", "gif": "gif", "webp": "webp"}
_SAVING: dict[str, dict[str, int | bool]] = {
    "jpeg": {"quality": 90, "progressive": True, "optimize": True},
    "png": {"optimize": False},
    "gif": {"optimize": False},
    "webp": {"quality": 90, "method": 4},
}
_DECODER_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What Pillow's decoders raise for damaged files; SyntaxError is its word for "not this format"."""


class PictureRefused(ChannelsBoardError):
    """A file that is not taken; `reason` is for the person who sent it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """Bounds of one picture.

    40 megapixels are 160 MB when decoded, as much as one process may spend on a stranger;
    500 frames are some 20 s of animation.
    """

    size_bytes: int = 8 * 1024 * 1024
    pixels: int = 40_000_000
    frames: int = 500


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """A checked picture. `width` and `height` are those of the upright picture, in pixels.

    `format` is "jpeg", "png", "gif" or "webp".
    """

    format: str
    width: int
    height: int
    frames: int
    has_alpha: bool
    size_bytes: int

    @property
    def extension(self) -> str:
        """The file name's ending of the clean copy, without the dot."""
        return _EXTENSIONS[self.format]

    @property
    def thumbnail_extension(self) -> str:
        """The file name's ending of a thumbnail: png where it must show what is behind it."""
        return "png" if self.has_alpha else "jpg"


def inspect(file: BinaryIO, limits: PictureLimits | None = None) -> PictureFacts:
    """What the picture in `file` is, after all checks; the file stands at its start again.

    Nothing is decoded before its size is known to be within the limits.

    Raises: PictureRefused when it is no picture of ours, too large, cut off or damaged, or when
    other data is hidden behind it.
    """
    limits = limits or PictureLimits()
    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size_bytes > limits.size_bytes:
        raise PictureRefused(f"the picture is larger than {limits.size_bytes / 2**20:.3g} MB")
    content = file.read()
    file.seek(0)
    found = _outline(content, limits)
    try:
        with Image.open(BytesIO(content), formats=[_PILLOW[found.format]]) as image:
            stored = image.size
            _check_size(stored, found)
            swapped = _orientation(image) >= 5
            # A JPEG decodes at an eighth of its size: all its data is read, little is kept.
            image.draft("RGB", (max(1, stored[0] // 8), max(1, stored[1] // 8)))
            image.load()
            has_alpha = _has_alpha(image)
    except _DECODER_ERRORS as error:
        raise PictureRefused("the picture is damaged or cut off") from error
    width, height = reversed(stored) if swapped else stored
    return PictureFacts(found.format, width, height, found.frames, has_alpha, size_bytes)


def reencode(source: Path, target: Path, limits: PictureLimits | None = None) -> PictureFacts:
    """Write a clean copy of `source` to `target`: upright, in sRGB, one frame, no metadata.

    The copy has the format of the source and appears whole or not at all.

    Raises: PictureRefused, OSError when the target cannot be written.
    """
    with source.open("rb") as file:
        facts = inspect(file, limits)
        try:
            with Image.open(file, formats=[_PILLOW[facts.format]]) as image:
                clean = _bare(_upright(_in_srgb(image), _orientation(image)))
        except _DECODER_ERRORS as error:
            raise PictureRefused("the picture is damaged or cut off") from error
    if facts.format == "jpeg" and clean.mode not in ("L", "RGB"):
        clean = clean.convert("RGB")
    saving = _SAVING[facts.format]
    _write(target, lambda out: clean.save(out, _PILLOW[facts.format], **saving))
    return facts


def thumbnail_size(width: int, height: int, box: tuple[int, int]) -> tuple[int, int]:
    """The size of a picture's thumbnail: within the box, never larger than the picture."""
    scale = min(1.0, box[0] / width, box[1] / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def thumbnail(source: Path, target: Path, box: tuple[int, int]) -> tuple[int, int]:
    """Write an upright thumbnail of `source`; returns its width and height.

    `target` ends in `.jpg` (what shows through becomes white) or `.png` (it stays).

    Raises: PictureRefused, ValueError for another ending, OSError when it cannot be written.
    """
    if target.suffix not in (".jpg", ".png"):
        raise ValueError(f"expected a target that ends in .jpg or .png, got {target.name!r}")
    with source.open("rb") as file:
        found = _outline(file.read(), PictureLimits())
        try:
            small = _small(file, _PILLOW[found.format], box)
        except _DECODER_ERRORS as error:
            raise PictureRefused("the picture is damaged or cut off") from error
    if target.suffix == ".png":
        _write(target, lambda out: small.save(out, "PNG", optimize=True))
    else:
        flat = _on_white(small)
        _write(target, lambda out: flat.save(out, "JPEG", quality=85, optimize=True))
    return small.size


def _outline(content: bytes, limits: PictureLimits) -> Outline:
    try:
        found = outline(content)
    except NotAPicture as error:
        raise PictureRefused(str(error)) from error
    if found.width * found.height > limits.pixels:
        size, most = f"{found.width} × {found.height} pixels", limits.pixels / 1_000_000
        raise PictureRefused(f"the picture has {size}, more than {most:g} million")
    if found.frames > limits.frames:
        raise PictureRefused(f"the animation has more than {limits.frames} frames")
    if has_other_data(content, found):
        raise PictureRefused("the file holds other data behind the picture")
    return found


def _check_size(opened: tuple[int, int], found: Outline) -> None:
    """What the decoder is about to make must be what the limits were applied to."""
    is_within = opened[0] <= found.width and opened[1] <= found.height
    # Later frames of a GIF may reach beyond the screen that it opens with.
    if opened != (found.width, found.height) and not (found.format == "gif" and is_within):
        raise PictureRefused("the picture is damaged: it states more than one size")


def _small(file: BinaryIO, kind: str, box: tuple[int, int]) -> Image.Image:
    file.seek(0)
    with Image.open(file, formats=[kind]) as image:
        turn = _orientation(image) >= 5
        upright = (image.height, image.width) if turn else image.size
        width, height = thumbnail_size(*upright, box)
        stored = (height, width) if turn else (width, height)
        # Twice the size leaves the final filter enough to be sharp.
        image.draft("RGB", (2 * stored[0], 2 * stored[1]))
        full = _in_srgb(image)
        mode = "RGBA" if _has_alpha(full) else "RGB"
        small = full.convert(mode).resize(stored, Image.Resampling.LANCZOS, reducing_gap=2.0)
        return _bare(_upright(small, _orientation(image)))


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except _DECODER_ERRORS:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    turn = _UPRIGHT.get(orientation)
    return image if turn is None else image.transpose(turn)


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


def _in_srgb(image: Image.Image) -> Image.Image:
    """The picture in sRGB; a profile that cannot be used is left out of account."""
    image.load()
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK"):
        return image
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, source, srgb, outputMode=mode) or image
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image


def _bare(image: Image.Image) -> Image.Image:
    """The picture without anything that an encoder would carry over."""
    bare = image.copy()
    kept = image.info.get("transparency")
    bare.info = {} if kept is None else {"transparency": kept}
    return bare


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A"))
    return white


def _write(target: Path, save: Callable[[BinaryIO], None]) -> None:
    """Write the target whole or not at all; readable for the process that serves it."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as out:
            os.fchmod(out.fileno(), 0o644)
            save(out)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
