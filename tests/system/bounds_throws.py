"""What the test of promise 8 throws: replies, entries, frames, requests and answers of Redis.

Strategies only, valid and invalid ones mixed; who gets them stands in `test_never_stops.py`.
"""

from typing import Any

import msgpack
from hypothesis import strategies as st

from channel_layer import entries
from channel_layer.layer import Kind
from tests.system.bounds_clients import BINARY, CLOSE, PING, PONG, TEXT, masked_frame, request

KIB = 1024

WORKERS_LISTS = ("http.request", "websocket.connect", "websocket.receive", "websocket.disconnect")


class Thrown(bytes):
    """Bytes that tell of themselves in brief."""

    def __repr__(self) -> str:
        return super().__repr__() if len(self) < 200 else f"<{len(self)} bytes {self[:20]!r}…>"


_small_text = st.text(max_size=20)
_scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    _small_text,
    st.binary(max_size=20),
)
_values: st.SearchStrategy[Any] = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_small_text, inner, max_size=3),
    max_leaves=6,
)
_keys = st.sampled_from(
    [
        *("text", "bytes", "accept", "close", "subprotocol", "status", "headers", "content"),
        *("more_content", "kind", "later", "state", "reply_channel", "path", "order", "closed"),
    ]
)
_header_pairs = st.lists(
    st.tuples(
        st.binary(max_size=8) | st.sampled_from([b"content-length", b"transfer-encoding", b"x"]),
        st.binary(max_size=8) | st.sampled_from([b"0", b"7", b"chunked", b"a\r\nb: c"]),
    ),
    max_size=3,
)
_almost_right: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "status": st.integers(-1, 700) | _scalars,
        "headers": _header_pairs | _values,
        "content": st.binary(max_size=64) | _scalars,
        "more_content": st.booleans(),
        "text": _small_text | _scalars,
        "bytes": st.binary(max_size=8),
        "accept": st.booleans() | _scalars,
        "close": st.booleans() | st.integers(0, 5000) | _scalars,
        "subprotocol": _small_text,
        "kind": st.sampled_from(["done", "dead", "taken", "later"]) | _scalars,
        "later": st.booleans() | _scalars,
        "state": st.binary(max_size=8) | _scalars,
    },
)


def _packed(value: Any) -> Thrown:
    try:
        return Thrown(msgpack.packb(value))
    except (ValueError, OverflowError, UnicodeEncodeError):
        return Thrown(b"\xc1")


_huge = st.sampled_from(
    [
        _packed({"text": "h" * (900 * KIB)}),
        _packed({"bytes": b"h" * (900 * KIB)}),
        _packed({"status": 200, "content": b"h" * (900 * KIB)}),
        _packed({"status": 200, "headers": [[b"x", b"h" * (500 * KIB)]]}),
        _packed({"h" * (300 * KIB): 1}),
    ]
)
_deep = st.sampled_from(
    [b"\x91" * 600 + b"\xc0", b"\x81\xa1a" * 600 + b"\xc0", b"\xdf\xff\xff\xff\xff"]
)


payloads: st.SearchStrategy[bytes] = st.one_of(
    _almost_right.map(_packed),
    st.dictionaries(_keys | _small_text, _values, max_size=4).map(_packed),
    _values.map(_packed),
    _huge,
    _deep,
    st.binary(max_size=80),
)
"""What may lie in an entry: nearly right, wrong in type, huge, deep, or no msgpack at all."""

_names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12).map(
    lambda text: text.encode()
)


def _framed(first: list[bytes], rest: bytes) -> Thrown:
    return Thrown(b"".join(bytes((len(name),)) + name for name in first) + rest)


entry_payloads: st.SearchStrategy[bytes] = st.one_of(
    payloads,
    st.builds(_framed, st.lists(_names, max_size=2), st.binary(max_size=40)),
    st.builds(
        lambda name, offset, number, rest: _framed(
            [name], offset.to_bytes(8, "big") + number.to_bytes(2, "big") + rest
        ),
        *(_names, st.integers(0, 2**64 - 1), st.integers(0, 3), payloads),
    ),
    _names,
)
"""The same, and what looks like the framing of a group's message, a replay or a membership."""


def packed_entry(
    entry_id: int, channel: str, kind: int, flags: int, payload: bytes, order: int, receipt: str
) -> bytes:
    """An entry as a script would write it; `kind` may be one that does not exist."""
    head = entries.header(entry_id, 0, 0, order, 1, Kind.MESSAGE, flags)
    head = head[:34] + bytes((kind, flags))
    return head + entries.tail(channel, receipt, payload)


