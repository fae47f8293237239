"""Vectors of WebSocket handshakes: what is one, and the bytes that parsers split differently.

Source: RFC 6455 section 4. An accepted one is followed by a close frame instead of the probe.
"""

from collections.abc import Iterator

from tests.interface_server.conformance.vector import (
    Allows,
    Vector,
    doubtful,
    head,
    refused,
    taken,
)

_HANDSHAKE = "6455 4.2.1"
_CLOSE_FRAME = b"\x88\x80\x00\x00\x00\x00"
"""Masked and empty; the server answers with its own and closes."""

_UPGRADE = b"Upgrade: websocket"
_CONNECTION = b"Connection: Upgrade"
_KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
_VERSION = b"Sec-WebSocket-Version: 13"
_USUAL = (_UPGRADE, _CONNECTION, _KEY, _VERSION)


def _shake(*headers: bytes, line: bytes = b"GET /ws HTTP/1.1") -> bytes:
    return head(line, b"Host: x", *headers)


def _opened(name: str, *headers: bytes, section: str = _HANDSHAKE) -> Vector:
    sent = _shake(*headers) + _CLOSE_FRAME
    return Vector(name, section, sent, Allows.ACCEPT, (101,), ("WS /ws",), has_probe=False)


HANDSHAKES = (
    _opened("socket", *_USUAL),
    _opened(
        "socket-words-in-capitals", b"Upgrade: WEBSOCKET", b"Connection: UPGRADE", _KEY, _VERSION
    ),
    _opened("socket-connection-list", _UPGRADE, b"Connection: keep-alive, Upgrade", _KEY, _VERSION),
    _opened("socket-upgrade-list", b"Upgrade: h2c, websocket", _CONNECTION, _KEY, _VERSION),
    _opened("socket-with-extensions", *_USUAL, b"Sec-WebSocket-Extensions: permessage-deflate"),
    _opened("socket-with-subprotocols", *_USUAL, b"Sec-WebSocket-Protocol: a, b"),
    _opened("socket-with-high-byte-in-a-cookie", *_USUAL, b"Cookie: a=\xe9", section="9110 5.5"),
    taken(
        "socket-upgrade-on-post-is-none",
        _HANDSHAKE,
        head(b"POST / HTTP/1.1", b"Host: x", *_USUAL, b"Content-Length: 5") + b"hello",
        "POST / hello",
        allows=Allows.EITHER,
    ),
    refused("socket-without-key", _HANDSHAKE, _shake(_UPGRADE, _CONNECTION, _VERSION)),
    refused("socket-key-repeated", "6455 11.3.1", _shake(*_USUAL, _KEY)),
    refused(
        "socket-key-empty",
        _HANDSHAKE,
        _shake(_UPGRADE, _CONNECTION, _VERSION, b"Sec-WebSocket-Key:"),
    ),
    refused(
        "socket-key-too-short",
        _HANDSHAKE,
        _shake(_UPGRADE, _CONNECTION, _VERSION, b"Sec-WebSocket-Key: AAAA"),
    ),
    refused(
        "socket-key-no-base64",
        _HANDSHAKE,
        _shake(_UPGRADE, _CONNECTION, _VERSION, b"Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!=="),
    ),
    refused("socket-without-version", _HANDSHAKE, _shake(_UPGRADE, _CONNECTION, _KEY)),
    refused(
        "socket-version-12",
        "6455 4.4",
        _shake(_UPGRADE, _CONNECTION, _KEY, b"Sec-WebSocket-Version: 12"),
    ),
    refused(
        "socket-version-no-number",
        "6455 4.4",
        _shake(_UPGRADE, _CONNECTION, _KEY, b"Sec-WebSocket-Version: x"),
    ),
    refused("socket-version-repeated", "6455 11.3.5", _shake(*_USUAL, _VERSION)),
    refused("socket-without-host", _HANDSHAKE, head(b"GET /ws HTTP/1.1", *_USUAL)),
    refused("socket-host-repeated", _HANDSHAKE, _shake(*_USUAL, b"Host: x")),
    doubtful("socket-with-a-length", _HANDSHAKE, _shake(*_USUAL, b"Content-Length: 5") + b"hello"),
    doubtful(
        "socket-with-chunks",
        _HANDSHAKE,
        _shake(*_USUAL, b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    ),
    refused("socket-with-bad-length", "9112 6.3", _shake(*_USUAL, b"Content-Length: x")),
    doubtful("socket-header-folded", "9112 5.2", _shake(*_USUAL, b"A: b", b" c")),
    doubtful("socket-header-behind-lf", "9112 2.2", _shake(*_USUAL, b"A: b\nB: c")),
    refused("socket-blank-before-colon", "9112 5.1", _shake(*_USUAL, b"A : b")),
    refused(
        "socket-subprotocol-no-token",
        "6455 11.3.4",
        _shake(*_USUAL, b"Sec-WebSocket-Protocol: a b"),
    ),
    refused(
        "socket-subprotocol-high-byte",
        "6455 11.3.4",
        _shake(*_USUAL, b"Sec-WebSocket-Protocol: \xe9"),
    ),
    refused(
        "socket-subprotocol-repeated-name",
        "6455 4.1",
        _shake(*_USUAL, b"Sec-WebSocket-Protocol: a, a"),
    ),
)

_FIRST_HIGH = 0x80

_SPLITTERS = {
    "nul": 0x00,
    "vertical-tab": 0x0B,
    "form-feed": 0x0C,
    "file-separator": 0x1C,
    "group-separator": 0x1D,
    "record-separator": 0x1E,
    "next-line": 0x85,
}
"""Bytes at which `str.splitlines` ends a line and a parser of HTTP does not."""


def _split_bytes() -> Iterator[Vector]:
    for word, number in _SPLITTERS.items():
        byte = bytes((number,))
        value = _shake(*_USUAL, b"A: b" + byte + b"Host: evil")
        yield doubtful(f"socket-value-with-{word}", "9110 5.5", value)
        yield refused(
            f"socket-name-with-{word}", "9110 5.1", _shake(*_USUAL, b"A" + byte + b"B: c")
        )
        target = _shake(*_USUAL, line=b"GET /ws" + byte + b" HTTP/1.1")
        yield refused(f"socket-target-with-{word}", "9112 3.2", target)
        upgrade = _shake(b"Upgrade: websocket" + byte, _CONNECTION, _KEY, _VERSION)
        if number < _FIRST_HIGH:
            yield doubtful(f"socket-upgrade-with-{word}", "9110 5.5", upgrade)
        else:  # the name of another protocol
            yield taken(f"socket-upgrade-with-{word}", "9110 7.8", upgrade, "GET /ws")


VECTORS: tuple[Vector, ...] = (*HANDSHAKES, *_split_bytes())
