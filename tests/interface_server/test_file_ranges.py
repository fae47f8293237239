"""Ranges of files: RFC 9110 section 14, and what one request may cost."""

from email import message_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interface_server.file_ranges import MAX_RANGES, PART_OVERHEAD, Span, part_heads, wanted_spans

SIZE = 10_000


@pytest.mark.parametrize(
    ("value", "spans"),
    [
        (b"bytes=0-0", [(0, 1)]),
        (b"bytes=2-4", [(2, 3)]),
        (b"bytes=3-", [(3, SIZE - 3)]),
        (b"bytes=-3", [(SIZE - 3, 3)]),
        (b"bytes=-99999", [(0, SIZE)]),
        (b"bytes=0-99999999999", [(0, SIZE)]),
        (b"Bytes= 0-0 ", [(0, 1)]),
        (b"bytes=0-0, 5000-5001", [(0, 1), (5000, 2)]),
        (b"bytes=5000-5001,0-0", [(5000, 2), (0, 1)]),
        (b"bytes=0-0,,", [(0, 1)]),
        (b"bytes=0-0,99999-", [(0, 1)]),
        (b"bytes=%d-" % SIZE, []),
        (b"bytes=99999-, 100000-100001", []),
        (b"bytes=-0", []),
        (b"bytes=0-9,5-15", [(0, 16)]),
        (b"bytes=0-9,10-19", [(0, 20)]),
        (b"bytes=5000-5001,0-0,4950-4960,5050-5051", [(4950, 102), (0, 1)]),
    ],
)
def test_ranges_that_are_followed(value: bytes, spans: list[tuple[int, int]]) -> None:
    """In the order asked for; those that overlap or nearly touch are one."""
    assert wanted_spans([value], SIZE) == tuple(spans)


@pytest.mark.parametrize(
    "values",
    [
        [],
        [b"bytes=0-1", b"bytes=0-1"],
        [b"lines=0-1"],
        [b"bytes"],
        [b"bytes="],
        [b"bytes=-"],
        [b"bytes=,"],
        [b"bytes=5-3"],
        [b"bytes=a-b"],
        [b"bytes=0-1,x"],
        [b"bytes=0 - 1"],
        [b"bytes=0-1,5-3"],
        [b"bytes=%s" % (b"9" * 30 + b"-")],
        [b"bytes=" + b",".join(b"%d-%d" % (at, at) for at in range(0, SIZE, 300))],
        [b"bytes=0-,0-,0-"],
        [b"bytes=0-6000,0-6000"],
    ],
)
def test_ranges_that_mean_the_whole_file(values: list[bytes]) -> None:
    """What is not understood, too many, or more than the file itself."""
    assert wanted_spans(values, SIZE) is None


def test_an_empty_file_has_no_bytes_to_ask_for() -> None:
    """416, from its start or its end."""
    assert wanted_spans([b"bytes=0-"], 0) == wanted_spans([b"bytes=-5"], 0) == ()


RANGES = st.lists(
    st.tuples(st.integers(0, 3000), st.integers(0, 300)), min_size=1, max_size=MAX_RANGES
)


@given(RANGES)
def test_every_byte_asked_for_is_sent_once(asked: list[tuple[int, int]]) -> None:
    """All of what was asked for, little else, nothing twice."""
    listed = b",".join(b"%d-%d" % (start, start + more) for start, more in asked)
    spans = wanted_spans([b"bytes=" + listed], SIZE)
    wanted = {at for start, more in asked for at in range(start, start + more + 1)}
    if spans is None:
        assert sum(more + 1 for _, more in asked) >= SIZE
        return
    sent = [at for span in spans for at in range(span.start, span.end)]
    assert len(set(sent)) == len(sent) <= len(wanted) + PART_OVERHEAD * len(asked)
    assert wanted <= set(sent)


@given(st.binary(max_size=40), st.integers(0, 50))
def test_any_bytes_have_a_meaning(value: bytes, size: int) -> None:
    """Spans lie in the file, whatever was sent."""
    for span in wanted_spans([b"bytes=" + value], size) or ():
        assert 0 <= span.start < span.end <= size


def test_parts_stand_between_boundaries() -> None:
    """Another program reads them as MIME says."""
    heads = part_heads([Span(0, 2), Span(7, 1)], b"text/css", 8, b"xyz")
    body = heads[0] + b"bo" + heads[1] + b"}" + heads[2]
    whole = message_from_bytes(b"Content-Type: multipart/byteranges; boundary=xyz\r\n\r\n" + body)
    parts = whole.get_payload()
    assert isinstance(parts, list)
    read = [(part["Content-Type"], part["Content-Range"], part.get_payload()) for part in parts]
    assert read == [("text/css", "bytes 0-1/8", "bo"), ("text/css", "bytes 7-7/8", "}")]
