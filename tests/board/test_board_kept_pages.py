"""Cutting pages at their marks, and keeping them within a bound."""

from hypothesis import given
from hypothesis import strategies as st

from board.kept_pages import CutPage, KeptPages, Marks, cut

MARKS = Marks("token-0", "key-0")
OVERHEAD = CutPage((), (), (), "").size_bytes


def page(text: str) -> CutPage:
    return cut(text, MARKS)


@given(st.lists(st.sampled_from(["token-0", "key-0", "ö 中 😀", "x", "token-"]), max_size=9))
def test_a_filled_page_is_the_text_with_the_readers_own(parts: list[str]) -> None:
    """Wherever the marks stand, and beside each other."""
    text = "".join(parts)
    expected = text.replace("token-0", "T").replace("key-0", "K")
    assert page(text).filled("T", "K").decode() == expected


def test_a_tag_says_what_is_alike() -> None:
    """It depends on the text and on the places of the marks, not on the marks themselves."""
    other = Marks("token-1", "key-1")
    assert page("a token-0 b key-0").tag == cut("a token-1 b key-1", other).tag
    tags = {page(text).tag for text in ("ab", "a token-0 b", "a key-0 b", "a b", "atoken-0b", "")}
    assert len(tags) == 6


def test_a_page_is_found_under_its_name_and_stamp_only() -> None:
    """Another stamp, or none, finds nothing; the newer page takes the older one's place."""
    kept = KeptPages(10**6)
    first, second = page("first"), page("second")
    kept.keep("a", (1, "x"), first)
    assert kept.find("a", (1, "x")) is first
    assert [kept.find("a", stamp) for stamp in ((2, "x"), None)] == [None, None]
    assert kept.find("b", (1, "x")) is None
    kept.keep("a", (2, "x"), second)
    assert (kept.find("a", (1, "x")), kept.find("a", (2, "x"))) == (None, second)
    assert kept.size_bytes == second.size_bytes


def test_the_bound_holds_in_bytes() -> None:
    """The page that was not asked for the longest goes; one that is too large never comes in."""
    kept = KeptPages(2 * (OVERHEAD + 10))
    for name in ("a", "b"):
        kept.keep(name, (1,), page(name * 10))
    assert kept.find("a", (1,))
    kept.keep("c", (1,), page("c" * 10))
    assert [bool(kept.find(name, (1,))) for name in "abc"] == [True, False, True]
    kept.keep("a", (2,), page("x" * 3 * (OVERHEAD + 10)))
    assert [bool(kept.find("a", (stamp,))) for stamp in (1, 2)] == [False, False]
    assert kept.size_bytes == OVERHEAD + 10


def test_no_memory_keeps_nothing() -> None:
    """With a bound of 0 each page is made anew."""
    kept = KeptPages(0)
    kept.keep("a", (1,), page(""))
    assert kept.find("a", (1,)) is None
    assert kept.size_bytes == 0
