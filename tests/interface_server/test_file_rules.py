"""Conditions of requests for files that no client of good will sends."""

import pytest

from interface_server.file_rules import is_unchanged, range_holds


@pytest.mark.parametrize(
    "date",
    [
        b"Mon, 01 Jan 2000888888888 05:00:00 +0000",
        b"Mon, 01 Jan 2000 05:00:00 +9999999999999",
        b"Mon, 01 Jan 99999999999999999999 05:00:00 GMT",
    ],
)
def test_a_date_beyond_all_numbers_is_none(date: bytes) -> None:
    """A date that no clock can show is left out of account."""
    assert not is_unchanged([], [date], b'"a"', 0)
    assert not range_holds([date], b'"a"', 0)
