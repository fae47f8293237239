"""Pictures: what is refused, and that only pixels survive."""

import struct
import zlib
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from workers.thumbnails import (
    PictureLimits,
    PictureRefused,
    inspect,
    reencode,
    thumbnail,
    thumbnail_size,
)

FORMATS = {"jpeg": "JPEG", "png": "PNG", "gif": "GIF", "webp": "WEBP"}


def halves(size=(60, 40), mode="RGB"):
    """A picture that is red at the left and blue at the right."""
    image = Image.new(mode, size, "blue")
    image.paste("red", (0, 0, size[0] // 2, size[1]))
    return image


def saved(image, kind, **options):
    """The bytes of a picture."""
    out = BytesIO()
    image.save(out, FORMATS[kind], **options)
    return out.getvalue()


def with_exif(orientation):
    """A JPEG whose Exif data holds an orientation and a place on earth."""
    image = halves()
    exif = image.getexif()
    exif[0x0112] = orientation
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    return saved(image, "jpeg", exif=exif, comment=b"a secret")


@pytest.mark.parametrize("kind", FORMATS)
def test_known_formats(kind):
    """Each of the four formats is recognised by its content."""
    content = saved(halves(), kind)
    facts = inspect(BytesIO(content))
    assert (facts.format, facts.width, facts.height, facts.frames) == (kind, 60, 40, 1)
    assert facts.size_bytes == len(content)
    assert not facts.has_alpha
    assert facts.extension == {"jpeg": "jpg"}.get(kind, kind)
    assert facts.thumbnail_extension == "jpg"


def test_position():
    """The file stands at its start again."""
    file = BytesIO(saved(halves(), "png"))
    file.read(7)
    inspect(file)
    assert file.tell() == 0


def test_transparency():
    """A picture that one can see through gets a thumbnail that one can see through."""
    for image in (Image.new("RGBA", (9, 9)), Image.new("LA", (9, 9))):
        assert inspect(BytesIO(saved(image, "png"))).thumbnail_extension == "png"
    gif = saved(Image.new("P", (9, 9)), "gif", transparency=0)
    assert inspect(BytesIO(gif)).has_alpha


def png_chunk(kind, content):
    """One chunk of a PNG."""
    summed = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + summed


def huge_png(side):
    """A PNG that says it has side × side pixels."""
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    body = png_chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + head + body + png_chunk(b"IEND", b"")


REFUSED = {
    "nothing": (b"", "not a picture we know"),
    "text": (b"hello", "not a picture we know"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"></svg>', "not a picture we know"),
    "html": (b"<!doctype html><script>alert(1)</script>", "not a picture we know"),
    "bmp": (b"BM" + b"\0" * 100, "not a picture we know"),
    "only a head": (b"\xff\xd8\xff\xe0", "cut off"),
    "50000 x 50000": (huge_png(50_000), "50000 × 50000 pixels, more than 40 million"),
    "empty": (huge_png(0), "empty"),
    "pixels missing": (huge_png(100), "damaged or cut off"),
    "jpeg and html": (saved(halves(), "jpeg") + b"<script>", "other data"),
    "gif and zip": (saved(halves(), "gif") + b"PK\3\4....", "other data"),
    "png and jar": (saved(halves(), "png") + b"PK\3\4....", "other data"),
    "webp and html": (saved(halves(), "webp") + b"<b>", "other data"),
    "jpeg and half a jpeg": (2 * saved(halves(), "jpeg") + b"\xff\xd8\xff", "other data"),
    "gif that is javascript": (b"GIF89a/*" + b"*/=1;alert(1)", "damaged"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    """What is no whole picture, or more than a picture, is refused with a reason."""
    content, reason = REFUSED[name]
    with pytest.raises(PictureRefused, match=reason):
        inspect(BytesIO(content))


@pytest.mark.parametrize("kind", FORMATS)
def test_truncated(kind):
    """A picture that lacks its end is refused, wherever it is cut."""
    content = saved(halves((300, 200)), kind)
    for length in range(12, len(content) - 1, max(1, len(content) // 40)):
        with pytest.raises(PictureRefused):
            inspect(BytesIO(content[:length]))


def test_padding():
    """Zeros and further JPEGs behind a JPEG are what cameras write, and no harm."""
    content = saved(halves(), "jpeg")
    assert inspect(BytesIO(content + b"\0" * 9 + content + b"\0")).format == "jpeg"


def test_limits():
    """Size in bytes, pixels and frames are bounded."""
    content = saved(halves(), "png")
    with pytest.raises(PictureRefused, match="larger than"):
        inspect(BytesIO(content), PictureLimits(size_bytes=len(content) - 1))
    with pytest.raises(PictureRefused, match="60 × 40 pixels"):
        inspect(BytesIO(content), PictureLimits(pixels=60 * 40 - 1))
    frames = [Image.new("L", (9, 9), 50 * grey) for grey in range(5)]
    for kind in ("gif", "webp", "png"):
        moving = saved(frames[0], kind, save_all=True, append_images=frames[1:])
        assert inspect(BytesIO(moving)).frames == 5
        with pytest.raises(PictureRefused, match="more than 4 frames"):
            inspect(BytesIO(moving), PictureLimits(frames=4))


def colour(image, x, y):
    """Which of red and blue a place of a picture is."""
    red, _, blue = image.convert("RGB").getpixel((x, y))
    return "red" if red > blue else "blue"


# Where the stored left half (red) is to be seen, for each orientation.
UPRIGHT = {
    1: "left",
    2: "right",
    3: "right",
    4: "left",
    5: "top",
    6: "top",
    7: "bottom",
    8: "bottom",
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_clean_copy(tmp_path, orientation):
    """The copy and the thumbnail are upright and hold no metadata."""
    source, target, small = (tmp_path / name for name in ("in", "out.jpg", "small.jpg"))
    source.write_bytes(with_exif(orientation))
    facts = reencode(source, target)
    size = thumbnail(source, small, (30, 30))
    expected = (60, 40) if orientation < 5 else (40, 60)
    assert (facts.width, facts.height) == expected
    assert size == thumbnail_size(*expected, (30, 30))
    for path in (target, small):
        content = path.read_bytes()
        assert not any(secret in content for secret in (b"Exif", b"secret", b"GPS"))
        with Image.open(path) as image:
            width, height = image.size
            near, far = 3, -4
            corner = {
                "left": (near, height // 2),
                "right": (width + far, height // 2),
                "top": (width // 2, near),
                "bottom": (width // 2, height + far),
            }[UPRIGHT[orientation]]
            assert colour(image, *corner) == "red"
            assert colour(image, width - 1 - corner[0], height - 1 - corner[1]) == "blue"
        if path is target:
            assert image.size == expected
        assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("kind", FORMATS)
def test_metadata_is_gone(tmp_path, kind):
    """No text, profile or comment of a source is in its copy; the format stays."""
    source, target = tmp_path / "in", tmp_path / "out"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "a secret")
    text.add_itxt("XML:com.adobe.xmp", "a secret")
    options = {
        "jpeg": {"icc_profile": profile, "comment": b"a secret", "xmp": b"a secret"},
        "png": {"icc_profile": profile, "pnginfo": text},
        "gif": {"comment": b"a secret"},
        "webp": {"icc_profile": profile, "xmp": b"a secret"},
    }[kind]
    source.write_bytes(saved(halves(), kind, **options))
    assert b"a secret" in source.read_bytes() or kind == "png"
    assert reencode(source, target).format == kind
    content = target.read_bytes()
    assert b"a secret" not in content
    with Image.open(target) as image:
        assert not {"icc_profile", "comment", "xmp", "Comment", "exif"} & set(image.info)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16", "P", "RGB", "RGBA"])
def test_png_modes(tmp_path, mode):
    """A PNG of any kind gets a copy and thumbnails."""
    source = tmp_path / "in"
    source.write_bytes(saved(Image.new(mode, (50, 20)), "png"))
    assert reencode(source, tmp_path / "out").width == 50
    assert thumbnail(source, tmp_path / "small.png", (25, 25)) == (25, 10)
    assert thumbnail(source, tmp_path / "small.jpg", (25, 25)) == (25, 10)


def test_cmyk(tmp_path):
    """A JPEG for printers becomes one for screens."""
    source = tmp_path / "in"
    source.write_bytes(saved(Image.new("CMYK", (9, 9)), "jpeg"))
    reencode(source, tmp_path / "out")
    with Image.open(tmp_path / "out") as image:
        assert image.mode == "RGB"


def test_profile(tmp_path):
    """The colours of a profile become those of sRGB; a broken profile is left out."""
    swapped = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for profile in (swapped, b"nonsense"):
        (tmp_path / "in").write_bytes(saved(halves(), "jpeg", icc_profile=profile))
        reencode(tmp_path / "in", tmp_path / "out")
        with Image.open(tmp_path / "out") as image:
            assert colour(image, 3, 20) == "red"


def test_animation(tmp_path):
    """The copy of an animation is its first frame."""
    frames = [Image.new("RGB", (9, 9), name) for name in ("red", "blue")]
    (tmp_path / "in").write_bytes(
        saved(frames[0], "gif", save_all=True, append_images=frames[1:], duration=50)
    )
    reencode(tmp_path / "in", tmp_path / "out")
    with Image.open(tmp_path / "out") as image:
        assert (image.n_frames, colour(image, 4, 4)) == (1, "red")


def test_transparent_thumbnail(tmp_path):
    """What shows through stays so in PNG and is white in JPEG."""
    (tmp_path / "in").write_bytes(saved(Image.new("RGBA", (50, 50)), "png"))
    thumbnail(tmp_path / "in", tmp_path / "small.png", (20, 20))
    thumbnail(tmp_path / "in", tmp_path / "small.jpg", (20, 20))
    with Image.open(tmp_path / "small.png") as image:
        assert image.getpixel((5, 5))[3] == 0
    with Image.open(tmp_path / "small.jpg") as image:
        assert image.getpixel((5, 5)) == (255, 255, 255)
    with pytest.raises(ValueError, match=r"\.jpg or \.png"):
        thumbnail(tmp_path / "in", tmp_path / "small.gif", (20, 20))


def test_nothing_half(tmp_path):
    """A copy that cannot be made leaves nothing behind."""
    (tmp_path / "in").write_bytes(huge_png(100))
    with pytest.raises(PictureRefused):
        reencode(tmp_path / "in", tmp_path / "out.png")
    with pytest.raises(PictureRefused):
        thumbnail(tmp_path / "in", tmp_path / "out.png", (9, 9))
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_thumbnail_size(width, height):
    """A thumbnail fits its box, is never larger than the picture and keeps its shape."""
    small = thumbnail_size(width, height, (250, 200))
    assert 1 <= small[0] <= min(250, width)
    assert 1 <= small[1] <= min(200, height)
    assert small == (width, height) or 250 in small or 200 in small


SAMPLES = [saved(halves((20, 10)), kind) for kind in FORMATS]


@given(st.sampled_from(SAMPLES), st.data())
def test_any_damage(content, data):
    """Whatever is wrong with a file, it is either taken or refused."""
    at = data.draw(st.integers(0, len(content) - 1))
    damaged = content[:at] + data.draw(st.binary(max_size=9)) + content[at + 4 :]
    try:
        inspect(BytesIO(damaged), PictureLimits(pixels=100_000))
    except PictureRefused:
        return
