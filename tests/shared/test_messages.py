"""Holds shared/messages.py: which replies are messages and what is wrong with the others."""

from typing import Any

import pytest

from shared.errors import InvalidMessage
from shared.messages import (
    HttpResponse,
    ResponseChunk,
    WsReply,
    check_headers,
    http_reply,
    ws_reply,
)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"status": 200}, HttpResponse(200)),
        (
            {"status": 302, "headers": [[b"location", b"/"]], "content": b"x"},
            HttpResponse(302, ((b"location", b"/"),), b"x"),
        ),
        ({"status": 599, "more_content": True}, HttpResponse(599, (), b"", True)),
        ({"status": 200, "headers": None, "content": None}, HttpResponse(200)),
        ({"content": b"x"}, ResponseChunk(b"x")),
        ({"content": b"x", "more_content": True}, ResponseChunk(b"x", True)),
        ({}, ResponseChunk()),
        ({"status": None, "content": b"x"}, ResponseChunk(b"x")),
    ],
)
def test_good_http_replies(message: dict[str, Any], expected: HttpResponse | ResponseChunk) -> None:
    """A head with its content, or a chunk: told apart by status and headers."""
    assert http_reply(message) == expected


@pytest.mark.parametrize(
    ("message", "key"),
    [
        ({"status": "200"}, "status"),
        ({"status": True}, "status"),
        ({"status": 99}, "status"),
        ({"status": 100}, "status"),
        ({"status": 600}, "status"),
        ({"headers": []}, "status"),
        ({"status": 200, "content": "text"}, "content"),
        ({"status": 200, "content": 5}, "content"),
        ({"status": 200, "more_content": 1}, "more_content"),
        ({"status": 200, "headers": {b"a": b"b"}}, "headers"),
        ({"status": 200, "headers": [["a", b"b"]]}, "headers"),
        ({"status": 200, "headers": [[b"a", "b"]]}, "headers"),
        ({"status": 200, "headers": [[b"a"]]}, "headers"),
        ({"status": 200, "headers": [b"ab"]}, "headers"),
        ({"status": 200, "headers": [[b"a b", b"c"]]}, "headers"),
        ({"status": 200, "headers": [[b"", b"c"]]}, "headers"),
        ({"status": 200, "headers": [[b"a", b"b\r\nset-cookie: c"]]}, "headers"),
        ({"status": 200, "headers": [[b"a", b"b\x00"]]}, "headers"),
        ({"status": 200, "reason": b"OK"}, "reason"),
        ({"content": b"x", "colour": "red"}, "colour"),
    ],
)
def test_bad_http_replies_name_their_key(message: dict[str, Any], key: str) -> None:
    """What is wrong in an HTTP reply is named by its key."""
    with pytest.raises(InvalidMessage) as caught:
        http_reply(message)
    assert caught.value.key == key


def test_header_values_may_hold_tabs_and_high_bytes() -> None:
    """Horizontal tabs and bytes above ASCII are legal in a value (RFC 9110 section 5.5)."""
    pairs = [(b"x", b"a\tb"), (b"y", "é".encode("latin-1"))]
    assert check_headers(pairs) == tuple(pairs)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({}, WsReply()),
        ({"text": ""}, WsReply(text="")),
        ({"text": "ö 中 😀"}, WsReply(text="ö 中 😀")),
        ({"bytes": b""}, WsReply(binary=b"")),
        ({"text": "x", "bytes": None}, WsReply(text="x")),
        ({"accept": True, "text": "x"}, WsReply(text="x", accept=True)),
        ({"accept": False}, WsReply(accept=False)),
        ({"accept": True, "subprotocol": "p"}, WsReply(accept=True, subprotocol="p")),
        ({"close": True}, WsReply(close=1000)),
        ({"close": False}, WsReply()),
        ({"close": 0}, WsReply()),
        ({"close": 1000}, WsReply(close=1000)),
        ({"close": 3000}, WsReply(close=3000)),
        ({"close": 4999}, WsReply(close=4999)),
    ],
)
def test_good_socket_replies(message: dict[str, Any], expected: WsReply) -> None:
    """Data, accept and close in every combination that means something."""
    assert ws_reply(message) == expected


@pytest.mark.parametrize(
    ("message", "key"),
    [
        ({"text": b"bytes"}, "text"),
        ({"text": 5}, "text"),
        ({"bytes": "text"}, "bytes"),
        ({"text": "x", "bytes": b"y"}, "bytes"),
        ({"text": "", "bytes": b""}, "bytes"),
        ({"close": 99999}, "close"),
        ({"close": 1005}, "close"),
        ({"close": 1001}, "close"),
        ({"close": 2999}, "close"),
        ({"close": -1}, "close"),
        ({"close": "1000"}, "close"),
        ({"accept": 1}, "accept"),
        ({"subprotocol": b"p"}, "subprotocol"),
        ({"texts": "x"}, "texts"),
    ],
)
def test_bad_socket_replies_name_their_key(message: dict[str, Any], key: str) -> None:
    """What is wrong in a socket's reply is named by its key."""
    with pytest.raises(InvalidMessage) as caught:
        ws_reply(message)
    assert caught.value.key == key
