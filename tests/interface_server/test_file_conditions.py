"""Conditions of requests for files, by the sections of RFC 9110."""

import pytest

from interface_server.file_conditions import condition_status, range_holds

TAG = b'"a-1"'
MODIFIED_S = 784111777
AT = b"Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = b"Sun, 06 Nov 1994 08:49:36 GMT"
AFTER = b"Sun, 06 Nov 1994 08:49:38 GMT"


def status(**asked: bytes | list[bytes]) -> int:
    """What the headers, `if_match=b"…"`, come to."""
    headers = {
        name.replace("_", "-").encode(): value if isinstance(value, list) else [value]
        for name, value in asked.items()
    }
    return condition_status(headers, TAG, MODIFIED_S)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (TAG, 200),
        (b"*", 200),
        (b" * ", 200),
        (b'"x", ' + TAG + b" ", 200),
        ([b'"x"', TAG], 200),
        (b"W/" + TAG, 412),
        (b'"x"', 412),
        (b"a-1", 412),
        (b"", 412),
        (b"*, " + TAG, 412),
        (b'"x, ' + TAG, 412),
    ],
)
def test_if_match_compares_strongly(value: bytes | list[bytes], expected: int) -> None:
    """Section 13.1.1."""
    assert status(if_match=value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (TAG, 304),
        (b"*", 304),
        (b"W/" + TAG, 304),
        (b'"x",' + TAG, 304),
        ([b'"x"', b"W/" + TAG], 304),
        (b'"x"', 200),
        (b"a-1", 200),
        (b'"a,b", "c"', 200),
        (b"", 200),
    ],
)
def test_if_none_match_compares_weakly(value: bytes | list[bytes], expected: int) -> None:
    """Section 13.1.2."""
    assert status(if_none_match=value) == expected


@pytest.mark.parametrize(
    ("value", "since", "unmodified"),
    [
        (BEFORE, 200, 412),
        (AT, 304, 200),
        (AFTER, 304, 200),
        (b"Sunday, 06-Nov-94 08:49:37 GMT", 304, 200),
        (b"Sun Nov  6 08:49:37 1994", 304, 200),
        (b"never", 200, 200),
        (b"0", 200, 200),
        ([AT, BEFORE], 200, 200),
    ],
)
def test_dates_are_compared_by_the_second(
    value: bytes | list[bytes], since: int, unmodified: int
) -> None:
    """Sections 13.1.3 and 13.1.4, in the three forms of section 5.6.7; what is no date is none."""
    assert status(if_modified_since=value) == since
    assert status(if_unmodified_since=value) == unmodified


def test_tags_count_before_dates_and_refusals_before_all() -> None:
    """Section 13.2.2."""
    assert status(if_match=TAG, if_unmodified_since=BEFORE) == 200
    assert status(if_match=b'"x"', if_unmodified_since=AFTER) == 412
    assert status(if_none_match=b'"x"', if_modified_since=AT) == 200
    assert status(if_none_match=TAG, if_modified_since=BEFORE) == 304
    assert status(if_match=b'"x"', if_none_match=TAG) == 412
    assert status(if_match=TAG, if_none_match=TAG) == 304
    assert status(if_unmodified_since=BEFORE, if_none_match=TAG) == 412
    assert status(if_unmodified_since=AT, if_modified_since=AT) == 304
    assert status() == 200


@pytest.mark.parametrize(
    ("values", "holds"),
    [
        ([], True),
        ([TAG], True),
        ([b"W/" + TAG], False),
        ([b'"x"'], False),
        ([AT], True),
        ([BEFORE], False),
        ([AFTER], False),
        ([b"x"], False),
        ([TAG, TAG], False),
    ],
)
def test_if_range_names_this_very_state(values: list[bytes], holds: bool) -> None:
    """Section 13.1.5."""
    assert range_holds(values, TAG, MODIFIED_S) is holds


@pytest.mark.parametrize(
    "date",
    [
        b"Mon, 01 Jan 2000888888888 05:00:00 +0000",
        b"Mon, 01 Jan 2000 05:00:00 +9999999999999",
        b"Mon, 01 Jan 99999999999999999999 05:00:00 GMT",
        b"\xff",
    ],
)
def test_a_date_beyond_all_numbers_is_none(date: bytes) -> None:
    """A date that no clock can show is left out of account."""
    assert status(if_modified_since=date) == status(if_unmodified_since=date) == 200
    assert not range_holds([date], TAG, 0)
