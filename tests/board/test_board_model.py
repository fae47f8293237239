"""The board's rules: tables and properties."""

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.model import (
    MAX_LINES,
    MAX_QUOTES,
    BoardRules,
    Draft,
    closes_thread,
    does_bump,
    draft,
    draft_problems,
    excerpt,
    file_name,
    page_count,
    picture_problem,
    quoted_numbers,
    reply_problem,
    request_key,
    slug,
    standing,
    thumbnail_box,
)

RULES = BoardRules()


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("a\r\nb\rc\nd", "a\nb\nc\nd"),
        ("e\u0301", "é"),
        ("a\x00b\x1b[0m\x7f", "ab[0m"),
        ("\n\n  indented\n\nend  \n\n", "  indented\n\nend"),
        ("a\u2028b\u2029c", "a\nb\nc"),
        ("tab\tstays", "tab\tstays"),
        ("ö 中 😀", "ö 中 😀"),
    ],
)
def test_a_text_is_normalised(written: str, kept: str) -> None:
    """Line ends, composition and control characters are put in order; nothing else changes."""
    assert draft("", "", written).body == kept


def test_title_and_name_are_one_line() -> None:
    """A title or a name cannot hold line breaks or turn the writing direction."""
    made = draft(" a\n b\u202e ", "x\r\ny\u2066", "")
    assert (made.title, made.name) == ("a b", "x y")


@given(st.text(), st.text(), st.text())
def test_normalising_twice_changes_nothing(title: str, name: str, body: str) -> None:
    """A normalised draft is its own normal form, without control characters."""
    once = draft(title, name, body)
    assert draft(once.title, once.name, once.body) == once
    for text in (once.title, once.name, once.body.replace("\n", "").replace("\t", "")):
        assert not any(unicodedata.category(character) == "Cc" for character in text)


@pytest.mark.parametrize(
    ("written", "has_picture", "codes"),
    [
        (Draft("", "", "x"), False, []),
        (Draft("", "", ""), True, []),
        (Draft("t", "", ""), False, [("body", "empty")]),
        (Draft("t", "", "\u200b\u3164 \n\ufeff"), False, [("body", "empty")]),
        (Draft("t" * 101, "", "x"), False, [("title", "too_long")]),
        (Draft("", "n" * 61, "x"), False, [("form", "too_long")]),
        (Draft("", "", "x" * 4000), False, []),
        (Draft("", "", "x" * 4001), False, [("body", "too_long")]),
        (Draft("", "", "x\n" * MAX_LINES), False, [("body", "too_many_lines")]),
        (
            Draft("", "", " ".join(f">>{n}" for n in range(1, MAX_QUOTES + 2))),
            False,
            [("body", "too_many_quotes")],
        ),
        (
            Draft("t" * 101, "", "x" * 5000),
            False,
            [("title", "too_long"), ("body", "too_long")],
        ),
    ],
)
def test_what_may_be_posted(
    written: Draft, has_picture: bool, codes: list[tuple[str, str]]
) -> None:
    """Each limit is named with its field; several are told at once."""
    found = draft_problems(written, opening=True, has_picture=has_picture, rules=RULES)
    assert [(problem.field, problem.code) for problem in found] == codes


def test_a_replys_title_is_not_looked_at() -> None:
    """Only threads have titles."""
    found = draft_problems(Draft("t" * 500, "", "x"), opening=False, has_picture=False, rules=RULES)
    assert found == ()


def test_a_pictures_size_is_bounded() -> None:
    """A picture over the board's limit is 413; one on it passes."""
    assert picture_problem(RULES.max_file_bytes, RULES) is None
    problem = picture_problem(RULES.max_file_bytes + 1, RULES)
    assert problem is not None
    assert (problem.field, problem.status) == ("picture", 413)


def test_closed_and_archived_threads_take_no_reply() -> None:
    """An open thread takes replies, a closed or an archived one does not."""
    assert reply_problem(closed=False, archived=False) is None
    closed = reply_problem(closed=True, archived=False)
    archived = reply_problem(closed=True, archived=True)
    assert closed is not None
    assert archived is not None
    assert (closed.code, archived.code) == ("closed", "archived")


