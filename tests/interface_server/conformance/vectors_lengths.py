"""Vectors of Content-Length and Transfer-Encoding: how long a body is said to be.

The chunks themselves stand in `vectors_chunks.py`.
"""

from tests.interface_server.conformance.vector import (
    PROBE,
    Allows,
    Vector,
    chunked,
    doubtful,
    head,
    last,
    post,
    refused,
    taken,
)

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
HELLO = b"5\r\nhello\r\n0\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked"
FIVE = b"Content-Length: 5"

_LENGTHS = "9112 6.3"
_CODINGS = "9112 6.1"


def _length(value: bytes) -> bytes:
    return post(b"Content-Length:" + value)


def _coding(value: bytes) -> bytes:
    return post(b"Transfer-Encoding:" + value, body=HELLO)


CONTENT_LENGTH = (
    taken("length", _LENGTHS, _length(b" 5"), "POST / hello"),
    taken("length-zero", _LENGTHS, post(b"Content-Length: 0", body=b""), "POST /"),
    taken("length-missing-on-post", _LENGTHS, post(body=b""), "POST /"),
    taken("length-without-blank", "9112 5.1", _length(b"5"), "POST / hello"),
    taken("length-between-tabs", "9112 5.1", _length(b"\t 5\t "), "POST / hello"),
    taken("length-with-leading-zeros", "9110 8.6", _length(b" 0005"), "POST / hello"),
    taken("length-in-capitals", "9110 5.1", post(b"CONTENT-LENGTH: 5"), "POST / hello"),
    last(
        "length-that-covers-the-probe",
        _LENGTHS,
        post(b"Connection: close", b"Content-Length: %d" % (5 + len(PROBE))),
        "POST / hello" + PROBE.decode(),
    ),
    refused("length-repeated-conflicting", _LENGTHS, post(FIVE, b"Content-Length: 6")),
    refused("length-repeated-conflicting-zero", _LENGTHS, post(b"Content-Length: 0", FIVE)),
    refused("length-repeated-in-other-case", _LENGTHS, post(FIVE, b"content-length: 6")),
    doubtful("length-repeated-same", _LENGTHS, post(FIVE, FIVE)),
    doubtful("length-repeated-same-number", _LENGTHS, post(FIVE, b"Content-Length: 05")),
    doubtful("length-list-same", _LENGTHS, _length(b" 5, 5")),
    refused("length-list-conflicting", _LENGTHS, _length(b" 5, 6")),
    refused("length-list-with-empty-element", _LENGTHS, _length(b" 5,")),
    refused("length-plus", _LENGTHS, _length(b" +5")),
    refused("length-minus", _LENGTHS, _length(b" -5")),
    refused("length-minus-zero", _LENGTHS, _length(b" -0")),
    refused("length-hexadecimal", _LENGTHS, _length(b" 0x5")),
    refused("length-octal-prefix", _LENGTHS, _length(b" 0o5")),
    refused("length-letters", _LENGTHS, _length(b" five")),
    refused("length-decimal-point", _LENGTHS, _length(b" 5.0")),
    refused("length-exponent", _LENGTHS, _length(b" 5e0")),
    refused("length-underscore", _LENGTHS, _length(b" 0_5")),
    refused("length-semicolon", _LENGTHS, _length(b" 5;")),
    refused("length-quoted", _LENGTHS, _length(b' "5"')),
    refused("length-two-numbers", _LENGTHS, _length(b" 5 5")),
    refused("length-blank-inside", _LENGTHS, _length(b" 0 5")),
    refused("length-empty", _LENGTHS, _length(b"")),
    refused("length-blanks-only", _LENGTHS, _length(b"  \t ")),
    refused("length-vertical-tab", _LENGTHS, _length(b" \x0b5")),
    refused("length-form-feed", _LENGTHS, _length(b" 5\x0c")),
    refused("length-file-separator", _LENGTHS, _length(b" 5\x1c")),
    refused("length-nul", _LENGTHS, _length(b" 5\x00")),
    refused("length-no-break-space", _LENGTHS, _length(b" 5\xa0")),
    refused("length-next-line", _LENGTHS, _length(b" \x855")),
    refused("length-full-width-digit", _LENGTHS, _length(" ５".encode())),
    refused("length-arabic-digit", _LENGTHS, _length(" ٥".encode())),
    doubtful("length-past-32-bits", "9110 8.6", _length(b" 4294967301"), 413),
    doubtful("length-past-63-bits", "9110 8.6", _length(b" 9223372036854775813")),
    doubtful("length-past-64-bits", "9110 8.6", _length(b" 18446744073709551621")),
    doubtful("length-of-400-digits", "9110 8.6", _length(b" " + b"9" * 400)),
    doubtful("length-of-zeros-and-5", "9110 8.6", _length(b" " + b"0" * 100 + b"5")),
    doubtful("length-past-the-limit", "9110 15.5.14", _length(b" 999999999"), 413),
    taken(
        "length-with-an-underscore-is-another-name",
        "9110 5.1",
        post(FIVE, b"Content_Length: 0"),
        "POST / hello",
        hides=(b"content_length",),
    ),
    taken(
        "length-in-a-value-is-no-length",
        "9112 5",
        post(FIVE, b"X-A: Content-Length: 0"),
        "POST / hello",
    ),
)

