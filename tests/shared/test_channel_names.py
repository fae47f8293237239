"""Holds shared/channel_names.py: the naming rules and the list behind each name."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import channel_names as names
from shared.errors import InvalidName

PLAIN = string.ascii_letters + string.digits + "-_."
words = st.text(PLAIN, min_size=1, max_size=40)


@pytest.mark.parametrize(
    "name",
    ["http.request", "a", "0", "-", "x" * 100, "http.request.body?Ab12", "body?", "PROC!", "a!b"],
)
def test_good_channel_names_are_given_back(name: str) -> None:
    """A name within the rules comes back as it is."""
    assert names.check_channel(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("", "!", "?", "!a", "?a", "a!b!c", "a?b?c", "a!b?c", "a b", "a\n", "\na", "a/b"),
        *("x" * 101, "é", "٣", "a\x00", b"http.request", None, 5),
    ],
)
def test_bad_channel_names_are_refused(name: object) -> None:
    """Anything else is refused with the rule and with what came."""
    with pytest.raises(InvalidName) as caught:
        names.check_channel(name)
    assert caught.value.name == name
    assert "at most one '?'" in str(caught.value)


@given(words | st.just("a?"), st.text("aZ0!?-_. \n\0é٣", max_size=100))
def test_known_owners_bring_no_other_names(owner: str, client: str) -> None:
    """What was found to be good in front of the mark changes nothing for what follows it."""
    names.check_channel("fresh!")
    for known in (owner, f"{owner}!", f"{owner}!1"):
        try:
            names.check_channel(known)
        except InvalidName:
            assert "?" in known
    name = f"{owner}!{client}"
    is_good = "?" not in owner and len(name) <= 100 and set(client) <= set(PLAIN)
    try:
        assert names.check_channel(name) == name
        assert is_good
    except InvalidName:
        assert not is_good


@pytest.mark.parametrize("name", ["", "a!b", "a?b", "a\n", "x" * 101, "ü", b"a", None])
def test_bad_group_names_are_refused(name: object) -> None:
    """A group's name holds neither mark."""
    with pytest.raises(InvalidName):
        names.check_group(name)


def test_good_group_names_are_given_back() -> None:
    """A group's name within the rules comes back as it is."""
    assert names.check_group("board.thread.5") == "board.thread.5"


@given(words)
def test_normal_names_lie_on_their_own_list(name: str) -> None:
    """A normal channel is its own list and has no single reader or owner."""
    assert names.list_name(name) == name
    assert not names.is_process_specific(name)
    assert not names.is_single_reader(name)
    assert not names.is_inbox(name)


@given(words, words)
def test_process_names_lie_on_their_process_list(process: str, client: str) -> None:
    """All channels of one process lie on the list `PROC!`, which knows its client's part."""
    inbox = process + "!"
    full = names.member_name(inbox, client)
    assert names.check_channel(full) == full
    assert names.list_name(full) == inbox == names.list_name(inbox)
    assert names.is_inbox(inbox)
    assert not names.is_inbox(full)
    assert names.is_process_specific(full)
    assert names.client_of(full) == client


@given(words, words)
def test_single_reader_names_are_made_of_a_pattern(head: str, random_text: str) -> None:
    """A pattern that ends in its only `?` plus random text is a single-reader channel."""
    full = names.filled_pattern(head + "?", random_text)
    assert full == f"{head}?{random_text}"
    assert names.is_single_reader(full)
    assert names.list_name(full) == full


@pytest.mark.parametrize("pattern", ["", "a", "a!", "a?b", "?", "a??", None, b"a?"])
def test_other_patterns_are_refused(pattern: str) -> None:
    """A pattern without its one `?` at the end is refused."""
    with pytest.raises(InvalidName):
        names.filled_pattern(pattern, "x")
