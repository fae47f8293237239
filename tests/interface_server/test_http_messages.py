"""The rules of request heads, as tables; over real sockets they are in test_http1_refusals.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interface_server.http_messages import (
    RequestHead,
    RequestRefused,
    incomplete_head_fault,
    parse_head,
)
from interface_server.proxies import Peer
from interface_server.request_message import packed_request
from shared import codec


def head(line: bytes = b"GET / HTTP/1.1", *headers: bytes) -> RequestHead:
    """The head of that request line and headers, with a Host."""
    return parse_head(b"\r\n".join((line, b"Host: x", *headers)) + b"\r\n\r\n", 100)


@pytest.mark.parametrize(
    ("headers", "keeps"),
    [
        ((), True),
        ((b"Connection: close",), False),
        ((b"Connection: keep-alive, Close",), False),
        ((b"Connection: a", b"Connection: close"), False),
    ],
)
def test_a_connection_is_kept_unless_it_is_to_close(
    headers: tuple[bytes, ...], keeps: bool
) -> None:
    """Every Connection header and every token counts."""
    assert head(b"GET / HTTP/1.1", *headers).keeps_alive is keeps


def test_http_1_0_ends_unless_it_is_to_stay() -> None:
    """The older version's default is the other way round."""
    assert not head(b"GET / HTTP/1.0").keeps_alive
    assert head(b"GET / HTTP/1.0", b"Connection: keep-alive").keeps_alive


def test_a_body_is_announced_by_length_or_chunks() -> None:
    """Content-Length and Transfer-Encoding say how the body ends."""
    assert head(b"POST / HTTP/1.1", b"Content-Length: 12").content_length == 12
    assert head(b"POST / HTTP/1.1", b"Transfer-Encoding: Chunked").is_chunked
    assert not head(b"POST / HTTP/1.1", b"Content-Length: 0").has_body
    assert not head(b"POST / HTTP/1.1").has_body


@pytest.mark.parametrize(
    "headers",
    [
        (b"Content-Length: 5", b"Content-Length: 6"),
        (b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: chunked, chunked",),
        (b"Transfer-Encoding: xchunked",),
        (b"Content-Length:",),
        (b"Content-Length: 1 2",),
    ],
)
def test_a_body_whose_end_is_doubtful_is_refused(headers: tuple[bytes, ...]) -> None:
    """What two programs could frame differently is no request (RFC 9112 section 11.2)."""
    with pytest.raises(RequestRefused) as refused:
        head(b"POST / HTTP/1.1", *headers)
    assert refused.value.status in (400, 501)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"GET  / HTTP/1.1", 400),
        (b"GET /  HTTP/1.1", 400),
        (b"GET http://:80/a HTTP/1.1", 400),
        (b"GET http://x:65536/a HTTP/1.1", 400),
        (b"M" * 33 + b" / HTTP/1.1", 501),
        (b"M" * 1000 + b" / HTTP/1.1", 501),
        (b"GET / HTTP/1.2", 505),
        (b"GET / HTTP/3.0", 505),
        (b"GET / HTTP/1.10", 400),
    ],
)
def test_a_request_line_that_is_none_is_refused(line: bytes, status: int) -> None:
    """Two blanks, a known method, a version of ours and an address with a host."""
    with pytest.raises(RequestRefused) as refused:
        head(line)
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("host", "is_one"),
    [
        (b"a.example", True),
        (b"a%2db:0", True),
        (b"x:65535", True),
        (b"x:", True),
        (b"[::1]:80", True),
        (b"x:65536", False),
        (b"x:99999", False),
        (b"x:000080", False),
        (b"%zz", False),
        (b"a%2", False),
        (b"x,y", False),
        (b"[::1", False),
    ],
)
def test_a_host_is_a_name_or_an_address_with_a_port(host: bytes, is_one: bool) -> None:
    """What no name service knows is refused before a worker makes a link of it."""
    raw = b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"
    if is_one:
        assert parse_head(raw, 100).headers == ((b"host", host),)
        return
    with pytest.raises(RequestRefused) as refused:
        parse_head(raw, 100)
    assert refused.value.status == 400


def test_a_trace_has_no_body() -> None:
    """Source: RFC 9110 section 9.3.8."""
    assert head(b"TRACE / HTTP/1.1").method == "TRACE"
    for framing in (b"Content-Length: 1", b"Transfer-Encoding: chunked"):
        with pytest.raises(RequestRefused):
            head(b"TRACE / HTTP/1.1", framing)


def test_a_whole_https_address_is_told_apart() -> None:
    """Only the scheme of the target counts, in any case."""
    assert head(b"GET HTTPS://x/a HTTP/1.1").is_for_https
    assert not head(b"GET http://x/https://x HTTP/1.1").is_for_https
    assert not head(b"GET /https://x HTTP/1.1").is_for_https


def test_only_a_get_is_a_handshake() -> None:
    """Upgrade: websocket needs GET, HTTP/1.1 and the token in Connection."""
    both = (b"Connection: upgrade", b"Upgrade: websocket")
    assert head(b"GET / HTTP/1.1", *both).is_websocket
    assert not head(b"POST / HTTP/1.1", *both).is_websocket
    assert not head(b"GET / HTTP/1.0", *both).is_websocket
    assert not head(b"GET / HTTP/1.1", b"Upgrade: websocket").is_websocket
    assert not head(b"GET / HTTP/1.1", b"Connection: upgrade", b"Upgrade: h2c").is_websocket


def test_an_expectation_counts_for_http_1_1_only() -> None:
    """Source: RFC 9110 section 10.1.1."""
    assert head(b"POST / HTTP/1.1", b"Expect: 100-Continue").expects_continue
    assert not head(b"POST / HTTP/1.0", b"Expect: 100-continue").expects_continue


@given(st.text(alphabet=st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
def test_every_path_of_text_arrives(path: str) -> None:
    """Percent-encoding is taken off and nothing else."""
    encoded = b"".join(b"%%%02x" % byte for byte in path.encode())
    assert head(b"GET /" + encoded + b" HTTP/1.1").path == "/" + path


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_no_bytes_stop_the_parser(line: bytes, field: bytes) -> None:
    """A head is understood or refused; what is understood can be sent."""
    raw = b"GET /" + line + b" HTTP/1.1\r\nHost: x\r\nA: " + field + b"\r\n\r\n"
    raw = raw[: raw.index(b"\r\n\r\n") + 4]
    try:
        understood = parse_head(raw, 100)
    except RequestRefused:
        return
    message = codec.decode_http_request(
        packed_request(understood, Peer(("127.0.0.1", 1)), "c!1", "id")
    )
    assert message.path == understood.path
    assert message.headers == understood.headers


@given(st.integers(0, 60))
def test_the_first_bytes_of_a_good_head_are_never_at_fault(size: int) -> None:
    """What can still become a head is waited for."""
    raw = b"GET / HTTP/1.1\r\nHost: x\r\nAccept: text/html, */*\r\n\r\n"[:-2]
    assert incomplete_head_fault(raw[:size]) is None
