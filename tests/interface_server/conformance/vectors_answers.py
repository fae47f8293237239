"""Vectors of 100 (Continue) and of the framing of what is answered.

The paths that answer in an odd way are those of `echo_worker.py`.
"""

from tests.interface_server.conformance.vector import (
    PROBE_SAW,
    Allows,
    Vector,
    doubtful,
    get,
    head,
    last,
    post,
    taken,
)

_EXPECT = "9110 10.1.1"
_FIVE = b"Content-Length: 5"


def _asked(path: bytes, method: bytes = b"GET", *headers: bytes) -> bytes:
    return head(method + b" " + path + b" HTTP/1.1", b"Host: x", *headers)


def _old_post(*headers: bytes) -> bytes:
    return head(b"POST / HTTP/1.0", b"Host: x", _FIVE, *headers) + b"hello"


def _awaited(name: str, expect: bytes, framing: bytes, body: bytes) -> Vector:
    """A POST whose body is sent once the server asked for it."""
    return Vector(
        name,
        _EXPECT,
        _asked(b"/", b"POST", framing, b"Expect: " + expect),
        Allows.ACCEPT,
        (200, 200),
        ("POST / hello", PROBE_SAW),
        behind_continue=body,
        may_continue=True,
    )


EXPECTATIONS = (
    _awaited("continue", b"100-continue", _FIVE, b"hello"),
    _awaited("continue-in-capitals", b"100-CONTINUE", _FIVE, b"hello"),
    _awaited(
        *("continue-with-chunks", b"100-continue", b"Transfer-Encoding: chunked"),
        b"5\r\nhello\r\n0\r\n\r\n",
    ),
    Vector(
        "continue-not-awaited",
        _EXPECT,
        post(_FIVE, b"Expect: 100-continue"),
        Allows.ACCEPT,
        (200, 200),
        ("POST / hello", PROBE_SAW),
        may_continue=True,
    ),
    taken("continue-without-a-body", _EXPECT, get(b"Expect: 100-continue"), "GET /"),
    last(
        "continue-in-http-1.0-is-ignored",
        _EXPECT,
        _old_post(b"Expect: 100-continue"),
        "POST / hello",
    ),
    doubtful(
        "continue-for-too-much",
        _EXPECT,
        _asked(b"/", b"POST", b"Content-Length: 999999999", b"Expect: 100-continue"),
        413,
    ),
    doubtful("expectation-unknown", _EXPECT, post(_FIVE, b"Expect: a-miracle"), 417),
    doubtful(
        "expectation-unknown-beside-continue", _EXPECT, post(_FIVE, b"Expect: 100-continue, x"), 417
    ),
    doubtful("expectation-empty", _EXPECT, post(_FIVE, b"Expect:"), 417),
    last(
        "expectation-unknown-in-http-1.0-is-ignored",
        _EXPECT,
        _old_post(b"Expect: a-miracle"),
        "POST / hello",
        allows=Allows.EITHER,
    ),
)

ANSWERS = (
    taken("answer-to-head", "9110 9.3.2", _asked(b"/", b"HEAD"), "HEAD /"),
    taken("answer-to-head-streamed", "9110 9.3.2", _asked(b"/stream", b"HEAD"), "HEAD /stream"),
    taken("answer-streamed", "9112 7.1", _asked(b"/stream"), "GET /stream"),
    taken(
        "answer-204-has-no-content",
        "9110 15.3.5",
        _asked(b"/status/204"),
        "GET /status/204",
        status=204,
    ),
    taken(
        "answer-304-has-no-content",
        "9110 15.4.5",
        _asked(b"/status/304"),
        "GET /status/304",
        status=304,
    ),
    taken(
        "answer-205-has-no-content",
        "9110 15.3.6",
        _asked(b"/status/205"),
        "GET /status/205",
        status=205,
    ),
    taken(
        "answer-204-streamed", "9110 15.3.5", _asked(b"/stream/204"), "GET /stream/204", status=204
    ),
    taken(
        "answer-304-streamed", "9110 15.4.5", _asked(b"/stream/304"), "GET /stream/304", status=304
    ),
    taken(
        "answer-1xx-from-a-worker",
        "9110 15.2",
        _asked(b"/status/103"),
        "GET /status/103",
        status=500,
    ),
    taken(
        "answer-101-from-a-worker",
        "9110 15.2.2",
        _asked(b"/status/101"),
        "GET /status/101",
        status=500,
    ),
    taken(
        "answer-with-unknown-status",
        "9110 15",
        _asked(b"/status/799"),
        "GET /status/799",
        status=500,
    ),
    taken("answer-with-a-false-length", "9110 8.6", _asked(b"/length"), "GET /length"),
    taken("answer-with-connection-headers", "9110 7.6.1", _asked(b"/hop"), "GET /hop"),
    taken(
        "answer-with-crlf-in-a-value",
        "9110 5.5",
        _asked(b"/inject/value"),
        "GET /inject/value",
        status=500,
    ),
    taken(
        "answer-with-lf-in-a-value", "9110 5.5", _asked(b"/inject/lf"), "GET /inject/lf", status=500
    ),
    taken(
        "answer-with-crlf-in-a-name",
        "9110 5.1",
        _asked(b"/inject/name"),
        "GET /inject/name",
        status=500,
    ),
    taken(
        "answer-with-nul-in-a-value",
        "9110 5.5",
        _asked(b"/inject/nul"),
        "GET /inject/nul",
        status=500,
    ),
)

VECTORS: tuple[Vector, ...] = (*EXPECTATIONS, *ANSWERS)
