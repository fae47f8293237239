"""Mounted folders: what is handed out, and above all what is not."""

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred

from interface_server.settings import Mount
from interface_server.static_files import StaticFiles
from shared.messages import HttpResponse
from tests.interface_server.answering import page, serving
from tests.interface_server.static_folder import LARGE, ask, header


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


def test_other_paths_are_for_workers(files: StaticFiles) -> None:
    """A mount covers its own segment only."""
    assert files.answer("GET", "/staticx/a.css", ()) is None
    assert not files.covers("/")
    assert files.covers("/media/x")


def test_only_get_and_head_are_allowed(files: StaticFiles) -> None:
    """405 names them, and OPTIONS asks for them; whether the file is known or not."""
    for _ in range(2):
        for method, status in (("POST", 405), ("OPTIONS", 204)):
            found = files.answer(method, "/static/a.css", ())
            assert isinstance(found, HttpResponse)
            assert (found.status, header(found.headers, b"allow")) == (
                status,
                b"GET, HEAD, OPTIONS",
            )
        assert ask(files, "/static/a.css").status == 200


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


@ensureDeferred
async def test_codings_and_ranges_over_a_socket(folder: Path) -> None:
    """Small files and large ones, one behind the other on one connection."""
    (folder / "a.css.gz").write_bytes(gzip.compress(b"body {}"))
    async with serving(page, static=(Mount("/static", folder),)) as (_, connect):
        client = await connect()
        get = b"GET /static/%b HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n"
        accept = b"Accept-Encoding: br;q=0.9, gzip"
        response = await client.ask(get % (b"a.css", accept))
        assert gzip.decompress(response.body) == b"body {}"
        assert response.headers[b"content-encoding"] == b"gzip"
        known = accept + b"\r\nIf-None-Match: " + response.headers[b"etag"]
        response = await client.ask(get % (b"a.css", known))
        assert (response.status, response.headers[b"vary"]) == (304, b"Accept-Encoding")
        several = get % (b"large.bin", b"Range: bytes=0-9,100000-100009")
        response = await client.ask(several)
        assert response.status == 206
        assert response.headers[b"content-length"] == b"%d" % len(response.body)
        assert LARGE[100000:100010] in response.body
        response = await client.ask(several.replace(b"GET", b"HEAD"), b"HEAD")
        assert response.headers[b"content-length"] == b"%d" % len(LARGE)
        assert (await client.ask(get % (b"a.css", b"X: y"))).body == b"body {}"
