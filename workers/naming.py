"""What log lines call a message: its channel, the request's id or the socket's name, its path.

Pure, and it never fails: whoever logs is in trouble already.
"""

from collections.abc import Callable, Mapping

from channel_layer.layer import Entry
from shared import codec
from shared.errors import InvalidMessage
from workers.consumers import SocketMessage
from workers.routing import (
    HTTP_REQUEST,
    WEBSOCKET_CONNECT,
    WEBSOCKET_DISCONNECT,
    WEBSOCKET_RECEIVE,
)

_SOCKETS: Mapping[str, Callable[[bytes], SocketMessage]] = {
    WEBSOCKET_CONNECT: codec.decode_ws_connect,
    WEBSOCKET_RECEIVE: codec.decode_ws_receive,
    WEBSOCKET_DISCONNECT: codec.decode_ws_disconnect,
}


def named(entry: Entry) -> dict[str, str | int]:
    """The facts by which the message in `entry` is found in other lines.

    A socket goes by its name on every line; its handshake has the request's id beside it.
    """
    facts: dict[str, str | int] = {"channel": entry.channel}
    try:
        if entry.channel == HTTP_REQUEST:
            request = codec.decode_http_request(entry.payload)
            return {**facts, "path": request.path, "request_id": request.request_id}
        if entry.channel in _SOCKETS:
            event = _SOCKETS[entry.channel](entry.payload)
            facts |= {"path": event.path, "socket": event.reply_channel}
            handshake = getattr(event, "request_id", "")
            return facts | ({"request_id": handshake} if handshake else {})
    except InvalidMessage:
        pass
    return {**facts, "entry": entry.id}
