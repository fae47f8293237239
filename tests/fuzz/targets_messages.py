"""Fuzzed: what comes from the channel layer, as messages and as entries of a server's list.

A worker is trusted no more than a client: whatever it packs is read or refused, never a crash.
"""

from collections.abc import Callable

from channel_layer import entries
from shared import codec
from shared.errors import ChannelsBoardError, InvalidMessage
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


def check_messages(given: bytes) -> None:
    """A message is refused with a word, or read; what was read is packed to the same."""
    for decode in DECODERS:
        try:
            message = decode(given)
        except InvalidMessage as error:
            expect(bool(str(error)) and len(str(error)) < 2000, error)
            continue
        if isinstance(message, tuple) and type(message) in codec._FIELDS:
            again = codec.encode(message)  # type: ignore[arg-type]
            expect(repr(decode(again)) == repr(message), message)  # a NaN is not equal to itself


def check_entries(given: bytes) -> None:
    """An entry of a list is refused with a word, or read."""
    try:
        entries.decode(given)
    except ChannelsBoardError as error:
        expect(bool(str(error)), error)


_WORDS = (
    *(b"\x80", b"\x90", b"\xc0", b"\xc2", b"\xc3", b"\x81", b"\x91", b"\xc4\x00", b"\xa0", b"\xff"),
    *(b"\xa6status", b"\xa7headers", b"\xa7content", b"\xacmore_content", b"\xa4text", b"\xcd\x00"),
    *(b"\xa5bytes", b"\xa5close", b"\xa6accept", b"\xabsubprotocol", b"\xa4hold", b"\xa5event"),
    *(b"\xc7\x01\x05a", b"\xd6\xff\0\0\0\0", b"\xcb\x7f\xf8\0\0\0\0\0\0", b"\xdc\xff\xff", b"\xdf"),
)

TARGETS = (
    Target("messages", check_messages, [codec.encode(sample) for sample in SAMPLES], _WORDS),
)
