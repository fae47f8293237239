"""Names of files: which are safe to look for and which say that their content never changes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interface_server import file_rules

_IMMUTABLE = re.compile(file_rules.IMMUTABLE_NAMES)


@given(st.lists(st.sampled_from(["..", ".", "", "files2", "secret", "a", "%2e%2e", "deep"])))
def test_no_way_leads_out(parts: list[str]) -> None:
    """Whatever the segments, none that passes is hidden, empty or upward."""
    segments = file_rules.safe_segments("/".join(parts))
    if segments is not None:
        assert not {"", ".", ".."} & set(segments)


@pytest.mark.parametrize(
    "name",
    [
        "name.0123abcd.css",
        "name-0123abcd.js",
        "0123abcd.js",
        "a-b.c0ffee0000.min.css",
        "app-5QWXKZJ2.js",
        "app.d41d8cd98f00b204e9800998ecf8427e.js.map",
        "font-9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08.woff2",
    ],
)
def test_names_with_a_hash_never_change(name: str) -> None:
    """As the usual tools for bundles write them."""
    assert _IMMUTABLE.search(name)


@pytest.mark.parametrize(
    "name",
    [
        "app.css",
        "jquery-validate.js",
        "jquery-3.7.1.min.js",
        "report-20240131.pdf",
        "photo-deadbeef.jpg",
        "chapter-chapter2.html",
        "name-0123abc.css",
        "name0123abcd.css",
        "name-0123abcd",
        "name-0123abcd-more.css",
        "README-DOWNLOAD.txt",
        "0123abcd/app.css",
    ],
)
def test_names_without_one_may_change(name: str) -> None:
    """Words, dates, versions and what is too short."""
    assert not _IMMUTABLE.search(name)


def test_each_coding_has_its_own_tag() -> None:
    """A cache must not take one for the other."""
    tags = {file_rules.entity_tag(1, 2, coding) for coding in ("", "br", "gzip")}
    assert tags == {b'"1-2"', b'"1-2-br"', b'"1-2-gzip"'}
