"""Messages to bytes and back: msgpack with bytes and text kept apart.

Knows nothing of lists, leases or sockets; the only place where a message is a bare dict.
"""

from collections.abc import Mapping
from itertools import product
from types import UnionType
from typing import Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import msgpack

from shared import messages
from shared.errors import InvalidMessage

_Packable = (
    messages.HttpRequest
    | messages.BodyChunk
    | messages.HttpDisconnect
    | messages.HttpResponse
    | messages.ResponseChunk
    | messages.Hold
    | messages.WsConnect
    | messages.WsReceive
    | messages.WsDisconnect
    | messages.WsReply
    | messages.Receipt
)


class Part(NamedTuple):
    """Some keys of a message, packed: what many messages have in common is packed once."""

    keys: int
    packed: bytes


_MAX_KEYS = 15
"""Keys of a message that is completed from a part: more would need a longer head."""

_WIRE = {"binary": "bytes"}
"""Fields whose key on the wire has another name."""

_T = TypeVar("_T", bound=_Packable)

_TUPLES = {"headers": True, "client": False, "server": False, "subprotocols": False}
"""Keys that are tuples here and lists on the wire; True where they hold pairs."""


def _runtime_types(hint: Any) -> tuple[type, ...]:
    if isinstance(hint, UnionType):
        return tuple(kind for arg in get_args(hint) for kind in _runtime_types(arg))
    return (get_origin(hint) or hint,)


_TYPES: dict[type, tuple[tuple[str, tuple[type, ...]], ...]] = {
    kind: tuple(
        (name, _runtime_types(hint)) for name, hint in get_type_hints(kind, vars(messages)).items()
    )
    for kind in get_args(_Packable)
}
_EXACT = {
    kind: frozenset(product(*(types for _, types in fields))) for kind, fields in _TYPES.items()
}
"""All that the types of a message's values may be, for one look instead of one a field."""

_LISTS = {
    kind: tuple((name, _TUPLES[name]) for name, _ in fields if name in _TUPLES)
    for kind, fields in _TYPES.items()
}

_MAP_HEADS = tuple(bytes((0x80 | keys,)) for keys in range(_MAX_KEYS + 1))
"""The first byte of a map of so many keys. Source: the MessagePack specification, "map format"."""

_REQUIRED = object()
"""Stands where a field has no default; no value equals it."""

_KEYS: dict[type, tuple[str, ...]] = {
    kind: tuple(_WIRE.get(name, name) for name in kind._fields) for kind in get_args(_Packable)
}
"""Key on the wire of each field, in the order of the fields."""

_DEFAULTS: dict[type, tuple[Any, ...]] = {
    kind: tuple(kind._field_defaults.get(name, _REQUIRED) for name in kind._fields)
    for kind in get_args(_Packable)
}
"""Default of each field, in the same order."""

_PACKER = msgpack.Packer(use_bin_type=True)
"""One for all typed messages: making one costs more than packing a message.

It runs no Python code of ours while it packs plain values, so threads cannot meet in it.
"""


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
    return _unpacked(packed, use_list=True)


def _unpacked(packed: bytes, use_list: bool) -> dict[str, Any]:
    try:
        message = msgpack.unpackb(packed, raw=False, strict_map_key=True, use_list=use_list)
    except (ValueError, msgpack.exceptions.UnpackException) as error:
        raise InvalidMessage("message", "one msgpack map", packed) from error
    if not isinstance(message, dict):
        raise InvalidMessage("message", "a msgpack map", message)
    return message


def pack_known(fields: dict[str, Any]) -> bytes:
    """As `encode`, of what a typed message would hold: keys as on the wire, defaults left out."""
    packed: bytes = _PACKER.pack(fields)
    return packed


def encode(message: _Packable) -> bytes:
    """The bytes of a typed message; keys whose value is the default are left out."""
    kind = type(message)
    fields = zip(_KEYS[kind], message, _DEFAULTS[kind], strict=True)
    packed: bytes = _PACKER.pack({key: value for key, value, default in fields if value != default})
    return packed


def part(fields: dict[str, Any]) -> Part:
    """These keys and values as a part of a message; at most 15, keys as they stand on the wire."""
    return Part(len(fields), _PACKER.pack(fields)[1:])


