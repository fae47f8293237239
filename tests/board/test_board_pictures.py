"""Pictures from upload to the served files."""

import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from unittest.mock import patch

import pytest
from PIL import Image

from board.model import Draft
from board.records import PictureRecord
from board.settings import BoardSettings
from board.site import Site
from board.store import Store
from tests.board.browsing import Browser, Page
from workers.consumers import JobAttempt
from workers.forms import UploadedFile
from workers.outbox import Outbox

FIRST, LAST = JobAttempt(1, 4, 1), JobAttempt(4, 4, 1)


@pytest.fixture
def browser(site: Site) -> Browser:
    return Browser(site)


def posted(browser: Browser, content: bytes, name: str = "a.jpg") -> int:
    """Post a thread with a picture; gives the picture's name."""
    done = browser.write("/b/post", title="T", body="", picture=(name, content))
    assert done.status == 303, done.text
    tim = done.jobs[0][1]["tim"]
    assert isinstance(tim, int)
    return tim


def made(site: Site, tim: int, attempt: JobAttempt = FIRST) -> Page:
    """Run the picture job."""
    outbox = Outbox()
    site.pictures.make({"tim": tim}, outbox, attempt)
    return Page(site.pages.error(None, 200, "", ""), outbox)


def record(site: Site, tim: int) -> PictureRecord:
    found = site.reader.picture(tim)
    assert found is not None
    return found[1]


def files(settings: BoardSettings) -> dict[str, list[Path]]:
    return {
        name: sorted((settings.media_dir / name).iterdir())
        for name in ("incoming", "public/src", "public/thumb")
    }


def camera_picture(size: tuple[int, int] = (1000, 500)) -> bytes:
    """A JPEG lying on its side, with a place in its metadata."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    exif[0x010F] = "A Camera"
    file = BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(
        file, "JPEG", exif=exif, comment=b"a secret comment"
    )
    return file.getvalue()


def test_a_camera_picture_is_served_upright_and_bare(
    site: Site, browser: Browser, settings: BoardSettings
) -> None:
    """Orientation is applied; place, camera and comment are gone; the box was right at once."""
    tim = posted(browser, camera_picture(), "IMG 1.jpg")
    before = record(site, tim)
    assert (before.width, before.height) == (500, 1000)
    assert (before.thumb_width, before.thumb_height) == (125, 250)
    page = made(site, tim)
    (source,), (thumb,) = files(settings)["public/src"], files(settings)["public/thumb"]
    for path, size in ((source, (500, 1000)), (thumb, (125, 250))):
        with Image.open(path) as image:
            assert image.size == size
            assert not image.getexif()
            assert not {"comment", "exif", "icc_profile", "xmp"} & set(image.info)
        assert b"Camera" not in path.read_bytes()
    assert files(settings)["incoming"] == []
    after = record(site, tim)
    assert (after.state, after.size_bytes) == ("ready", source.stat().st_size)
    assert (after.width, after.height, after.thumb_width) == (500, 1000, 125)
    (group, frame), (index, _) = page.pushes
    assert index == "board.index.b"
    assert (group, frame["t"], frame["seq"]) == ("board.thread.1", "file", 2)
    assert f'src="/media/thumb/{tim}.jpg"' in frame["html"]
    api = browser.get("/b/thread/1.json").json["posts"][0]
    assert (api["tim"], api["ext"], api["filename"]) == (tim, ".jpg", "IMG 1")
    assert (api["w"], api["h"], api["tn_w"], len(api["md5"])) == (500, 1000, 125, 24)


def test_making_twice_is_making_once(
    site: Site, browser: Browser, settings: BoardSettings, picture: Callable[..., bytes]
) -> None:
    """A repeated job changes no file and tells the same event again."""
    tim = posted(browser, picture())
    first = made(site, tim)
    before = {path: path.stat().st_mtime_ns for path in files(settings)["public/src"]}
    again = made(site, tim)
    assert first.pushes == again.pushes
    assert before == {path: path.stat().st_mtime_ns for path in files(settings)["public/src"]}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_every_format_of_ours_is_made(
    site: Site, browser: Browser, picture: Callable[..., bytes], kind: str
) -> None:
    """All four formats become a clean picture and a thumbnail."""
    tim = posted(browser, picture(kind))
    made(site, tim)
    found = record(site, tim)
    assert (found.state, found.format) == ("ready", kind)


def test_replies_have_smaller_thumbnails(
    site: Site, browser: Browser, settings: BoardSettings, picture: Callable[..., bytes]
) -> None:
    """A reply's thumbnail fits into 200 by 200 pixels."""
    browser.write("/b/post", title="T", body="x")
    done = browser.write(
        "/b/thread/1/reply", page="/b/thread/1", body="", picture=("a.jpg", picture())
    )
    made(site, done.jobs[0][1]["tim"])
    with Image.open(files(settings)["public/thumb"][0]) as image:
        assert image.size == (200, 150)


