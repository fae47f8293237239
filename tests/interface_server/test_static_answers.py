"""Conditions, ranges and codings of files, as one answer."""

from email import message_from_bytes
from pathlib import Path

import pytest

from interface_server.http_responses import ReadyResponse
from interface_server.settings import Mount
from interface_server.static_files import StaticFiles
from tests.interface_server.static_folder import LARGE, ask, header


def test_an_unchanged_file_is_not_sent_again(files: StaticFiles) -> None:
    """304 by tag or by date, with what a cache needs and nothing of the content."""
    first = ask(files, "/static/a.css")
    tag = header(first.headers, b"etag") or b""
    date = header(first.headers, b"last-modified") or b""
    for known in ((b"if-none-match", tag), (b"if-modified-since", date)):
        response = ask(files, "/static/a.css", known)
        assert (response.status, response.content) == (304, b"")
        assert header(response.headers, b"etag") == tag
        assert header(response.headers, b"cache-control") == b"no-cache"
        assert header(response.headers, b"content-type") is None


def test_a_file_in_another_state_than_asked_for_is_refused(files: StaticFiles) -> None:
    """412 for If-Match and If-Unmodified-Since."""
    old = (b"if-unmodified-since", b"Sun, 06 Nov 1994 08:49:37 GMT")
    assert ask(files, "/static/a.css", old).status == 412
    assert ask(files, "/static/a.css", (b"if-match", b'"x"')).status == 412
    assert ask(files, "/static/a.css", (b"if-match", b"*")).status == 200


@pytest.mark.parametrize("path", ["/static/a.css", "/static/large.bin"])
@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [(b"bytes=0-0", 0, 1), (b"bytes=2-4", 2, 5), (b"bytes=3-", 3, None), (b"bytes=-3", -3, None)],
)
def test_one_range_is_handed_out(
    files: StaticFiles, path: str, wanted: bytes, start: int, end: int | None
) -> None:
    """206 with the bytes and where they lie."""
    whole = ask(files, path).content
    response = ask(files, path, (b"range", wanted))
    assert (response.status, response.content) == (206, whole[start:end])
    first = start % len(whole)
    span = b"bytes %d-%d/%d" % (first, first + len(response.content) - 1, len(whole))
    assert header(response.headers, b"content-range") == span


@pytest.mark.parametrize("name", ["middle.css", "large.bin"])
def test_several_ranges_are_parts_of_one_response(
    files: StaticFiles, folder: Path, name: str
) -> None:
    """Small files and large ones; each part says its type and place."""
    (folder / "middle.css").write_bytes(LARGE[:5000])
    whole = ask(files, f"/static/{name}").content
    response = ask(files, f"/static/{name}", (b"range", b"bytes=0-1,4000-4002"))
    kind = header(response.headers, b"content-type") or b""
    assert (response.status, header(response.headers, b"content-range")) == (206, None)
    read = message_from_bytes(b"Content-Type: " + kind + b"\r\n\r\n" + response.content)
    parts = read.get_payload()
    assert isinstance(parts, list)
    assert [part["Content-Range"].partition("/")[0] for part in parts] == [
        "bytes 0-1",
        "bytes 4000-4002",
    ]
    contents = [part.get_payload(decode=True) for part in parts]
    assert contents == [whole[0:2], whole[4000:4003]]


@pytest.mark.parametrize(
    ("wanted", "status"),
    [(b"bytes=7-", 416), (b"bytes=5-3", 200), (b"bytes=0-4,2-6", 200), (b"bytes=0-99", 206)],
)
def test_odd_ranges(files: StaticFiles, wanted: bytes, status: int) -> None:
    """None of its bytes: 416; what is not understood or too much: the whole file."""
    response = ask(files, "/static/a.css", (b"range", wanted))
    assert response.status == status
    if status == 416:
        assert header(response.headers, b"content-range") == b"bytes */7"


def test_a_range_of_another_state_of_the_file_is_the_whole_file(files: StaticFiles) -> None:
    """If-Range must name this very state; a HEAD has no ranges."""
    tag = header(ask(files, "/static/a.css").headers, b"etag") or b""
    wanted = (b"range", b"bytes=0-1")
    assert ask(files, "/static/a.css", wanted, (b"if-range", tag)).status == 206
    assert ask(files, "/static/a.css", wanted, (b"if-range", b'"x"')).status == 200
    found = files.answer("HEAD", "/static/a.css", (wanted,))
    assert isinstance(found, ReadyResponse)


