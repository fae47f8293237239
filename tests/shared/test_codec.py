"""Holds shared/codec.py: what is packed comes back the same, and junk is refused, never raised."""

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import codec, messages
from shared.errors import InvalidMessage

text = st.text(st.characters(exclude_categories=["Cs"]))
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | text
    | st.binary()
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner) | st.dictionaries(text, inner), max_leaves=20
)
headers = st.lists(st.tuples(st.binary(), st.binary())).map(tuple)
addresses = st.none() | st.tuples(text, st.integers(0, 65_535))
tails = st.integers(0, 2**40)

requests = st.builds(
    messages.HttpRequest,
    *(text, text, text, text, text, st.binary(), text, headers, st.binary()),
    *(st.none() | text, addresses, addresses, text),
)
connects = st.builds(
    messages.WsConnect,
    *(text, text, text, st.binary(), text, headers, addresses, addresses),
    *(st.lists(text).map(tuple), tails),
)
receives = st.builds(
    messages.WsReceive, text, text, tails, st.none() | text, st.none() | st.binary(), st.binary()
)
disconnects = st.builds(messages.WsDisconnect, text, text, tails, tails, st.binary())
receipts = st.builds(
    messages.Receipt,
    *(st.sampled_from(sorted(messages.RECEIPT_KINDS)), st.booleans(), st.none() | st.binary()),
)

CASES = [
    (requests, codec.decode_http_request),
    (connects, codec.decode_ws_connect),
    (receives, codec.decode_ws_receive),
    (disconnects, codec.decode_ws_disconnect),
    (receipts, codec.decode_receipt),
    (st.builds(messages.HttpDisconnect, text, text), codec.decode_http_disconnect),
    (
        st.builds(messages.BodyChunk, st.binary(), st.booleans(), st.booleans()),
        codec.decode_body_chunk,
    ),
]
DECODERS = [decode for _, decode in CASES] + [codec.decode_http_reply, codec.decode_ws_reply]


@given(st.dictionaries(text, values))
def test_any_message_comes_back_the_same(message: dict[str, Any]) -> None:
    """Bytes and text stay apart at any depth; whatever a message may hold survives the trip."""
    assert codec.unpack(codec.pack(message)) == message


def test_a_tuple_arrives_as_a_list() -> None:
    """Tuples may be sent; they arrive as lists."""
    assert codec.unpack(codec.pack({"a": (1, (b"x", "y"))})) == {"a": [1, [b"x", "y"]]}


@pytest.mark.parametrize(
    "message",
    [
        *([], "text", None, {5: "x"}, {b"a": 1}, {"a": object()}, {"a": {1, 2}}),
        *({"a": 2**64}, {"a": "\udc80"}),
    ],
)
def test_what_no_message_may_hold_is_refused(message: Any) -> None:
    """Other values, other keys and things that are no dict are refused with InvalidMessage."""
    with pytest.raises(InvalidMessage):
        codec.pack(message)


@given(st.data(), st.sampled_from(range(len(CASES))))
def test_a_typed_message_comes_back_the_same(data: st.DataObject, number: int) -> None:
    """Encoding leaves defaults out and decoding puts them back: the same object."""
    strategy, decode = CASES[number]
    message: Any = data.draw(strategy)
    assert decode(codec.encode(message)) == message


def test_defaults_are_left_out_and_bytes_has_its_name() -> None:
    """On the wire a message is the draft's dict: `bytes` for binary, no key at its default."""
    packed = codec.encode(messages.WsReceive("a!b", "/", 1, binary=b""))
    assert codec.unpack(packed) == {"reply_channel": "a!b", "path": "/", "order": 1, "bytes": b""}


@given(st.binary())
def test_junk_is_refused_by_every_decoder(packed: bytes) -> None:
    """Bytes that are no such message raise InvalidMessage and nothing else."""
    for decode in DECODERS:
        refused_or_decoded(decode, packed)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                *("reply_channel", "method", "path", "headers", "client", "server", "bytes"),
                *("subprotocols", "order", "kind", "status", "content", "text", "close", "x"),
            ]
        ),
        values,
    )
)
def test_maps_of_wrong_values_are_refused_by_every_decoder(message: dict[str, Any]) -> None:
    """Known keys with values of any type raise InvalidMessage and nothing else."""
    packed = msgpack.packb(message)
    for decode in DECODERS:
        refused_or_decoded(decode, packed)


def refused_or_decoded(decode: Any, packed: bytes) -> None:
    try:
        decode(packed)
    except InvalidMessage:
        return


def test_an_unknown_kind_of_receipt_is_refused() -> None:
    """A receipt is taken, done or dead."""
    with pytest.raises(InvalidMessage) as caught:
        codec.decode_receipt(msgpack.packb({"kind": "lost"}))
    assert caught.value.key == "kind"
