"""Mounted folders: what is handed out, and above all what is not."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_twisted import ensureDeferred

from interface_server import file_rules
from interface_server.settings import Mount
from interface_server.static_files import CACHE_BYTES, SMALL_FILE, FileResponse, StaticFiles
from shared.messages import Headers, HttpResponse
from tests.interface_server.answering import page, serving

LARGE = bytes(range(256)) * (SMALL_FILE // 128)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with files, hidden files and links, and a secret beside it."""
    folder = tmp_path / "files"
    (folder / "deep" / ".git").mkdir(parents=True)
    (folder / "a.css").write_bytes(b"body {}")
    (folder / "deep" / "ö b.js").write_bytes(b"1")
    (folder / "deep" / ".git" / "config").write_bytes(b"hidden")
    (folder / ".env").write_bytes(b"hidden")
    (folder / "large.bin").write_bytes(LARGE)
    (folder / "page.svg").write_bytes(b"<svg/>")
    (folder / "picture.png").write_bytes(b"png")
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "files2").mkdir()
    (tmp_path / "files2" / "secret").write_bytes(b"secret")
    (folder / "inside.css").symlink_to(folder / "a.css")
    (folder / "outside").symlink_to(tmp_path / "secret")
    (folder / "sibling").symlink_to(tmp_path / "files2")
    (folder / "to-hidden").symlink_to(folder / ".env")
    os.mkfifo(folder / "pipe")
    return folder


@pytest.fixture
def files(folder: Path) -> StaticFiles:
    """The folder at /static, and for users' files at /media."""
    return StaticFiles([Mount("/static", folder)], [Mount("/media", folder)])


def ask(files: StaticFiles, path: str, *headers: tuple[bytes, bytes]) -> HttpResponse:
    """The whole answer to a GET."""
    found = files.answer("GET", path, headers)
    assert found is not None
    if isinstance(found, FileResponse):
        content = b"".join(found.pieces)
        assert len(content) == found.length
        return HttpResponse(found.status, found.headers, content)
    return found


def header(headers: Headers, name: bytes) -> bytes | None:
    """The header's value."""
    return {key.lower(): value for key, value in headers}.get(name)


@pytest.mark.parametrize(
    ("path", "content", "kind"),
    [
        ("/static/a.css", b"body {}", b"text/css; charset=utf-8"),
        ("/static/deep/ö b.js", b"1", b"text/javascript; charset=utf-8"),
        ("/static/inside.css", b"body {}", b"text/css; charset=utf-8"),
        ("/static/large.bin", LARGE, b"application/octet-stream"),
        ("/static/page.svg", b"<svg/>", b"image/svg+xml"),
    ],
)
def test_files_are_handed_out_with_their_type(
    files: StaticFiles, path: str, content: bytes, kind: bytes
) -> None:
    """Small ones and large ones, with nosniff, tag and date."""
    for _ in range(2):
        response = ask(files, path)
        assert (response.status, response.content) == (200, content)
        assert header(response.headers, b"content-type") == kind
        assert header(response.headers, b"x-content-type-options") == b"nosniff"
        assert header(response.headers, b"etag")
        assert header(response.headers, b"last-modified")


@pytest.mark.parametrize(
    "path",
    [
        "/static",
        "/static/",
        "/static/none.css",
        "/static/deep",
        "/static/deep/",
        "/static/../secret",
        "/static/deep/../a.css",
        "/static/./a.css",
        "/static//a.css",
        "/static//etc/passwd",
        "/static/..\\secret",
        "/static/.env",
        "/static/deep/.git/config",
        "/static/outside",
        "/static/sibling/secret",
        "/static/to-hidden",
        "/static/pipe",
        "/static/a.css/b",
        "/static/" + "a" * 300,
        "/static/a.css\x00.png",
    ],
)
def test_what_is_no_open_file_of_the_folder_is_404(files: StaticFiles, path: str) -> None:
    """No way out, no hidden file, no folder, no pipe."""
    response = ask(files, path)
    assert response.status == 404
    assert b"secret" not in response.content


