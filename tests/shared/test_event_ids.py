"""Ids of events: written by servers, brought back by whoever, read by workers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.event_ids import MAX_GROUPS, event_id, read_event_id

POSITIONS = st.dictionaries(
    st.from_regex(r"[A-Za-z0-9._-]{1,100}", fullmatch=True),
    st.tuples(st.from_regex(r"[a-z0-9.]{1,40}", fullmatch=True), st.integers(0, 10**15 - 1)),
    min_size=1,
    max_size=MAX_GROUPS,
)


@given(POSITIONS)
def test_what_was_written_is_read(positions: dict[str, tuple[str, int]]) -> None:
    """All groups with their positions."""
    written = event_id((group, *position) for group, position in positions.items())
    assert written.isascii()
    assert read_event_id(written) == positions


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """What is read can be written again as the same id."""
    found = read_event_id(text)
    if found is not None:
        again = read_event_id(event_id((group, *at) for group, at in found.items()))
        assert again == found


@pytest.mark.parametrize(
    "text",
    [
        *("", "7", "g:1", "g:e:", ":e:1", "g:e:-1", "g:e:1,", "g:e:1;h:e:1", "g:e:1\n", "g:é:1"),
        "g:e:" + "9" * 16,
        "ö:e:1",
        ",".join(f"g{no}:e:1" for no in range(MAX_GROUPS + 1)),
    ],
)
def test_foreign_ids_are_none(text: str) -> None:
    """A client may have an id of another server, or invent one."""
    assert read_event_id(text) is None