def test_an_empty_file_is_a_file(files: StaticFiles, folder: Path) -> None:
    """No bytes and no range of them."""
    (folder / "empty.txt").touch()
    assert ask(files, "/static/empty.txt").status == 200
    assert ask(files, "/static/empty.txt", (b"range", b"bytes=0-")).status == 416


@pytest.fixture
def coded(folder: Path) -> Path:
    """The folder, where codings lie beside a.css and beside a user's picture."""
    for name, ending in (("a.css", ".br"), ("a.css", ".gz"), ("picture.png", ".gz")):
        (folder / (name + ending)).write_bytes(f"{name} as {ending}".encode())
    (folder / "large.bin.zst").write_bytes(LARGE[::-1])
    (folder / "page.svg.gz").symlink_to(folder.parent / "secret")
    return folder


@pytest.mark.usefixtures("coded")
@pytest.mark.parametrize(
    ("path", "accepted", "coding", "content"),
    [
        ("/static/a.css", b"gzip, br, zstd", b"br", b"a.css as .br"),
        ("/static/a.css", b"gzip, br;q=0.5", b"gzip", b"a.css as .gz"),
        ("/static/a.css", b"zstd", None, b"body {}"),
        ("/static/a.css", b"br, identity", b"br", b"a.css as .br"),
        ("/static/inside.css", b"br", None, b"body {}"),
        ("/static/a.css.br", b"br", None, b"a.css as .br"),
        ("/static/large.bin", b"zstd", b"zstd", LARGE[::-1]),
        ("/static/page.svg", b"gzip", None, b"<svg/>"),
        ("/media/picture.png", b"gzip", None, b"png"),
    ],
)
def test_the_coding_that_a_client_likes_is_handed_out(
    files: StaticFiles, path: str, accepted: bytes, coding: bytes | None, content: bytes
) -> None:
    """Of what lies beside the file; never for users' files, nor for a coded file itself."""
    for _ in range(2):
        response = ask(files, path, (b"accept-encoding", accepted))
        assert (response.status, response.content) == (200, content)
        assert header(response.headers, b"content-encoding") == coding


@pytest.mark.usefixtures("coded")
def test_each_coding_is_a_thing_of_its_own(files: StaticFiles) -> None:
    """Its own tag, ranges and conditions; what lies beside is said to caches in every answer."""
    gzip, brotli = (b"accept-encoding", b"gzip"), (b"accept-encoding", b"br")
    answers = [ask(files, "/static/a.css", *headers) for headers in ((), (gzip,), (brotli,))]
    tags = [header(response.headers, b"etag") or b"" for response in answers]
    assert len(set(tags)) == 3
    known = (b"if-none-match", tags[1])
    answers += [ask(files, "/static/a.css", gzip, known), ask(files, "/static/a.css", known)]
    answers += [ask(files, "/static/a.css", brotli, (b"range", b"bytes=0-4"))]
    answers += [ask(files, "/static/a.css", (b"accept-encoding", b"*;q=0"))]
    assert [response.status for response in answers] == [200, 200, 200, 304, 200, 206, 406]
    assert answers[5].content == b"a.css"
    assert {header(response.headers, b"vary") for response in answers} == {b"Accept-Encoding"}
    kinds = {header(answers[at].headers, b"content-type") for at in (0, 1, 2, 5)}
    assert kinds == {b"text/css; charset=utf-8"}
    assert header(ask(files, "/static/deep/ö b.js", brotli).headers, b"vary") is None


def test_names_that_never_change_are_kept_for_good(folder: Path) -> None:
    """As the operator says, or those with a hash in them."""
    for name in ("app.0123abcd.css", "v2.css"):
        (folder / name).touch()
    mounts = [Mount("/static", folder)], ()
    kept = {
        pattern: [
            b"immutable" in (header(ask(files, f"/static/{name}").headers, b"cache-control") or b"")
            for name in ("app.0123abcd.css", "v2.css", "a.css")
        ]
        for pattern, files in (
            (None, StaticFiles(*mounts)),
            ("^v", StaticFiles(*mounts, "^v")),
            ("", StaticFiles(*mounts, "")),
        )
    }
    assert kept == {
        None: [True, False, False],
        "^v": [False, True, False],
        "": [False, False, False],
    }
