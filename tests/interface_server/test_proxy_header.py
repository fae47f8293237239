"""Headers of the PROXY protocol: each form, each fault, cut anywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interface_server.listening.proxy_header import (
    V2_SIGNATURE,
    BadProxyHeader,
    ProxyHeader,
    read_header,
)

TCP4 = b"PROXY TCP4 203.0.113.7 10.0.0.2 4000 80\r\n"
V2_TCP4 = (
    V2_SIGNATURE + b"\x21\x11\x00\x0c" + bytes([203, 0, 113, 7, 10, 0, 0, 2]) + b"\x0f\xa0\x00\x50"
)
V2_TCP6 = (
    V2_SIGNATURE + b"\x21\x21\x00\x24" + b"\x20\x01\x0d\xb8" + b"\0" * 11 + b"\x01"
    b"" + b"\0" * 15 + b"\x01" + b"\x0f\xa0\x00\x50"
)
V2_MAPPED = (
    V2_SIGNATURE
    + b"\x21\x21\x00\x24"
    + b"\0" * 10
    + b"\xff\xff"
    + bytes([203, 0, 113, 7])
    + b"\0" * 10
    + b"\xff\xff"
    + bytes([10, 0, 0, 2])
    + b"\x0f\xa0\x00\x50"
)
ENDS = (("203.0.113.7", 4000), ("10.0.0.2", 80))
ENDS6 = (("2001:db8::1", 4000), ("::1", 80))


@pytest.mark.parametrize(
    ("header", "meant"),
    [
        (TCP4, (False, *ENDS)),
        (b"PROXY TCP6 2001:db8::1 ::1 4000 80\r\n", (False, *ENDS6)),
        (b"PROXY UNKNOWN\r\n", (False, None, None)),
        (b"PROXY UNKNOWN ffff:f...f ffff 65535 65535\r\n", (False, None, None)),
        (V2_TCP4, (False, *ENDS)),
        (V2_TCP6, (False, *ENDS6)),
        (b"PROXY TCP6 ::ffff:203.0.113.7 ::ffff:10.0.0.2 4000 80\r\n", (False, *ENDS)),
        (V2_MAPPED, (False, *ENDS)),
        (V2_TCP4.replace(b"\x00\x0c", b"\x00\x10", 1) + b"\x04\x00\x01x", (False, *ENDS)),
        (V2_SIGNATURE + b"\x20\x00\x00\x00", (True, None, None)),
        (V2_SIGNATURE + b"\x20\x11\x00\x0c" + b"\1" * 12, (True, None, None)),
        (V2_SIGNATURE + b"\x21\x00\x00\x00", (False, None, None)),
        (V2_SIGNATURE + b"\x21\x31\x00\xd8" + b"\0" * 216, (False, None, None)),
    ],
)
def test_a_header_says_whose_connection_it_is(header: bytes, meant: tuple[object, ...]) -> None:
    """Wherever it is cut it is incomplete, and what comes behind it is not read."""
    for cut in range(len(header)):
        assert read_header(header[:cut]) is None
    whole = ProxyHeader(len(header), *meant)  # type: ignore[arg-type]
    assert read_header(header) == whole
    assert read_header(header + b"GET / HTTP/1.1\r\n") == whole


@pytest.mark.parametrize(
    "header",
    [
        b"GET / HTTP/1.1\r\n",
        b"proxy TCP4 1.2.3.4 1.2.3.4 1 1\r\n",
        b"PROXY  TCP4 1.2.3.4 1.2.3.4 1 1\r\n",
        b"PROXY TCP5 1.2.3.4 1.2.3.4 1 1\r\n",
        b"PROXY TCP4 1.2.3 1.2.3.4 1 1\r\n",
        b"PROXY TCP4 01.2.3.4 1.2.3.4 1 1\r\n",
        b"PROXY TCP4 ::1 ::1 1 1\r\n",
        b"PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 -1 1\r\n",
        b"PROXY UNKNOWN " + b"x" * 94 + b"\r\n",
        b"PROXY UNKNOWN " + b"x" * 100,
        V2_SIGNATURE + b"\x11\x11\x00\x0c" + b"\0" * 12,
        V2_SIGNATURE + b"\x22\x11\x00\x0c" + b"\0" * 12,
        V2_SIGNATURE + b"\x21\x12\x00\x0c" + b"\0" * 12,
        V2_SIGNATURE + b"\x21\x11\x00\x0b" + b"\0" * 11,
        V2_SIGNATURE + b"\x21\x21\x00\x0c" + b"\0" * 12,
        V2_SIGNATURE + b"\x21\x11\xff\xff",
    ],
)
def test_what_is_no_header_is_refused(header: bytes) -> None:
    """A doubt about who asks is no reason to guess."""
    with pytest.raises(BadProxyHeader):
        read_header(header)


@given(st.binary(max_size=300), st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", V2_SIGNATURE]))
def test_any_bytes_are_a_header_or_refused_or_incomplete(rest: bytes, begin: bytes) -> None:
    """Nothing else comes out, and no header is longer than what came."""
    try:
        header = read_header(begin + rest)
    except BadProxyHeader:
        return
    assert header is None or header.length <= len(begin + rest)
