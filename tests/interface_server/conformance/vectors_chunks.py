"""Vectors of chunked bodies: sizes, extensions, ends and trailers. Source: RFC 9112 section 7.1."""

from tests.interface_server.conformance.vector import (
    PROBE,
    Allows,
    Vector,
    chunked,
    doubtful,
    refused,
    taken,
)

_CHUNK = "9112 7.1"
_EXTENSION = "9112 7.1.1"
_TRAILER = "9112 7.1.2"
_END = b"0\r\n\r\n"
_SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


def _sized(size: bytes) -> bytes:
    """One chunk of five bytes whose size line is `size`."""
    return chunked(size + b"\r\nhello\r\n" + _END)


def _extended(extension: bytes) -> bytes:
    return _sized(b"5" + extension)


def _trailed(*trailers: bytes) -> bytes:
    return chunked(b"5\r\nhello\r\n0\r\n" + b"".join(line + b"\r\n" for line in trailers) + b"\r\n")


SIZES = (
    taken("chunks-several", _CHUNK, chunked(b"1\r\nh\r\n4\r\nello\r\n" + _END), "POST / hello"),
    taken("chunks-none", _CHUNK, chunked(_END), "POST /"),
    taken(
        "chunk-size-in-capitals",
        _CHUNK,
        chunked(b"A\r\n0123456789\r\n" + _END),
        "POST / 0123456789",
    ),
    taken(
        "chunk-size-in-small-letters",
        _CHUNK,
        chunked(b"a\r\n0123456789\r\n" + _END),
        "POST / 0123456789",
    ),
    taken("chunk-size-with-leading-zeros", _CHUNK, _sized(b"0005"), "POST / hello"),
    taken(
        "chunk-last-of-many-zeros", _CHUNK, chunked(b"5\r\nhello\r\n000\r\n\r\n"), "POST / hello"
    ),
    taken(
        "chunk-that-holds-a-request",
        _CHUNK,
        chunked(b"%x\r\n%b\r\n" % (len(PROBE), PROBE) + _END),
        "POST / " + PROBE.decode(),
    ),
    taken(
        "chunk-that-holds-line-ends",
        _CHUNK,
        chunked(b"5\r\n\r\n0\r\n\r\n" + _END),
        "POST / \r\n0\r\n",
    ),
    refused("chunk-size-0x", _CHUNK, _sized(b"0x5")),
    refused("chunk-size-plus", _CHUNK, _sized(b"+5")),
    refused("chunk-size-minus", _CHUNK, _sized(b"-5")),
    refused("chunk-size-underscore", _CHUNK, _sized(b"0_5")),
    refused("chunk-size-leading-blank", _CHUNK, _sized(b" 5")),
    refused("chunk-size-trailing-blank", _CHUNK, _sized(b"5 ")),
    refused("chunk-size-trailing-tab", _CHUNK, _sized(b"5\t")),
    refused("chunk-size-blank-inside", _CHUNK, _sized(b"0 5")),
    refused("chunk-size-vertical-tab", _CHUNK, _sized(b"5\x0b")),
    refused("chunk-size-nul", _CHUNK, _sized(b"5\x00")),
    refused("chunk-size-high-byte", _CHUNK, _sized(b"5\xb2")),
    refused("chunk-size-full-width-digit", _CHUNK, _sized("５".encode())),
    refused("chunk-size-no-digit", _CHUNK, _sized(b"g")),
    refused("chunk-size-digit-and-letter", _CHUNK, _sized(b"5g")),
    refused("chunk-size-empty", _CHUNK, _sized(b"")),
    refused("chunk-size-decimal-point", _CHUNK, _sized(b"5.0")),
    refused("chunk-size-comma", _CHUNK, _sized(b"5,5")),
    refused("chunk-size-h-suffix", _CHUNK, _sized(b"5h")),
    doubtful("chunk-size-of-16-digits", _CHUNK, _sized(b"0000000000000005")),
    doubtful("chunk-size-of-17-digits-that-overflows", _CHUNK, _sized(b"10000000000000005")),
    doubtful("chunk-size-of-9-digits-that-overflows-32-bits", _CHUNK, _sized(b"100000005"), 413),
    doubtful("chunk-size-of-15-digits", _CHUNK, _sized(b"fffffffffffffff"), 413),
    doubtful("chunk-size-of-16-f", _CHUNK, _sized(b"ffffffffffffffff")),
    doubtful("chunk-size-of-2000-zeros", _CHUNK, _sized(b"0" * 2000 + b"5")),
)

