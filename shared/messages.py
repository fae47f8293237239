"""Each message between server and workers as a typed class with its checks.

They are msgspec's structs: read from bytes, types checked, at a tenth of what Python code takes.

Names and defaults are the ASGI draft's (version 1.0); what goes beyond it is marked "Ours". The
key `bytes` is called `binary` here, since a class cannot use the word for type and field at once.
Bytes on the wire belong to `codec.py`.
"""

from collections.abc import Mapping
from typing import Any

from msgspec import field

from shared.checks import Headers, Message, check_headers, close_code, no_others, value_of
from shared.errors import InvalidMessage
from shared.held_messages import Event, Hold, held_reply

__all__ = ["Event", "Headers", "Hold", "check_headers"]

Address = tuple[str, int]
"""(host, port)."""


class HttpRequest(Message, frozen=True):
    """One HTTP request, sent on `http.request`.

    `path` is percent-decoded, `query_string` is not. A body up to the inline limit is in `body`;
    a larger one lies as chunks on `body_channel` and is complete before this message is sent.
    `request_id` (Ours) names the request in every log line.
    """

    reply_channel: str
    method: str
    path: str
    http_version: str = "1.1"
    scheme: str = "http"
    query_string: bytes = b""
    root_path: str = ""
    headers: Headers = ()
    body: bytes = b""
    body_channel: str | None = None
    client: Address | None = None
    server: Address | None = None
    request_id: str = ""


class BodyChunk(Message, frozen=True):
    """A part of a request's body on its `http.request.body?…` channel; the last says no more."""

    content: bytes = b""
    more_content: bool = False
    closed: bool = False


class HttpDisconnect(Message, frozen=True):
    """The client of `reply_channel` left before its response ended."""

    reply_channel: str
    path: str


class HttpResponse(Message, frozen=True):
    """The head of a response with its first content; `more_content` announces chunks."""

    status: int
    headers: Headers = ()
    content: bytes = b""
    more_content: bool = False


class ResponseChunk(Message, frozen=True):
    """More content of a response that has begun."""

    content: bytes = b""
    more_content: bool = False


class WsConnect(Message, frozen=True):
    """A handshake that a worker must accept or refuse; sent on `websocket.connect`, order 0.

    `request_id` (Ours) names the handshake in its response and in log lines.
    """

    reply_channel: str
    path: str
    scheme: str = "ws"
    query_string: bytes = b""
    root_path: str = ""
    headers: Headers = ()
    client: Address | None = None
    server: Address | None = None
    subprotocols: tuple[str, ...] = ()
    order: int = 0
    request_id: str = ""


class WsReceive(Message, frozen=True):
    """One frame of a socket, either text or bytes; `order` counts from 1.

    `state` (Ours) is the consumer's packed connection state; `b""` when it keeps none.
    """

    reply_channel: str
    path: str
    order: int
    text: str | None = None
    binary: bytes | None = field(default=None, name="bytes")
    state: bytes = b""


class WsDisconnect(Message, frozen=True):
    """The end of an accepted socket; exactly one each. `code`: RFC 6455 section 7.4."""

    reply_channel: str
    path: str
    order: int
    code: int
    state: bytes = b""


REAPED_ORDER = 2**31 - 1
"""The `order` of a disconnect that the reaper sends: behind all others of its socket."""

REAPED_CODE = 1006
"""Its code: the connection vanished. Source: RFC 6455 section 7.4.1."""


class WsReply(Message, frozen=True):
    """What a worker wants done with a socket; `close` is None or the close code."""

    text: str | None = None
    binary: bytes | None = field(default=None, name="bytes")
    accept: bool | None = None
    close: int | None = None
    subprotocol: str | None = None


class Receipt(Message, frozen=True):
    """Says what became of an event (Ours); it travels behind the event's replies.

    `kind`: "taken" (a plain reader has it, nothing more will be said), "done" (handled, its
    effects are in place), "dead" (given up after too many attempts). `later`: the handler keeps
    the reply channel and will answer. `state`: the new connection state, None when unchanged.
    """

    kind: str
    later: bool = False
    state: bytes | None = None


RECEIPT_KINDS = frozenset({"taken", "done", "dead"})


_HTTP_REPLY = frozenset({"status", "headers", "content", "more_content"})
_WS_REPLY = frozenset({"text", "bytes", "accept", "close", "subprotocol", "event"})

HttpReply = HttpResponse | ResponseChunk | Hold | Event
"""What may come on the reply channel of an exchange."""


def http_reply(message: Mapping[str, Any]) -> HttpReply:
    """The typed form of what came on an HTTP reply channel.

    Raises: InvalidMessage, also for header names or values that would break the framing
    (RFC 9110 section 5.5).
    """
    if not _HTTP_REPLY.issuperset(message):
        return held_reply(message, _HTTP_REPLY)
    content, more = message.get("content", b""), message.get("more_content", False)
    if type(content) is not bytes:
        content = value_of(message, "content", bytes, "bytes", b"")
    if type(more) is not bool:
        more = value_of(message, "more_content", bool, "a bool", False)
    status, pairs = message.get("status"), message.get("headers")
    if status is None and pairs is None:
        return ResponseChunk(content, more)
    if type(status) is not int or not 200 <= status <= 599:
        raise InvalidMessage("status", "an int from 200 to 599", status)
    if type(pairs) is not tuple:
        pairs = value_of(message, "headers", (list, tuple), "a list of pairs", ())
    return HttpResponse(status, check_headers(pairs), content, more)


def ws_reply(message: Mapping[str, Any]) -> WsReply:
    """The typed form of what came on a socket's reply channel.

    The key `event` is for event streams. Raises: InvalidMessage for both kinds of data at once,
    a close code outside 1000 and 3000–4999, an unknown key or a value of the wrong type.
    """
    text = message.get("text")
    if len(message) == 1 and type(text) is str:  # most of them
        return WsReply(text)
    text = value_of(message, "text", str, "text", None)
    data = value_of(message, "bytes", bytes, "bytes", None)
    if text is not None and data is not None:
        raise InvalidMessage("bytes", "either text or bytes, not both", data)
    accept = value_of(message, "accept", bool, "a bool", None)
    subprotocol = value_of(message, "subprotocol", str, "text", None)
    close = close_code(value_of(message, "close", (bool, int), "a bool or a close code", None))
    no_others(message, _WS_REPLY)
    return WsReply(text, data, accept, close, subprotocol)