BOTH = (
    doubtful(
        "length-and-chunked",
        _LENGTHS,
        post(FIVE, CHUNKED, body=HELLO + SMUGGLED),
    ),
    doubtful(
        "chunked-and-length",
        _LENGTHS,
        post(CHUNKED, b"Content-Length: 4", body=b"2a\r\n" + SMUGGLED + b"\r\n0\r\n\r\n"),
    ),
    doubtful("length-zero-and-chunked", _LENGTHS, post(b"Content-Length: 0", CHUNKED, body=HELLO)),
    doubtful(
        "length-exact-and-chunked",
        _LENGTHS,
        post(b"Content-Length: %d" % len(HELLO), CHUNKED, body=HELLO),
    ),
    refused("length-and-unknown-coding", _CODINGS, post(FIVE, b"Transfer-Encoding: x")),
    refused("length-and-identity", _CODINGS, post(FIVE, b"Transfer-Encoding: identity")),
    refused("length-and-empty-coding", _CODINGS, post(FIVE, b"Transfer-Encoding:")),
)

TRANSFER_ENCODING = (
    taken("chunked", _CODINGS, chunked(HELLO), "POST / hello"),
    taken("chunked-in-capitals", "9112 7", _coding(b" CHUNKED"), "POST / hello"),
    taken("chunked-in-mixed-case", "9112 7", _coding(b" cHuNkEd"), "POST / hello"),
    taken("chunked-without-blank", "9112 5.1", _coding(b"chunked"), "POST / hello"),
    taken("chunked-behind-a-tab", "9112 5.1", _coding(b"\tchunked"), "POST / hello"),
    Vector(
        "chunked-before-a-tab",
        *("9112 5.1", _coding(b" chunked\t"), Allows.ACCEPT, (400,)),
        why="a way to hide the coding from other parsers, nginx among them; no client sends it",
    ),
    taken("chunked-before-a-space", "9112 5.1", _coding(b" chunked "), "POST / hello"),
    taken(
        "coding-name-in-capitals",
        "9110 5.1",
        post(b"TRANSFER-ENCODING: chunked", body=HELLO),
        "POST / hello",
    ),
    refused("identity", _LENGTHS, _coding(b" identity")),
    refused("identity-and-chunked", "9112 7", _coding(b" identity, chunked"), 501),
    refused("chunked-and-identity", _LENGTHS, _coding(b" chunked, identity")),
    refused("chunked-twice", _CODINGS, _coding(b" chunked, chunked")),
    refused("chunked-in-two-headers", _CODINGS, post(CHUNKED, CHUNKED, body=HELLO)),
    refused(
        "chunked-then-identity-header",
        _LENGTHS,
        post(CHUNKED, b"Transfer-Encoding: identity", body=HELLO),
    ),
    refused(
        "identity-then-chunked-header",
        _CODINGS,
        post(b"Transfer-Encoding: identity", CHUNKED, body=HELLO),
    ),
    refused("gzip", _LENGTHS, _coding(b" gzip")),
    refused("gzip-and-chunked", _CODINGS, _coding(b" gzip, chunked"), 501),
    refused("chunked-and-gzip", _LENGTHS, _coding(b" chunked, gzip")),
    refused("unknown-coding", _LENGTHS, _coding(b" x-own")),
    refused("coding-that-begins-with-chunked", _LENGTHS, _coding(b" chunkedx")),
    refused("coding-that-ends-with-chunked", _LENGTHS, _coding(b" xchunked")),
    refused("coding-chunk", _LENGTHS, _coding(b" chunk")),
    refused("coding-of-two-words", _LENGTHS, _coding(b" x chunked")),
    refused("chunked-quoted", _LENGTHS, _coding(b' "chunked"')),
    refused("chunked-in-brackets", _LENGTHS, _coding(b" [chunked]")),
    refused("chunked-with-parameter", "9112 7.1", _coding(b" chunked;a=b")),
    refused("chunked-with-semicolon", "9112 7.1", _coding(b" chunked;")),
    doubtful("chunked-with-trailing-comma", "9110 5.6.1", _coding(b" chunked,")),
    doubtful("chunked-with-leading-comma", "9110 5.6.1", _coding(b" , chunked"), 501),
    refused("coding-empty", _LENGTHS, _coding(b"")),
    refused("coding-comma-only", _LENGTHS, _coding(b" ,")),
    refused("chunked-behind-vertical-tab", _LENGTHS, _coding(b" \x0bchunked")),
    refused("chunked-before-vertical-tab", _LENGTHS, _coding(b" chunked\x0b")),
    refused("chunked-before-form-feed", _LENGTHS, _coding(b" chunked\x0c")),
    refused("chunked-before-nul", _LENGTHS, _coding(b" chunked\x00")),
    refused("chunked-before-unit-separator", _LENGTHS, _coding(b" chunked\x1f")),
    refused("chunked-before-next-line", _LENGTHS, _coding(b" chunked\x85")),
    refused("chunked-before-no-break-space", _LENGTHS, _coding(b" chunked\xa0")),
    refused("chunked-before-bare-cr", _LENGTHS, _coding(b" chunked\r")),
    refused("chunked-with-a-kelvin-sign", _LENGTHS, _coding(" chun\u212aed".encode())),
    doubtful(
        "chunked-on-a-folded-line",
        "9112 5.2",
        post(b"Transfer-Encoding:", b" chunked", body=HELLO),
    ),
    refused("coding-blank-before-colon", "9112 5.1", post(b"Transfer-Encoding : chunked", FIVE)),
    refused("coding-tab-before-colon", "9112 5.1", post(b"Transfer-Encoding\t: chunked", FIVE)),
    doubtful(
        "coding-behind-a-bare-lf", "9112 2.2", post(FIVE, b"X: y\nTransfer-Encoding: chunked")
    ),
    doubtful(
        "coding-behind-a-bare-cr", "9112 2.2", post(FIVE, b"X: y\rTransfer-Encoding: chunked")
    ),
    taken(
        "coding-with-an-underscore-is-another-name",
        "9110 5.1",
        post(FIVE, b"Transfer_Encoding: chunked"),
        "POST / hello",
        hides=(b"transfer_encoding",),
    ),
    taken(
        "content-encoding-is-no-transfer-coding",
        "9110 8.4",
        post(FIVE, b"Content-Encoding: chunked"),
        "POST / hello",
    ),
    taken("te-is-no-transfer-encoding", "9110 10.1.4", post(FIVE, b"TE: chunked"), "POST / hello"),
    refused(
        "chunked-in-http-1.0",
        _CODINGS,
        head(b"POST / HTTP/1.0", b"Host: x", CHUNKED) + HELLO,
    ),
    refused(
        "chunked-and-length-in-http-1.0",
        _CODINGS,
        head(b"POST / HTTP/1.0", b"Host: x", FIVE, CHUNKED) + HELLO,
    ),
    refused(
        "chunked-and-keep-alive-in-http-1.0",
        _CODINGS,
        head(b"POST / HTTP/1.0", b"Host: x", b"Connection: keep-alive", CHUNKED) + HELLO,
    ),
    taken(
        "chunked-on-get",
        "9110 9.3.1",
        head(b"GET / HTTP/1.1", b"Host: x", CHUNKED) + HELLO,
        "GET / hello",
    ),
)

VECTORS: tuple[Vector, ...] = (*CONTENT_LENGTH, *BOTH, *TRANSFER_ENCODING)
