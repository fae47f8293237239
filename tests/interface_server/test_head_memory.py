"""Heads that come again: known ones mean the same, and few are kept."""

import pytest

from interface_server.head_memory import MAX_HEADS, MAX_REMEMBERED, HeadMemory
from interface_server.http_messages import RequestRefused, parse_head

PROBE = b"GET /%b HTTP/1.1\r\nHost: x\r\n%b\r\n"


@pytest.mark.parametrize(
    ("more", "is_kept"),
    [
        (b"", True),
        (b"Accept-Encoding: gzip\r\n", True),
        (b"Cookie: a=b\r\n", False),
        (b"AUTHORIZATION: Basic x\r\n", False),
        (b"Content-Length: 1\r\n", False),
        (b"X: " + b"x" * MAX_REMEMBERED + b"\r\n", False),
    ],
)
def test_a_head_means_the_same_each_time(more: bytes, is_kept: bool) -> None:
    """It is kept when it is short, without secrets and without a body."""
    memory, raw = HeadMemory(100), PROBE % (b"a", more)
    first, second = memory.read(raw), memory.read(bytes(bytearray(raw)))
    assert first == second
    assert first._replace(part=None) == parse_head(raw, 100)
    assert (first is second) is is_kept


def test_a_refused_head_is_refused_each_time() -> None:
    """What is wrong is never remembered as right."""
    memory = HeadMemory(1)
    for raw in (PROBE % (b"a", b"Host: y\r\n"), PROBE % (b"a", b"A: b\r\nC: d\r\n")):
        for _ in range(2):
            with pytest.raises(RequestRefused):
                memory.read(raw)


def test_few_heads_are_kept() -> None:
    """Past the bound all are forgotten, and read anew."""
    memory = HeadMemory(100)
    first = memory.read(PROBE % (b"first", b""))
    for at in range(MAX_HEADS):
        memory.read(PROBE % (b"%d" % at, b""))
    again = memory.read(PROBE % (b"first", b""))
    assert again == first
    assert again is not first
