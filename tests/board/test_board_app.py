"""The routes of the board as a worker builds them."""

from pathlib import Path

import pytest

from board.app import build, routes
from board.database import Database
from board.site import Site
from board.upgrading import upgrade
from shared.errors import ConfigurationError
from workers.routing import HttpMatch, MethodNotAllowed, NotFound, SocketMatch


def test_build_needs_a_migrated_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker on an unmigrated database says what to run; on a migrated one it builds."""
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with pytest.raises(ConfigurationError, match="migrate"):
        build()
    database = Database(f"sqlite:///{tmp_path}/board.db")
    upgrade(database)
    database.close()
    assert "board.picture" in build().channels


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/", HttpMatch),
        ("HEAD", "/b/", HttpMatch),
        ("GET", "/b/2", HttpMatch),
        ("GET", "/b/thread/4/some-slug", HttpMatch),
        ("GET", "/b/thread/4.json", HttpMatch),
        ("POST", "/b/post", HttpMatch),
        ("GET", "/b/post", MethodNotAllowed),
        ("POST", "/b/thread/4/reply", HttpMatch),
        ("DELETE", "/b/", MethodNotAllowed),
        ("GET", "/b/thread/4/a/b", NotFound),
        ("GET", "/b/x/y/z", NotFound),
    ],
)
def test_paths(site: Site, method: str, path: str, expected: type) -> None:
    """Each address leads where it should, the rest nowhere."""
    assert isinstance(routes(site).match_http(method, path), expected)


def test_posting_may_be_repeated_and_sockets_are_routed(site: Site) -> None:
    """Both forms are idempotent; the two kinds of sockets are known, others are not."""
    app = routes(site)
    for path in ("/b/post", "/b/thread/1/reply"):
        match = app.match_http("POST", path)
        assert isinstance(match, HttpMatch)
        assert match.route.is_repeatable("POST")
    for path in ("/thread/1/", "/board/"):
        assert isinstance(app.match_socket(path), SocketMatch)
    for path in ("/thread/x/", "/", "/board", "/b/"):
        assert isinstance(app.match_socket(path), NotFound)
