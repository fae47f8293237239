"""A folder of files and what is asked of it; asserts nothing by itself."""

import os
from pathlib import Path

from interface_server.http_responses import ReadyResponse
from interface_server.known_files import SMALL_FILE
from interface_server.static_files import FileResponse, StaticFiles
from shared.messages import Headers, HttpResponse

LARGE = bytes(range(256)) * (SMALL_FILE // 128)


class Seconds:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def filled_folder(tmp_path: Path) -> Path:
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


def ask(files: StaticFiles, path: str, *headers: tuple[bytes, bytes]) -> HttpResponse:
    """The whole answer to a GET."""
    found = files.answer("GET", path, headers)
    assert found is not None
    if isinstance(found, FileResponse):
        content = b"".join(found.pieces)
        assert len(content) == found.length
        return HttpResponse(found.status, found.headers, content)
    return found.response if isinstance(found, ReadyResponse) else found


def header(headers: Headers, name: bytes) -> bytes | None:
    """The header's value."""
    return {key.lower(): value for key, value in headers}.get(name)