def completed(common: Part, fields: dict[str, Any]) -> bytes:
    """The message of a part and these keys; at most 15 in all, none of them twice."""
    own: bytes = _PACKER.pack(fields)
    return b"".join((_MAP_HEADS[common.keys + len(fields)], common.packed, own[1:]))


def decode_http_request(packed: bytes) -> messages.HttpRequest:
    """The request in `packed`. Raises: InvalidMessage."""
    return _decode(packed, messages.HttpRequest)


def decode_http_disconnect(packed: bytes) -> messages.HttpDisconnect:
    """The disconnect in `packed`. Raises: InvalidMessage."""
    return _decode(packed, messages.HttpDisconnect)


def decode_body_chunk(packed: bytes) -> messages.BodyChunk:
    """The chunk in `packed`. Raises: InvalidMessage."""
    return _decode(packed, messages.BodyChunk)


def decode_ws_connect(packed: bytes) -> messages.WsConnect:
    """The handshake in `packed`. Raises: InvalidMessage."""
    return _decode(packed, messages.WsConnect)


def decode_ws_receive(packed: bytes) -> messages.WsReceive:
    """The frame in `packed`. Raises: InvalidMessage."""
    return _decode(packed, messages.WsReceive)


def decode_ws_disconnect(packed: bytes) -> messages.WsDisconnect:
    """The disconnect in `packed`. Raises: InvalidMessage."""
    return _decode(packed, messages.WsDisconnect)


def decode_receipt(packed: bytes) -> messages.Receipt:
    """The receipt in `packed`. Raises: InvalidMessage."""
    known = _KNOWN_RECEIPTS.get(packed)
    if known is not None:
        return known
    receipt = _decode(packed, messages.Receipt)
    if receipt.kind not in messages.RECEIPT_KINDS:
        raise InvalidMessage("kind", f"one of {sorted(messages.RECEIPT_KINDS)}", receipt.kind)
    return receipt


def decode_http_reply(packed: bytes) -> messages.HttpReply:
    """The response, chunk, hold or event in `packed`. Raises: InvalidMessage."""
    # As tuples, so that headers can be looked up among those that are known to be good.
    return messages.http_reply(_unpacked(packed, use_list=False))


def decode_ws_reply(packed: bytes) -> messages.WsReply:
    """The socket reply in `packed`. Raises: InvalidMessage."""
    return messages.ws_reply(unpack(packed))


_KNOWN_RECEIPTS = {
    encode(receipt): receipt
    for receipt in (messages.Receipt("done"), messages.Receipt("done", later=True))
}
"""Almost all that come."""


def _decode(packed: bytes, kind: type[_T]) -> _T:
    message = unpack(packed)
    if "bytes" in message:
        message["binary"] = message.pop("bytes")
    for name, holds_pairs in _LISTS[kind]:
        if name in message:
            message[name] = _as_tuple(name, message[name], holds_pairs)
    try:
        made = kind(**message)
    except TypeError as error:
        raise InvalidMessage("message", f"the keys of {kind.__name__}", list(message)) from error
    if tuple(map(type, made)) not in _EXACT[kind]:
        for (name, types), value in zip(_TYPES[kind], made, strict=True):
            if not isinstance(value, types):
                raise InvalidMessage(name, _words(types), value)
    return made


def _as_tuple(name: str, value: Any, pairs: bool) -> Any:
    if value is None and not pairs:
        return None
    if not isinstance(value, list):
        raise InvalidMessage(name, "a list", value)
    if not pairs:
        return tuple(value)
    return tuple([_pair(name, pair) for pair in value])


def _pair(name: str, pair: Any) -> tuple[bytes, bytes]:
    if type(pair) is list and len(pair) == 2 and type(pair[0]) is type(pair[1]) is bytes:
        return (pair[0], pair[1])
    raise InvalidMessage(name, "pairs of [name bytes, value bytes]", pair)


def _words(types: tuple[type, ...]) -> str:
    return " or ".join("None" if kind is type(None) else kind.__name__ for kind in types)


def _refuse(value: object) -> Any:
    raise TypeError(f"a {type(value).__name__} cannot travel in a message")