@given(st.lists(st.sampled_from(["..", ".", "", "files2", "secret", "a", "%2e%2e", "deep"])))
def test_no_way_leads_out(parts: list[str]) -> None:
    """Whatever the segments, none that passes is hidden, empty or upward."""
    segments = file_rules.safe_segments("/".join(parts))
    if segments is not None:
        assert not {"", ".", ".."} & set(segments)


def test_other_paths_are_for_workers(files: StaticFiles) -> None:
    """A mount covers its own segment only."""
    assert files.answer("GET", "/staticx/a.css", ()) is None
    assert not files.covers("/")
    assert files.covers("/media/x")


def test_only_get_and_head_are_allowed(files: StaticFiles) -> None:
    """405 names them."""
    found = files.answer("POST", "/static/a.css", ())
    assert isinstance(found, HttpResponse)
    assert (found.status, header(found.headers, b"allow")) == (405, b"GET, HEAD")


def test_users_files_cannot_act(files: StaticFiles) -> None:
    """Sandboxed, not sniffed, cached for good; what is no picture is only to be saved."""
    picture = ask(files, "/media/picture.png")
    assert header(picture.headers, b"content-type") == b"image/png"
    assert header(picture.headers, b"content-security-policy") == b"default-src 'none'; sandbox"
    assert header(picture.headers, b"x-content-type-options") == b"nosniff"
    assert b"immutable" in (header(picture.headers, b"cache-control") or b"")
    assert header(picture.headers, b"content-disposition") is None
    for path in ("/media/page.svg", "/media/a.css"):
        page_ = ask(files, path)
        assert header(page_.headers, b"content-type") == b"application/octet-stream"
        assert header(page_.headers, b"content-disposition") == b"attachment"


def test_an_unchanged_file_is_not_sent_again(files: StaticFiles, folder: Path) -> None:
    """304 by tag or by date; the tag counts for more; a change is seen at once."""
    first = ask(files, "/static/a.css")
    tag = header(first.headers, b"etag") or b""
    date = header(first.headers, b"last-modified") or b""
    for known in (tag, b"W/" + tag, b'"x", ' + tag, b"*"):
        response = ask(files, "/static/a.css", (b"if-none-match", known))
        assert (response.status, response.content) == (304, b"")
        assert header(response.headers, b"etag") == tag
    assert ask(files, "/static/a.css", (b"if-modified-since", date)).status == 304
    old = (b"if-modified-since", b"Sun, 06 Nov 1994 08:49:37 GMT")
    assert ask(files, "/static/a.css", old).status == 200
    assert ask(files, "/static/a.css", (b"if-modified-since", b"never")).status == 200
    both = ((b"if-none-match", b'"x"'), (b"if-modified-since", date))
    assert ask(files, "/static/a.css", *both).status == 200
    (folder / "a.css").write_bytes(b"body { color: red }")
    response = ask(files, "/static/a.css", (b"if-none-match", tag))
    assert (response.status, response.content) == (200, b"body { color: red }")


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


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        (b"bytes=7-", 416),
        (b"bytes=-0", 416),
        (b"bytes=99-100", 416),
        (b"bytes=5-3", 200),
        (b"bytes=-", 200),
        (b"bytes=0-1,3-4", 200),
        (b"lines=0-1", 200),
        (b"bytes=a-b", 200),
        (b"bytes=0-99", 206),
    ],
)
def test_odd_ranges(files: StaticFiles, wanted: bytes, status: int) -> None:
    """None of its bytes: 416; what is not understood or several: the whole file."""
    response = ask(files, "/static/a.css", (b"range", wanted))
    assert response.status == status
    if status == 416:
        assert header(response.headers, b"content-range") == b"bytes */7"