def test_bumping_and_closing() -> None:
    """Replies lift a thread up to the bump limit; the reply that reaches the limit closes it."""
    assert does_bump(299, RULES)
    assert not does_bump(300, RULES)
    assert not closes_thread(999, RULES)
    assert closes_thread(1000, RULES)


standings = st.tuples(st.booleans(), st.integers(0, 3), st.integers(0, 5), st.integers(1, 1000))


@given(st.lists(standings, unique_by=lambda found: found[3]))
def test_the_order_of_threads_is_total(found: list[tuple[bool, int, int, int]]) -> None:
    """Sticky first by rank, then the last bumped; equal bumps by number; no two are equal."""
    ordered = sorted(
        found,
        key=lambda t: standing(sticky=t[0], sticky_rank=t[1], bumped_ms=t[2], no=t[3]),
    )
    for before, after in pairwise(ordered):
        assert (before[0], not after[0]) != (False, False)
        if before[0] == after[0] and (not before[0] or before[1] == after[1]):
            assert (before[2], before[3]) > (after[2], after[3])


@pytest.mark.parametrize(
    ("threads", "pages"), [(0, 1), (1, 1), (15, 1), (16, 2), (150, 10), (999, 10)]
)
def test_pages(threads: int, pages: int) -> None:
    """Fifteen threads a page, at least one page, at most ten."""
    assert page_count(threads, RULES) == pages


@pytest.mark.parametrize(
    ("title", "body", "expected"),
    [
        ("Channels at scale!", "", "channels-at-scale"),
        ("Über Größe", "", "uber-groe"),
        ("中文", "plain words", "plain-words"),
        ("", "", "thread"),
        ("中", "文", "thread"),
        ("a" * 100, "", "a" * 60),
        ("x" * 59 + " y", "", "x" * 59),
    ],
)
def test_slugs(title: str, body: str, expected: str) -> None:
    """A slug is short ASCII made of the title, else of the text."""
    assert slug(title, body) == expected


@given(st.text(), st.text())
def test_a_slug_fits_a_path(title: str, body: str) -> None:
    """Whatever is written, the slug is one clean segment of a path."""
    made = slug(title, body)
    assert 1 <= len(made) <= 60
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_an_excerpt_is_one_short_line() -> None:
    """The beginning of a text fits a notification."""
    assert excerpt("a\n\n b") == "a b"
    assert len(excerpt("word " * 100)) <= 120
    assert excerpt("word " * 100).endswith("…")


@pytest.mark.parametrize(
    ("body", "numbers"),
    [
        (">>1 and >>22\n>>1", (1, 22)),
        (">1 > >2", ()),
        (">>>3", (3,)),
        (">>99999999999", ()),
        (">>4294967296", ()),
    ],
)
def test_quoted_numbers(body: str, numbers: tuple[int, ...]) -> None:
    """`>>no` names a post, each once."""
    assert quoted_numbers(body) == numbers


def test_request_keys_tell_requests_apart() -> None:
    """Every part of a request counts, and parts cannot run into each other."""
    base = request_key("k", "1", Draft("a", "n", "b"), "p")
    assert base == request_key("k", "1", Draft("a", "n", "b"), "p")
    others = {
        request_key("l", "1", Draft("a", "n", "b"), "p"),
        request_key("k", "2", Draft("a", "n", "b"), "p"),
        request_key("k", "1", Draft("ab", "n", ""), "p"),
        request_key("k", "1", Draft("a", "m", "b"), "p"),
        request_key("k", "1", Draft("a", "n", "c"), "p"),
        request_key("k", "1", Draft("a", "n", "b"), ""),
    }
    assert base not in others
    assert len(others) == 6


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("cat.jpg", "cat.jpg"),
        ("C:\\My\\cat.jpg", "cat.jpg"),
        ("../../etc/passwd", "passwd"),
        ("a" * 100 + ".jpeg", "a" * 74 + "….jpeg"),
        ("b" * 100, "b" * 79 + "…"),
        ("x\x00\ny.png", "x y.png"),
    ],
)
def test_file_names_are_for_display(given_name: str, shown: str) -> None:
    """A browser's file name loses its folders and is short."""
    assert file_name(given_name) == shown
    assert len(shown) <= 80


def test_thumbnail_boxes() -> None:
    """Opening posts have larger thumbnails than replies."""
    assert thumbnail_box(opening=True) == (250, 250)
    assert thumbnail_box(opening=False) == (200, 200)
