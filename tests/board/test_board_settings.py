"""The board's settings from the environment."""

from pathlib import Path

import pytest

from board.settings import read_settings
from shared.errors import ConfigurationError


def test_nothing_set_means_var() -> None:
    """Without variables everything lies under `var`."""
    found = read_settings({})
    assert found.database_url == "sqlite:///var/board.db"
    assert (found.media_dir, found.media_url) == (Path("var/media"), "/media")
    assert found.secret_file == Path("var/secret_key")
    assert (found.templates_dir / "thread.html").is_file()


def test_each_variable_counts() -> None:
    """Every place can be set by itself; empty counts as absent."""
    found = read_settings(
        {
            "VAR_DIR": "/v",
            "DATABASE_URL": "",
            "MEDIA_DIR": "/m",
            "MEDIA_URL": "https://m.example/",
            "SECRET_KEY": "0123456789abcdef",
            "TEMPLATES_DIR": "/t",
        }
    )
    assert found.database_url == "sqlite:////v/board.db"
    assert (found.media_dir, found.media_url) == (Path("/m"), "https://m.example")
    assert (found.secret_key, found.templates_dir) == ("0123456789abcdef", Path("/t"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MEDIA_URL", "media"),
        ("MEDIA_URL", "javascript:x"),
        ("MEDIA_URL", "https://m.example; script-src *"),
        ("SECRET_KEY", "short"),
    ],
)
def test_values_that_cannot_work_are_refused(name: str, value: str) -> None:
    """A value that would break pages or safety is named."""
    with pytest.raises(ConfigurationError, match=name):
        read_settings({name: value})


def test_the_memory_for_pages_is_megabytes() -> None:
    """32 MB unless told; 0 is none at all."""
    found = [read_settings({"PAGE_MEMORY_MB": text}) for text in ("", "0", "5")]
    assert [one.page_memory_bytes for one in found] == [32 * 2**20, 0, 5 * 2**20]
    for text in ("-1", "x", "1.5", "9" * 7):
        with pytest.raises(ConfigurationError, match="PAGE_MEMORY_MB"):
            read_settings({"PAGE_MEMORY_MB": text})