ENDS = (
    refused("chunk-longer-than-its-size", _CHUNK, chunked(b"4\r\nhello\r\n" + _END)),
    refused("chunk-shorter-than-its-size", _CHUNK, chunked(b"6\r\nhello\r\n" + _END)),
    refused("chunk-without-crlf-behind", _CHUNK, chunked(b"5\r\nhello" + _END)),
    refused("chunk-with-two-other-bytes-behind", _CHUNK, chunked(b"5\r\nhelloXX" + _END)),
    refused("chunk-with-lf-behind", _CHUNK, chunked(b"5\r\nhello\n" + _END)),
    refused("chunk-with-cr-behind", _CHUNK, chunked(b"5\r\nhello\r" + _END)),
    refused("chunk-with-lf-cr-behind", _CHUNK, chunked(b"5\r\nhello\n\r" + _END)),
    refused("chunk-with-two-crlf-behind", _CHUNK, chunked(b"5\r\nhello\r\n\r\n" + _END)),
    refused("chunk-size-ended-with-lf", _CHUNK, chunked(b"5\nhello\r\n" + _END)),
    refused("chunk-size-ended-with-cr", _CHUNK, chunked(b"5\rhello\r\n" + _END)),
    refused("chunk-size-ended-with-cr-cr-lf", _CHUNK, chunked(b"5\r\r\nhello\r\n" + _END)),
    refused("chunk-all-ended-with-lf", _CHUNK, chunked(b"5\nhello\n0\n\n")),
    refused("chunk-last-ended-with-lf", _CHUNK, chunked(b"5\r\nhello\r\n0\n\r\n")),
    refused("chunk-body-ended-with-lf", _CHUNK, chunked(b"5\r\nhello\r\n0\r\n\n")),
    refused("chunk-last-without-blank-line", _CHUNK, chunked(b"5\r\nhello\r\n0\r\n")),
)

EXTENSIONS = (
    taken("extension", _EXTENSION, _extended(b";a"), "POST / hello"),
    taken("extension-with-value", _EXTENSION, _extended(b";a=b"), "POST / hello"),
    taken("extension-with-blanks", _EXTENSION, _extended(b" ; a = b"), "POST / hello"),
    taken("extension-quoted", _EXTENSION, _extended(b';a="b;c d"'), "POST / hello"),
    taken("extension-quoted-pair", _EXTENSION, _extended(b';a="b\\"c"'), "POST / hello"),
    taken("extension-several", _EXTENSION, _extended(b';a;b=c;d="e"'), "POST / hello"),
    taken(
        "extension-on-the-last-chunk",
        _EXTENSION,
        chunked(b"5\r\nhello\r\n0;a=b\r\n\r\n"),
        "POST / hello",
    ),
    doubtful("extension-too-long", _EXTENSION, _extended(b";a=" + b"b" * 2000)),
    refused("extension-with-bare-lf", _EXTENSION, _extended(b";a\nb")),
    refused("extension-with-bare-cr", _EXTENSION, _extended(b";a\rb")),
    refused("extension-with-nul", _EXTENSION, _extended(b";a\x00")),
    refused("extension-with-vertical-tab", _EXTENSION, _extended(b";a\x0b")),
    refused(
        "extension-with-lf-that-hides-a-chunk",
        _EXTENSION,
        chunked(b"2;\nxx\r\n%x\r\n" % len(_SMUGGLED) + _SMUGGLED + b"\r\n" + _END),
    ),
    refused("extension-quoted-over-a-line-end", _EXTENSION, _extended(b';a="b\r\nc"')),
    refused("extension-without-semicolon", _EXTENSION, _extended(b" a=b")),
    doubtful("extension-empty", _EXTENSION, _extended(b";")),
    doubtful("extension-without-name", _EXTENSION, _extended(b";=b")),
    doubtful("extension-without-value", _EXTENSION, _extended(b";a=")),
    doubtful("extension-doubled-semicolon", _EXTENSION, _extended(b";;a")),
    doubtful("extension-of-two-words", _EXTENSION, _extended(b";a b")),
    doubtful("extension-quote-left-open", _EXTENSION, _extended(b';a="b')),
    doubtful("extension-text-behind-quotes", _EXTENSION, _extended(b';a="b"c')),
    doubtful("extension-with-high-byte", _EXTENSION, _extended(b";\x80")),
)