def png_of(width: int, height: int) -> bytes:
    """A small PNG whose head claims another size."""
    file = BytesIO()
    Image.new("L", (1, 1)).save(file, "PNG")
    content = file.getvalue()
    head = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + content[24:29]
    return content[:12] + head + zlib.crc32(head).to_bytes(4, "big") + content[33:]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("huge.png", png_of(50_000, 50_000)),
        ("cut.jpg", camera_picture()[:-2000]),
        ("polyglot.jpg", camera_picture() + b"<script>alert(1)</script>"),
        ("a.svg", b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("a.jpg", b"GIF89a" + b"\0" * 10),
        ("page.jpg", b"<!doctype html><title>x</title>"),
    ],
)
def test_dangerous_files_are_refused(
    browser: Browser, settings: BoardSettings, name: str, content: bytes
) -> None:
    """Too large, cut off, with something behind it, or no picture at all: refused, text kept."""
    page = browser.write(
        "/b/post", title="T", body="kept", picture=(name, content), accept="application/json"
    )
    assert page.status == 400
    assert page.json["error"]["field"] == "picture"
    assert len(page.json["error"]["message"]) > 10
    assert files(settings)["incoming"] == []
    assert "kept" in browser.write("/b/post", body="kept", picture=(name, content)).text


def test_a_picture_that_cannot_be_made_fails_at_last(
    site: Site, browser: Browser, settings: BoardSettings, picture: Callable[..., bytes]
) -> None:
    """A fault of ours is tried again; after the last attempt readers see that it failed."""
    tim = posted(browser, picture())
    for path in ("public/src", "public/thumb"):
        (settings.media_dir / path).rmdir()
    with pytest.raises(OSError, match="No such file"):
        made(site, tim, FIRST)
    assert record(site, tim).state == "pending"
    (_, frame), _ = made(site, tim, LAST).pushes
    assert record(site, tim).state == "failed"
    assert "could not be read" in frame["html"]
    assert not (settings.media_dir / "incoming" / str(tim)).exists()


def test_a_lost_upload_fails(
    site: Site, browser: Browser, settings: BoardSettings, picture: Callable[..., bytes]
) -> None:
    """A picture whose upload is gone is called failed, without another try."""
    tim = posted(browser, picture())
    files(settings)["incoming"][0].unlink()
    assert made(site, tim).pushes[0][1]["t"] == "file"
    assert record(site, tim).state == "failed"


def test_an_overdue_picture_fails_and_may_come_late(
    site: Site, browser: Browser, picture: Callable[..., bytes]
) -> None:
    """After ten minutes a pending picture is called failed; made later, it is shown after all."""
    tim = posted(browser, picture())
    outbox = Outbox()
    site.pictures.overdue({"tim": tim}, outbox, FIRST)
    assert record(site, tim).state == "failed"
    assert len(outbox.operations) == 2
    made(site, tim)
    assert record(site, tim).state == "ready"
    nothing = Outbox()
    site.pictures.overdue({"tim": tim}, nothing, FIRST)
    assert nothing.operations == ()


def test_a_job_for_nothing_does_nothing(site: Site) -> None:
    """A picture whose post is not there is forgotten."""
    assert made(site, 12345).outbox.operations == ()


def test_a_refused_post_keeps_no_upload(
    browser: Browser, settings: BoardSettings, picture: Callable[..., bytes]
) -> None:
    """Neither a refused post nor a repeated one leaves its upload behind."""
    page = browser.write("/b/post", body="x" * 5000, picture=("a.jpg", picture()))
    assert page.status == 400
    browser.write("/b/thread/9/reply", body="x", picture=("a.jpg", picture()))
    assert files(settings)["incoming"] == []
    fields = {**browser.hidden_fields(), "body": "once"}
    for _ in range(2):
        assert browser.post("/b/post", fields, ("a.jpg", picture())).status == 303
    assert len(files(settings)["incoming"]) == 1


def test_a_post_that_cannot_be_stored_keeps_no_upload(
    site: Site, settings: BoardSettings, picture: Callable[..., bytes]
) -> None:
    """When the database fails, the upload goes with the post."""
    board = site.reader.board("b")
    assert board is not None
    content = picture()
    upload = UploadedFile("a.jpg", "image/jpeg", len(content), BytesIO(content))
    written = Draft(title="T", name="", body="x")
    with (
        patch.object(Store, "start_thread", side_effect=OSError("away")),
        pytest.raises(OSError, match="away"),
    ):
        site.posting.submit(board, None, written, upload, "a key")
    assert files(settings)["incoming"] == []
