"""Messages to bytes and back: msgpack with bytes and text kept apart.

Knows nothing of lists, leases or sockets; the only place where a message is a bare dict.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import msgpack
from msgspec import MsgspecError, Struct
from msgspec.msgpack import Decoder, Encoder

from shared import messages
from shared.checks import check_headers
from shared.errors import InvalidMessage

_T = TypeVar("_T")


class Part(NamedTuple):
    """Some keys of a message, packed: what many messages have in common is packed once."""

    keys: int
    packed: bytes


_MAX_KEYS = 15
"""Keys of a message that is completed from a part: more would need a longer head."""

_MAP_HEADS = tuple(bytes((0x80 | keys,)) for keys in range(_MAX_KEYS + 1))
"""The first byte of a map of so many keys. Source: the MessagePack specification, "map format"."""

_ENCODER = Encoder()
_REQUESTS = Decoder(messages.HttpRequest)
_DISCONNECTS = Decoder(messages.HttpDisconnect)
_BODY_CHUNKS = Decoder(messages.BodyChunk)
_RESPONSES = Decoder(messages.HttpResponse)
_WS_CONNECTS = Decoder(messages.WsConnect)
_WS_RECEIVES = Decoder(messages.WsReceive)
_WS_DISCONNECTS = Decoder(messages.WsDisconnect)
_WS_REPLIES = Decoder(messages.WsReply)
_RECEIPTS = Decoder(messages.Receipt)

_UNREADABLE = (MsgspecError, UnicodeDecodeError)
"""What decoders raise."""

_AT_KEY = re.compile(r"\$\.([A-Za-z_]+)|field `([^`]*)`")
"""Where msgspec's errors name the key that they are about."""


def pack(message: Mapping[str, Any]) -> bytes:
    """The bytes of a message with text keys.

    Raises: InvalidMessage when it is no mapping with text keys or holds a value that no
    message may hold.
    """
    if not isinstance(message, Mapping):
        raise InvalidMessage("message", "a dict with text keys", message)
    try:
        packed = msgpack.packb(message, use_bin_type=True, default=_refuse)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidMessage("message", "values of the message format", str(error)) from error
    for key in message:
        if not isinstance(key, str):
            raise InvalidMessage("message", "text keys", key)
    return bytes(packed)


def unpack(packed: bytes) -> dict[str, Any]:
    """The message in `packed`.

    Raises: InvalidMessage when the bytes are not one message.
    """
    try:
        message = msgpack.unpackb(packed, raw=False, strict_map_key=True)
    except (ValueError, msgpack.exceptions.UnpackException) as error:
        raise InvalidMessage("message", "one msgpack map", packed) from error
    if not isinstance(message, dict):
        raise InvalidMessage("message", "a msgpack map", message)
    return message


def encode(message: Struct) -> bytes:
    """The bytes of a typed message; keys whose value is the default are left out."""
    return _ENCODER.encode(message)


def pack_known(fields: dict[str, Any]) -> bytes:
    """As `encode`, of what a typed message would hold: keys as on the wire, defaults left out."""
    return _ENCODER.encode(fields)


def part(fields: dict[str, Any]) -> Part:
    """These keys and values as a part of a message; at most 15, keys as they stand on the wire."""
    return Part(len(fields), _ENCODER.encode(fields)[1:])


def completed(common: Part, fields: dict[str, Any]) -> bytes:
    """The message of a part and these keys; at most 15 in all, none of them twice."""
    own = _ENCODER.encode(fields)
    return b"".join((_MAP_HEADS[common.keys + len(fields)], common.packed, own[1:]))


def decode_http_request(packed: bytes) -> messages.HttpRequest:
    """The request in `packed`. Raises: InvalidMessage."""
    return _decode(packed, _REQUESTS)


def decode_http_disconnect(packed: bytes) -> messages.HttpDisconnect:
    """The disconnect in `packed`. Raises: InvalidMessage."""
    return _decode(packed, _DISCONNECTS)


def decode_body_chunk(packed: bytes) -> messages.BodyChunk:
    """The chunk in `packed`. Raises: InvalidMessage."""
    return _decode(packed, _BODY_CHUNKS)


def decode_ws_connect(packed: bytes) -> messages.WsConnect:
    """The handshake in `packed`. Raises: InvalidMessage."""
    return _decode(packed, _WS_CONNECTS)


def decode_ws_receive(packed: bytes) -> messages.WsReceive:
    """The frame in `packed`. Raises: InvalidMessage."""
    return _decode(packed, _WS_RECEIVES)


def decode_ws_disconnect(packed: bytes) -> messages.WsDisconnect:
    """The disconnect in `packed`. Raises: InvalidMessage."""
    return _decode(packed, _WS_DISCONNECTS)


def decode_receipt(packed: bytes) -> messages.Receipt:
    """The receipt in `packed`. Raises: InvalidMessage."""
    receipt = _decode(packed, _RECEIPTS)
    if receipt.kind not in messages.RECEIPT_KINDS:
        raise InvalidMessage("kind", f"one of {sorted(messages.RECEIPT_KINDS)}", receipt.kind)
    return receipt


def decode_http_reply(packed: bytes) -> messages.HttpReply:
    """The response, chunk, hold or event in `packed`. Raises: InvalidMessage."""
    try:
        response = _RESPONSES.decode(packed)
    except _UNREADABLE:  # not what most of them are, or at fault
        return messages.http_reply(unpack(packed))
    if not 200 <= response.status <= 599:
        return messages.http_reply(unpack(packed))
    known = check_headers(response.headers)
    content, more = response.content, response.more_content
    return messages.HttpResponse(response.status, known, content, more)


def decode_ws_reply(packed: bytes) -> messages.WsReply:
    """The socket reply in `packed`. Raises: InvalidMessage."""
    try:
        reply = _WS_REPLIES.decode(packed)
    except _UNREADABLE:
        return messages.ws_reply(unpack(packed))
    if reply.close is not None or (reply.text is not None and reply.binary is not None):
        return messages.ws_reply(unpack(packed))
    return reply


def _decode(packed: bytes, decoder: Decoder[_T]) -> _T:
    try:
        return decoder.decode(packed)
    except _UNREADABLE as error:
        raise _invalid(packed, str(error)) from error


def _invalid(packed: bytes, fault: str) -> InvalidMessage:
    """What is wrong in words of ours: the key, what was expected, what came."""
    named = _AT_KEY.search(fault)
    message = unpack(packed)
    if named is None:
        return InvalidMessage("message", fault, message)
    key = named[1] or named[2]
    return InvalidMessage(key, fault, message.get(key))


def _refuse(value: object) -> Any:
    raise TypeError(f"a {type(value).__name__} cannot travel in a message")
