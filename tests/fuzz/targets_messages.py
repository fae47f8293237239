"""Fuzzed: what comes from the channel layer, as messages and as entries of a server's list.

A worker is trusted no more than a client: whatever it packs is read or refused, never a crash.
"""

import contextlib
from collections.abc import Callable

from channel_layer import entries
from channel_layer.layer import Kind
from shared import codec
from shared.errors import InvalidMessage
from shared.messages import (
    BodyChunk,
    HttpRequest,
    HttpResponse,
    Receipt,
    ResponseChunk,
    WsConnect,
    WsDisconnect,
    WsReceive,
    WsReply,
)
from tests.fuzz.target import Target, expect

DECODERS: tuple[Callable[[bytes], object], ...] = (
    codec.decode_http_request,
    codec.decode_http_disconnect,
    codec.decode_body_chunk,
    codec.decode_ws_connect,
    codec.decode_ws_receive,
    codec.decode_ws_disconnect,
    codec.decode_receipt,
    codec.decode_http_reply,
    codec.decode_ws_reply,
)
SAMPLES = (
    HttpRequest("r!1", "GET", "/a", headers=((b"host", b"x"),), client=("::1", 5), body=b"b"),
    HttpResponse(200, ((b"content-type", b"text/html"),), b"content", True),
    ResponseChunk(b"more", True),
    BodyChunk(b"body", True, False),
    WsConnect("r!2", "/s", subprotocols=("a", "b"), server=("h", 80)),
    WsReceive("r!2", "/s", 3, text="text"),
    WsDisconnect("r!2", "/s", 4, 1001, b"state"),
    WsReply("text", None, True, 1000, "a"),
    Receipt("done", True, b"state"),
)
TYPES = tuple(map(type, SAMPLES))
KINDS = tuple(Kind)


def check_messages(given: bytes) -> None:
    """A message is refused with a word, or read; what was read is packed to the same."""
    for decode in DECODERS:
        try:
            message = decode(given)
        except InvalidMessage as error:
            expect(bool(str(error)) and len(str(error)) < 2000, error)
            continue
        if isinstance(message, TYPES):
            again = codec.encode(message)
            expect(repr(decode(again)) == repr(message), message)  # a NaN is not equal to itself


def check_entries(given: bytes) -> None:
    """An entry of a list, and what its kind says of it, is refused with a word, or read.

    The first byte says which kind, the rest is the payload; the same bytes are a whole entry too.
    """
    kind = KINDS[given[0] % len(KINDS)] if given else Kind.MESSAGE
    packed = entries.header(1, 2, 3, 4, 1, kind, 0) + entries.tail("a", "b", given[1:])
    for whole in (given, packed):
        try:
            entry = entries.parse(whole)
            for read in (entries.joining, entries.group_message, entries.replay):
                with contextlib.suppress(InvalidMessage):
                    read(entry)
        except InvalidMessage as error:
            expect(whole is given and len(str(error)) < 2000, error)


_WORDS = (
    *(b"\x80", b"\x90", b"\xc0", b"\xc2", b"\xc3", b"\x81", b"\x91", b"\xc4\x00", b"\xa0", b"\xff"),
    *(b"\xa6status", b"\xa7headers", b"\xa7content", b"\xacmore_content", b"\xa4text", b"\xcd\x00"),
    *(b"\xa5bytes", b"\xa5close", b"\xa6accept", b"\xabsubprotocol", b"\xa4hold", b"\xa5event"),
    *(b"\xc7\x01\x05a", b"\xd6\xff\0\0\0\0", b"\xcb\x7f\xf8\0\0\0\0\0\0", b"\xdc\xff\xff", b"\xdf"),
)

TARGETS = (
    Target("messages", check_messages, [codec.encode(sample) for sample in SAMPLES], _WORDS),
    Target(
        "entries",
        check_entries,
        [
            b"\x00payload",
            b"\x03group\0presence\0user",
            b"\x01\x05epoch" + bytes(7) + b"\x05\x00\x01\x01xmessage",
            b"\x04\x01g\x05epoch" + bytes(8) + b"\x01" + bytes(8) + b"\0\1\0\0\0\2ab",
        ],
        (b"\0", b"\xff\xff", b"\x05epoch", b"\0\1", b"\xff\xff\xff\xff", b"\xc3\xa9", b"!a"),
    ),
)
