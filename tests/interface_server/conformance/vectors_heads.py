"""Vectors of a head's lines: line ends, blanks, and the bytes in names and values."""

from collections.abc import Iterator

from tests.interface_server.conformance.vector import (
    Allows,
    Vector,
    doubtful,
    get,
    head,
    refused,
    taken,
)

_LINES = "9112 2.2"
_FIELDS = "9112 5.1"
_VALUES = "9110 5.5"
_NAMES = "9110 5.1"
_LINE = b"GET / HTTP/1.1"

LINE_ENDS = (
    doubtful("lf-ends-all-lines", _LINES, b"GET / HTTP/1.1\nHost: x\n\n"),
    doubtful("lf-ends-the-request-line", _LINES, b"GET / HTTP/1.1\nHost: x\r\n\r\n"),
    doubtful("lf-ends-a-header", _LINES, get(b"A: b\nB: c")),
    doubtful("lf-ends-the-head", _LINES, b"GET / HTTP/1.1\r\nHost: x\r\n\n"),
    doubtful("lf-ends-the-last-header", _LINES, b"GET / HTTP/1.1\r\nHost: x\n\r\n"),
    doubtful("lf-hides-a-header", _LINES, get(b"A: b\nContent-Length: 5") + b"hello"),
    doubtful("cr-in-a-value", _LINES, get(b"A: b\rc")),
    doubtful("cr-in-a-name", _LINES, get(b"A\rB: c")),
    doubtful("cr-hides-a-header", _LINES, get(b"A: b\rContent-Length: 5") + b"hello"),
    doubtful("cr-before-crlf", _LINES, get(b"A: b\r")),
    doubtful("cr-at-the-begin-of-a-line", _LINES, get(b"\rA: b")),
    doubtful("cr-ends-all-lines", _LINES, b"GET / HTTP/1.1\rHost: x\r\r"),
    doubtful("cr-in-the-request-line", _LINES, head(b"GET /\rHTTP/1.1", b"Host: x")),
    doubtful("cr-cr-lf-ends-the-head", _LINES, b"GET / HTTP/1.1\r\nHost: x\r\n\r\r\n"),
    doubtful("lf-cr-ends-the-head", _LINES, b"GET / HTTP/1.1\r\nHost: x\n\r\n\r"),
    taken("crlf-before-the-request-line", _LINES, b"\r\n" + get(), "GET /"),
    taken("crlf-four-times-before-the-request-line", _LINES, b"\r\n" * 4 + get(), "GET /"),
    doubtful("crlf-a-thousand-times-before-the-request-line", _LINES, b"\r\n" * 1000 + get()),
    taken(
        "crlf-behind-a-body",
        "9112 2.2",
        head(b"POST / HTTP/1.1", b"Host: x", b"Content-Length: 5") + b"hello\r\n",
        "POST / hello",
    ),
    doubtful("lf-before-the-request-line", _LINES, b"\n" + get()),
    refused("cr-before-the-request-line", _LINES, b"\r" + get()),
    refused("blank-line-of-spaces-before-the-request-line", _LINES, b"  \r\n" + get()),
)

BLANKS = (
    doubtful("fold-with-space", "9112 5.2", get(b"A: b", b" c")),
    doubtful("fold-with-tab", "9112 5.2", get(b"A: b", b"\tc")),
    doubtful("fold-that-looks-like-a-header", "9112 5.2", get(b"A: b", b" Content-Length: 5")),
    doubtful("fold-of-blanks-only", "9112 5.2", get(b"A: b", b" ")),
    doubtful("fold-of-the-host", "9112 5.2", head(_LINE, b"Host:", b" x")),
    doubtful("fold-on-the-first-line", _LINES, head(_LINE, b" Host: x", b"Host: x")),
    doubtful("fold-on-the-first-line-with-tab", _LINES, head(_LINE, b"\tA: b", b"Host: x")),
    refused("fold-on-the-first-line-is-the-only-host", _LINES, head(_LINE, b" Host: x")),
    refused("space-before-colon", _FIELDS, get(b"A : b")),
    refused("tab-before-colon", _FIELDS, get(b"A\t: b")),
    refused("space-before-the-colon-of-host", _FIELDS, head(_LINE, b"Host : x")),
    refused("space-before-the-colon-of-length", _FIELDS, get(b"Content-Length : 5") + b"hello"),
    refused("space-in-a-name", _NAMES, get(b"A B: c")),
    taken("value-without-blank", _FIELDS, get(b"A:b"), "GET /", shows=((b"a", b"b"),)),
    taken("value-between-blanks", _FIELDS, get(b"A: \t b c \t"), "GET /", shows=((b"a", b"b c"),)),
    taken("value-empty", _FIELDS, get(b"A:"), "GET /", shows=((b"a", b""),)),
    taken("value-of-blanks", _FIELDS, get(b"A: \t "), "GET /", shows=((b"a", b""),)),
    taken("value-with-tab", _VALUES, get(b"A: b\tc"), "GET /", shows=((b"a", b"b\tc"),)),
    taken("value-with-colons", _VALUES, get(b"A: b: c:"), "GET /", shows=((b"a", b"b: c:"),)),
)

