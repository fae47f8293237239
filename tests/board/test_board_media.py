"""Where uploads and pictures lie."""

from io import BytesIO
from pathlib import Path

import pytest

from board.media import MediaFolder


def test_uploads_get_names_of_their_own(tmp_path: Path) -> None:
    """Two uploads in the same microsecond are two files, apart from what is served."""
    media = MediaFolder(tmp_path, "/media", lambda: 7)
    file = BytesIO(b"content")
    file.seek(3)
    one, two = media.receive(file), media.receive(BytesIO(b"other"))
    assert (one.tim, two.tim) == (7, 8)
    assert media.incoming_path(7).read_bytes() == b"content"
    assert one.sha256 == "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"
    assert not list((tmp_path / "public").rglob("*.*"))
    media.discard(7)
    media.discard(7)
    assert not media.incoming_path(7).exists()


def test_paths_and_urls_agree(tmp_path: Path) -> None:
    """What lies under `public` is found under the url."""
    media = MediaFolder(tmp_path, "https://media.example/x", lambda: 7)
    assert media.source_path(7, ".png") == tmp_path / "public" / "src" / "7.png"
    assert media.thumb_path(7, ".jpg") == tmp_path / "public" / "thumb" / "7.jpg"
    assert media.source_url(7, ".png") == "https://media.example/x/src/7.png"
    assert media.thumb_url(7, ".jpg") == "https://media.example/x/thumb/7.jpg"


def test_an_upload_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    """What was copied of an upload goes when the rest cannot be read or written."""

    class Broken(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise OSError("gone")
            return super().read(1)

    with pytest.raises(OSError, match="gone"):
        MediaFolder(tmp_path, "/media", lambda: 7).receive(Broken(b"content"))
    assert list((tmp_path / "incoming").iterdir()) == []