kinds = st.integers(0, len(Kind) + 1)
flags = st.sampled_from([0, 0, 0, 1, 255])
orders = st.sampled_from([0, 1, 2, 2**31 - 1, 2**64 - 1])

broken_entries: st.SearchStrategy[bytes] = st.one_of(
    st.just(b""),
    st.binary(max_size=60),
    st.binary(min_size=35, max_size=200),
    st.integers(0, 36).map(lambda size: b"\x00" * size),
    st.just(b"\xff" * 36),
    st.just(b"\x00" * 34 + b"\x00\x00" + b"\xff" + b"abc"),
)
"""What is no entry at all."""

_opcodes = st.sampled_from([0, TEXT, BINARY, 3, 7, CLOSE, PING, PONG, 11, 15])
_one_frame = st.builds(
    lambda opcode, payload, is_final, mask, reserved: _with_bits(
        masked_frame(opcode, payload, is_final=is_final, mask=mask), reserved
    ),
    _opcodes,
    st.binary(max_size=200) | st.sampled_from([b"\xff\xfe", b"\x03\xe8", b"\x00\x01", b"x" * 4096]),
    st.booleans(),
    st.sampled_from([True, True, True, False]),
    st.sampled_from([0, 0, 0, 0x40, 0x70]),
)


def _with_bits(frame: bytes, bits: int) -> bytes:
    return bytes((frame[0] | bits,)) + frame[1:]


_too_long = st.sampled_from(
    [
        bytes((0x81, 0xFF)) + (2**63 - 1).to_bytes(8, "big") + bytes(4),
        bytes((0x81, 0xFF)) + (2**20 + 1).to_bytes(8, "big") + bytes(4),
        bytes((0x82, 0xFF)) + (2**64 - 1).to_bytes(8, "big") + bytes(4),
    ]
)
frames: st.SearchStrategy[bytes] = st.one_of(
    st.lists(_one_frame, min_size=1, max_size=6).map(lambda several: Thrown(b"".join(several))),
    _too_long,
    st.binary(min_size=1, max_size=100),
)
"""What a WebSocket client may send: right, wrong in opcode, mask, bits, length or order."""

requests: st.SearchStrategy[bytes] = st.one_of(
    st.binary(min_size=1, max_size=200),
    st.builds(
        lambda line, rest: Thrown(line + b" HTTP/1.1\r\nHost: a\r\n" + rest + b"\r\n\r\n"),
        st.sampled_from([b"GET /who", b"POST /size", b"GET /%ff", b"\x00 /", b"PUT *"]),
        st.sampled_from(
            [
                b"Content-Length: -1",
                b"Content-Length: 5\r\n\r\nab",
                b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
                b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcdefgh",
                b"Upgrade: websocket\r\nConnection: Upgrade",
                Thrown(b"X" * 40_000),
                b"Expect: 100-continue\r\nContent-Length: 3",
            ]
        )
        | st.binary(max_size=60),
    ),
    st.just(request("/who", "Connection: close") * 3),
)
"""What an HTTP client may send."""

redis_errors = st.sampled_from(
    [
        "LOADING Redis is loading the dataset in memory",
        "READONLY You can't write against a read only replica.",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "BUSY Redis is busy running a script.",
        "NOSCRIPT No matching script.",
        "MISCONF Redis is configured to save RDB snapshots",
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        "ERR Error running script: user_script:1: no such thing",
        "CLUSTERDOWN The cluster is down",
        "UNKNOWNWORD something else",
        "GAP a batch is not known",
    ]
)
redis_commands = st.sampled_from(
    [("EVALSHA",), ("BLPOP",), ("EVALSHA", "BLPOP", "SCRIPT"), ("INFO", "CONFIG", "SCRIPT", "SET")]
)
spoilt_keys = st.sampled_from(
    [
        *("list:http.request", "list:websocket.connect", "list:websocket.receive"),
        *("list:INBOX", "meta:INBOX", "wake:INBOX", "meta:http.request", "wake:http.request"),
        *("servers:room", "members:room:INBOX", "workers", "delayed", "stat", "dead"),
        *("servers", "sockets:INBOX", "groups:INBOX", "id", "epoch", "run", "up_since"),
    ]
)
"""Keys that get a value of the wrong type; INBOX stands for the server's list."""
