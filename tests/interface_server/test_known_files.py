"""What is known of files: for a moment only, bounded, and never mixed."""

from pathlib import Path

import pytest

from interface_server.known_files import CACHE_BYTES, SMALL_FILE, TRUSTED_S
from interface_server.static_files import FileResponse, StaticFiles
from tests.interface_server.static_folder import LARGE, Seconds, ask, header


def test_a_change_is_seen_within_a_moment(
    files: StaticFiles, folder: Path, seconds: Seconds
) -> None:
    """Content, tag, and that it is gone; until then the file is as it was."""
    first = ask(files, "/static/a.css")
    (folder / "a.css").write_bytes(b"body { color: red }")
    assert ask(files, "/static/a.css") == first
    seconds.now += TRUSTED_S * 1.01
    second = ask(files, "/static/a.css")
    assert second.content == b"body { color: red }"
    assert header(second.headers, b"etag") != header(first.headers, b"etag")
    (folder / "a.css").unlink()
    seconds.now += TRUSTED_S * 1.01
    assert ask(files, "/static/a.css").status == 404
    assert files.cached_bytes == 0


def test_another_file_of_the_same_name_is_never_mixed_with_the_first(
    files: StaticFiles, folder: Path
) -> None:
    """Its content is not given under the other's tag, even in the moment of trust."""
    tag = header(ask(files, "/static/a.css", (b"if-none-match", b"*")).headers, b"etag") or b""
    (folder / "new.css").write_bytes(b"body { color: red }")
    (folder / "new.css").replace(folder / "a.css")
    response = ask(files, "/static/a.css")
    assert response.content == b"body { color: red }"
    assert header(response.headers, b"etag") != tag


def test_a_large_file_is_looked_at_each_time(files: StaticFiles, folder: Path) -> None:
    """Its change is seen at once."""
    ask(files, "/static/large.bin")
    (folder / "large.bin").write_bytes(LARGE + b"more")
    assert ask(files, "/static/large.bin").content == LARGE + b"more"


def test_a_coding_that_comes_or_goes_is_seen(
    files: StaticFiles, folder: Path, seconds: Seconds
) -> None:
    """Within the same moment as a change of the file."""
    brotli = (b"accept-encoding", b"br")
    assert ask(files, "/static/a.css", brotli).content == b"body {}"
    for written in (b"coded", b"anew!!"):
        (folder / "a.css.br").write_bytes(written)
        seconds.now += TRUSTED_S * 1.01
        assert ask(files, "/static/a.css", brotli).content == written
    (folder / "a.css.br").unlink()
    seconds.now += TRUSTED_S * 1.01
    assert ask(files, "/static/a.css", brotli).content == b"body {}"


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
    with pytest.raises(OSError, match="changed"):
        list(found.loose_pieces)


def test_a_file_may_be_taken_in_small_pieces(files: StaticFiles) -> None:
    """The same bytes, several spans with what stands between them included."""
    for headers in ((), ((b"range", b"bytes=5-40000,70000-70009"),)):
        found = files.answer("GET", "/static/large.bin", headers)
        assert isinstance(found, FileResponse)
        pieces = list(found.loose_pieces)
        assert b"".join(pieces) == b"".join(found.pieces)
        assert max(map(len, pieces)) <= 16 * 1024