TRAILERS = (
    taken("trailer", _TRAILER, _trailed(b"X-A: b"), "POST / hello", hides=(b"x-a",)),
    taken("trailer-empty-value", _TRAILER, _trailed(b"X-A:"), "POST / hello", hides=(b"x-a",)),
    taken("trailers-several", _TRAILER, _trailed(b"A: 1", b"B: 2", b"A: 3"), "POST / hello"),
    taken(
        "trailer-content-length",
        "9110 6.5.1",
        _trailed(b"Content-Length: 99"),
        "POST / hello",
        hides=(b"content-length",),
    ),
    taken(
        "trailer-transfer-encoding",
        "9110 6.5.1",
        _trailed(b"Transfer-Encoding: gzip"),
        "POST / hello",
    ),
    taken(
        "trailer-host",
        "9110 6.5.1",
        _trailed(b"Host: evil"),
        "POST / hello",
        shows=((b"host", b"x"),),
    ),
    taken(
        "trailer-authorization",
        "9110 6.5.1",
        _trailed(b"Authorization: Basic eDp5"),
        "POST / hello",
        hides=(b"authorization",),
    ),
    taken("trailer-connection-close", "9110 6.5.1", _trailed(b"Connection: close"), "POST / hello"),
    taken(
        "trailer-announced",
        "9110 6.6.2",
        chunked(b"").replace(b"Host: x", b"Host: x\r\nTrailer: X-A") + b"0\r\nX-A: b\r\n\r\n",
        "POST /",
        hides=(b"x-a",),
    ),
    refused("trailer-without-colon", _TRAILER, _trailed(b"no trailer")),
    refused("trailer-without-name", _TRAILER, _trailed(b": b")),
    refused("trailer-blank-before-colon", "9112 5.1", _trailed(b"X-A : b")),
    refused("trailer-with-nul", "9110 5.5", _trailed(b"X-A: \x00"), allows=Allows.EITHER),
    refused("trailer-with-bare-lf", "9112 2.2", _trailed(b"X-A: b\nX-B: c"), allows=Allows.EITHER),
    refused("trailer-with-bare-cr", "9112 2.2", _trailed(b"X-A: b\rX-B: c"), allows=Allows.EITHER),
    refused("trailer-folded", "9112 5.2", _trailed(b"X-A: b", b" c"), allows=Allows.EITHER),
    refused("trailer-name-with-high-byte", "9110 5.1", _trailed(b"X-\xe9: b")),
    doubtful("trailer-too-long", "9110 5.4", _trailed(b"X-A: " + b"b" * 4000)),
    doubtful("trailers-too-many", "9110 5.4", _trailed(*[b"X-A: b"] * 100)),
    refused(
        "trailer-that-is-a-request-without-blank-line",
        _TRAILER,
        chunked(b"5\r\nhello\r\n0\r\n" + _SMUGGLED),
    ),
)

VECTORS: tuple[Vector, ...] = (*SIZES, *ENDS, *EXTENSIONS, *TRAILERS)