NAMES = (
    refused("name-empty", _NAMES, get(b": b")),
    refused("name-and-colon-missing", _FIELDS, get(b"A b")),
    refused("name-without-colon", _FIELDS, get(b"A")),
    refused("name-in-quotes", _NAMES, get(b'"A": b')),
    refused("name-with-slash", _NAMES, get(b"A/B: c")),
    refused("name-with-bracket", _NAMES, get(b"A[B: c")),
    refused("name-with-at", _NAMES, get(b"A@B: c")),
    refused("name-with-comma", _NAMES, get(b"A,B: c")),
    refused("name-with-semicolon", _NAMES, get(b"A;B: c")),
    refused("name-with-equals", _NAMES, get(b"A=B: c")),
    refused("name-with-backslash", _NAMES, get(b"A\\B: c")),
    refused("name-in-utf-8", _NAMES, get("Ä: b".encode())),
    refused("name-host-with-kelvin-sign", _NAMES, get("To\u212aen: b".encode())),
    refused("name-length-with-nul", _NAMES, get(b"Content-Length\x00: 5") + b"hello"),
    taken(
        "name-of-all-token-characters",
        "9110 5.6.2",
        get(b"!#$%&'*+-.^`|~09AZaz: b"),
        "GET /",
        shows=((b"!#$%&'*+-.^`|~09azaz", b"b"),),
    ),
    taken("name-with-underscore", _NAMES, get(b"A_B: c"), "GET /", hides=(b"a_b", b"a-b")),
    taken(
        "name-repeated",
        "9110 5.2",
        get(b"A: 1", b"a: 2"),
        "GET /",
        shows=((b"a", b"1"), (b"a", b"2")),
    ),
)

_ODD_BYTES = {
    "nul": 0x00,
    "start-of-heading": 0x01,
    "backspace": 0x08,
    "vertical-tab": 0x0B,
    "form-feed": 0x0C,
    "escape": 0x1B,
    "file-separator": 0x1C,
    "group-separator": 0x1D,
    "record-separator": 0x1E,
    "unit-separator": 0x1F,
    "delete": 0x7F,
}
"""Controls that some parser takes for a blank, a line end or the end of a text."""

_HIGH_BYTES = {
    "high-80": 0x80,
    "next-line": 0x85,
    "no-break-space": 0xA0,
    "soft-hyphen": 0xAD,
    "e-acute": 0xE9,
    "high-ff": 0xFF,
}


def _bytes_in_names() -> Iterator[Vector]:
    for word, number in (_ODD_BYTES | _HIGH_BYTES).items():
        byte = bytes((number,))
        yield refused(f"name-with-{word}", _NAMES, get(b"A" + byte + b"B: c"))
        yield refused(f"name-ended-by-{word}", _NAMES, get(b"A" + byte + b": c"))


def _bytes_in_values() -> Iterator[Vector]:
    for word, number in _ODD_BYTES.items():
        byte = bytes((number,))
        yield doubtful(f"value-with-{word}", _VALUES, get(b"A: b" + byte + b"c"))
        yield doubtful(f"value-ended-by-{word}", _VALUES, get(b"A: b" + byte))
    for word, number in _HIGH_BYTES.items():
        byte = bytes((number,))
        value = b"b" + byte + b"c" + byte
        yield taken(
            f"value-with-{word}",
            _VALUES,
            get(b"A: " + value),
            "GET /",
            allows=Allows.EITHER,
            shows=((b"a", value),),
        )


SIZES = (
    doubtful(
        "request-line-over-long", "9112 3", head(b"GET /" + b"a" * 40_000 + b" HTTP/1.1"), 414
    ),
    doubtful("query-over-long", "9112 3", head(b"GET /?" + b"a" * 40_000 + b" HTTP/1.1"), 414),
    doubtful("method-that-never-ends", "9112 3", b"G" * 40_000, 414),
    doubtful("header-over-long", "9110 5.4", get(b"A: " + b"a" * 40_000), 431),
    doubtful("name-over-long", "9110 5.4", get(b"A" * 40_000 + b": b"), 431),
    doubtful(
        "header-that-never-ends", "9110 5.4", head(_LINE, b"Host: x")[:-2] + b"A" * 40_000, 431
    ),
    doubtful("headers-too-many", "9110 5.4", get(*[b"A: b"] * 101), 431),
    doubtful("headers-too-many-and-too-long", "9110 5.4", get(*[b"A: " + b"b" * 400] * 99), 431),
    taken("headers-many", "9110 5.4", get(*[b"A: b"] * 90), "GET /"),
    taken("header-long", "9110 5.4", get(b"A: " + b"a" * 7_000), "GET /"),
    taken(
        "target-long", "9112 3", head(b"GET /?" + b"a" * 7_000 + b" HTTP/1.1", b"Host: x"), "GET /"
    ),
)

FAULTS_BEHIND_GOOD_REQUESTS = (
    refused("fault-behind-a-good-request", _LINES, get() + b"nonsense\r\n\r\n", before=("GET /",)),
    refused(
        "fault-in-the-head-behind-a-good-request",
        _FIELDS,
        get() + get(b"A : b"),
        before=("GET /",),
    ),
    refused(
        "bytes-behind-a-body-are-a-request",
        "9112 6.3",
        head(b"POST / HTTP/1.1", b"Host: x", b"Content-Length: 5") + b"hello!",
        501,
        before=("POST / hello",),
    ),
)

TLS_HELLO = Vector(
    "tls-hello",
    "9112 3",
    b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"\x5a" * 32 + b"\r\n",
    Allows.REJECT,
    (400,),
)

VECTORS: tuple[Vector, ...] = (
    *LINE_ENDS,
    *BLANKS,
    *NAMES,
    *_bytes_in_names(),
    *_bytes_in_values(),
    *SIZES,
    *FAULTS_BEHIND_GOOD_REQUESTS,
    TLS_HELLO,
)
