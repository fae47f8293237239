"""The outline of picture files; what follows from it is held by the tests of thumbnails."""

import re
import struct
import zlib
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from workers.picture_files import NotAPicture, Outline, has_other_data, outline
from workers.thumbnails import PictureLimits, PictureRefused, inspect


@pytest.mark.parametrize("kind", ["jpeg", "png", "gif", "webp"])
def test_outline(kind):
    """Format, size and end of a picture are found without decoding it."""
    out = BytesIO()
    Image.new("RGB", (30, 20)).save(out, kind)
    content = out.getvalue()
    found = outline(content + b"<script>")
    assert found == Outline(kind, 30, 20, 1, len(content))
    assert has_other_data(content + b"<script>", found)
    assert not has_other_data(content + b"\0\0", found)


@given(st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF"]), st.binary())
def test_any_bytes(head, rest):
    """The outline of any bytes is found or refused, never an error of another kind."""
    try:
        outline(head + rest)
    except NotAPicture:
        return


def progressive(scans):
    """A progressive JPEG whose last scan is there many times over."""
    out = BytesIO()
    Image.radial_gradient("L").save(out, "jpeg", progressive=True)
    content = out.getvalue()
    last = content.rindex(b"\xff\xda")
    more = scans - len(re.findall(rb"\xff\xda", content))
    return content[:-2] + more * content[last:-2] + content[-2:]


def test_scans_are_bounded():
    """A JPEG with some scans is taken; one that costs a decoder hundreds of walks is not."""
    assert inspect(BytesIO(progressive(64))).format == "jpeg"
    with pytest.raises(PictureRefused, match="more than 64 scans"):
        inspect(BytesIO(progressive(65)))


def png_head(width, height):
    """The IHDR chunk of a PNG in grey."""
    named = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return struct.pack(">I", 13) + named + struct.pack(">I", zlib.crc32(named))


def test_a_second_size_in_a_png():
    """A second head, which the decoder would believe, is refused."""
    out = BytesIO()
    Image.new("L", (30, 20)).save(out, "png")
    content = out.getvalue()
    for place in (33, content.index(b"IEND") - 4):
        twice = content[:place] + png_head(9000, 9000) + content[place:]
        with pytest.raises(PictureRefused, match="damaged"):
            inspect(BytesIO(twice))


def test_a_second_size_in_a_jpeg():
    """The limits hold for the size that the decoder takes, whatever other size is stated."""
    out = BytesIO()
    Image.new("L", (300, 200)).save(out, "jpeg")
    content = out.getvalue()
    at = content.index(b"\xff\xc0")
    (length,) = struct.unpack_from(">H", content, at + 2)
    frame = content[at : at + 2 + length]
    small = frame[:5] + struct.pack(">HH", 1, 1) + frame[9:]
    with pytest.raises(PictureRefused, match="more than one size"):
        inspect(BytesIO(content[:-2] + small + content[-2:]), PictureLimits(pixels=100))


def test_a_gif_that_grows():
    """A GIF whose later frame reaches beyond its screen is still a picture."""
    out = BytesIO()
    frames = [Image.new("L", (9, 9), grey) for grey in (0, 99)]
    frames[0].save(out, "gif", save_all=True, append_images=frames[1:])
    content = bytearray(out.getvalue())
    at = content.rindex(b"\x2c\x00\x00\x00\x00\x09\x00\x09\x00")
    content[at + 1] = 5
    assert outline(bytes(content)).width == 14
    assert inspect(BytesIO(content)).width == 9
