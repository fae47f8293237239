"""What handlers of sockets and jobs receive: one event of a socket, one attempt at a job.

It turns typed messages into these; it calls no handler (`handling.py`) and knows no worker loop.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from msgspec import Struct, field

from shared import codec
from shared.messages import Address, WsConnect, WsDisconnect, WsReceive
from workers.web import Headers, Query

SocketMessage: TypeAlias = WsConnect | WsReceive | WsDisconnect

_NO_QUERY, _NO_HEADERS = Query(), Headers()


class SocketEvent(Struct, frozen=True):
    """One turn in the life of a socket: its handshake, one frame, or its end.

    `query`, `headers`, `client`, `host` and `subprotocols` are known at the handshake only: what
    later events need of them goes into the connection state. `state` is a fresh dict each time;
    changing it changes nothing, `outbox.state(...)` does. A frame has either `text` or `binary`;
    an end has its close `code` (RFC 6455 section 7.4). `order` counts the socket's events from 0.
    """

    path: str
    params: Mapping[str, str | int]
    reply_channel: str
    order: int = 0
    query: Query = _NO_QUERY
    headers: Headers = _NO_HEADERS
    client: Address | None = None
    scheme: str = "ws"
    host: str = ""
    subprotocols: tuple[str, ...] = ()
    text: str | None = None
    binary: bytes | None = None
    code: int | None = None
    state: dict[str, Any] = field(default_factory=dict)
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class JobAttempt:
    """Which try at a job this is: `attempt` of at most `limit`, both from 1.

    `id` is the same in every attempt and differs between jobs of one site.
    """

    attempt: int
    limit: int
    id: int


def socket_event(
    message: SocketMessage, params: Mapping[str, str | int], state: bytes, attempt: int
) -> SocketEvent:
    """The event that `message` tells of, with the connection state that it finds.

    Raises: InvalidMessage when the state is no packed dict.
    """
    kept = codec.unpack(state) if state else {}
    channel, order = message.reply_channel, message.order
    if isinstance(message, WsReceive):
        text, binary = message.text, message.binary
        return SocketEvent(
            message.path,
            params,
            channel,
            order,
            text=text,
            binary=binary,
            state=kept,
            attempt=attempt,
        )
    if isinstance(message, WsDisconnect):
        code = message.code
        return SocketEvent(
            message.path, params, channel, order, code=code, state=kept, attempt=attempt
        )
    headers = Headers(message.headers)
    return SocketEvent(
        message.path,
        params,
        channel,
        order,
        Query(message.query_string),
        headers,
        message.client,
        message.scheme,
        headers.get("host") or "",
        message.subprotocols,
        state=kept,
        attempt=attempt,
    )