def test_a_range_of_another_state_of_the_file_is_the_whole_file(files: StaticFiles) -> None:
    """If-Range must name this very state."""
    first = ask(files, "/static/a.css")
    tag = header(first.headers, b"etag") or b""
    wanted = (b"range", b"bytes=0-1")
    assert ask(files, "/static/a.css", wanted, (b"if-range", tag)).status == 206
    assert ask(files, "/static/a.css", wanted, (b"if-range", b'"x"')).status == 200
    date = header(first.headers, b"last-modified") or b""
    assert ask(files, "/static/a.css", wanted, (b"if-range", date)).status == 206


def test_an_empty_file_is_a_file(files: StaticFiles, folder: Path) -> None:
    """No bytes and no range of them."""
    (folder / "empty.txt").touch()
    assert ask(files, "/static/empty.txt").status == 200
    assert ask(files, "/static/empty.txt", (b"range", b"bytes=0-")).status == 416


def test_small_files_in_memory_are_bounded(files: StaticFiles, folder: Path) -> None:
    """The least used ones leave."""
    for at in range(CACHE_BYTES // SMALL_FILE + 10):
        (folder / f"{at}.bin").write_bytes(b"x" * SMALL_FILE)
        ask(files, f"/static/{at}.bin")
    assert files.cached_bytes <= CACHE_BYTES


def test_a_file_that_changes_while_it_is_sent_is_noticed(files: StaticFiles, folder: Path) -> None:
    """Half of each would be neither."""
    found = files.answer("GET", "/static/large.bin", ())
    assert isinstance(found, FileResponse)
    (folder / "large.bin").write_bytes(b"short")
    with pytest.raises(OSError, match="changed"):
        list(found.pieces)


def open_files() -> Iterator[str]:
    """The files that this process has open."""
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            yield os.readlink(f"/proc/self/fd/{descriptor}")
        except FileNotFoundError:
            continue


@ensureDeferred
async def test_files_over_a_socket(folder: Path) -> None:
    """GET, HEAD, 304 and a large file on one connection; no worker is asked."""
    mounts = (Mount("/static", folder),)
    (folder / "huge.bin").write_bytes(LARGE * 30)
    async with serving(page, static=mounts, max_output=1_000_000) as (site, connect):
        client = await connect()
        get = b"GET /static/%b HTTP/1.1\r\nHost: x\r\n\r\n"
        response = await client.ask(get % b"a.css")
        assert (response.status, response.body) == (200, b"body {}")
        response = await client.ask(get.replace(b"GET", b"HEAD") % b"huge.bin", b"HEAD")
        assert response.headers[b"content-length"] == b"%d" % (len(LARGE) * 30)
        known = b"If-None-Match: " + response.headers[b"etag"] + b"\r\n\r\n"
        response = await client.ask((get % b"huge.bin")[:-2] + known)
        assert response.status == 304
        client.send(get % b"huge.bin" + get % b"a.css")
        await client.until(lambda: client.received.endswith(b"body {}"))
        assert (await client.response()).body == LARGE * 30
        assert (await client.response()).body == b"body {}"
        assert (await client.ask(get % b"%2e%2e/secret")).status == 404
        assert site.requests == []
        assert not any("huge.bin" in name for name in open_files())


@ensureDeferred
async def test_a_client_that_leaves_in_the_middle_of_a_file_leaves_nothing_open(
    folder: Path,
) -> None:
    """The file is closed with the connection."""
    (folder / "huge.bin").write_bytes(LARGE * 200)
    async with serving(page, static=(Mount("/static", folder),)) as (site, connect):
        client = await connect()
        client.send(b"GET /static/huge.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        await client.until(lambda: len(client.received) > 100_000)
        client.transport.abortConnection()
        await client.closed()
        while site.parts.connection_count:
            await site.until(lambda: True)
        assert not any("huge.bin" in name for name in open_files())
