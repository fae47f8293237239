"""The bounds and times of WebSocket connections."""

from dataclasses import dataclass
from typing import ClassVar

from interface_server.settings.options import COUNT, MIB, SECONDS, origin, setting, size
from interface_server.ws_origin import ANY


@dataclass(frozen=True)
class WebSocketSettings:
    """Sizes in bytes, times in seconds."""

    SECTION: ClassVar[str] = "WebSocket"

    websocket_connect_timeout_s: float = setting(
        5.0, SECONDS, "Seconds in which a worker must accept or refuse a handshake."
    )
    websocket_event_timeout_s: float = setting(
        120.0, SECONDS, "Seconds in which an event of a socket must be handled; past it 1013."
    )
    max_message: int = setting(
        MIB, size, "Largest WebSocket message, inflated; at most 16m; past it 1009."
    )
    socket_queue_frames: int = setting(
        64, COUNT, "Frames of a socket that wait; past it reading pauses."
    )
    socket_queue_bytes: int = setting(MIB, size, "The same in bytes.")
    max_socket_output: int = setting(
        4 * MIB,
        size,
        "Bytes that may wait for one slow socket, past it 1013, or event stream, past it cut.",
    )
    websocket_deflate: bool = setting(
        False,
        bool,
        "Compress the messages of sockets that offer it (permessage-deflate, RFC 7692): saves "
        "bytes, costs time. Off, as a message that holds a secret and what a stranger wrote can "
        "give the secret away by its length.",
        flags=("--websocket-deflate/--no-websocket-deflate",),
    )
    websocket_origins: tuple[str, ...] = setting(
        (ANY,),
        origin,
        "Sites whose pages may open sockets: 'any', 'same' (the site asked, as Host or a trusted "
        "proxy says) or an origin such as https://example.org; others get 403 before a worker is "
        "asked. May be repeated. Default: any, since workers see the header.",
        flags=("--websocket-origin",),
        environment="CHANNELS_WEBSOCKET_ORIGIN",
    )
    ping_interval_s: float = setting(
        30.0, SECONDS, "Seconds between pings; what the server sends does not put one off."
    )
    ping_timeout_s: float = setting(
        20.0, SECONDS, "Seconds for a pong or anything else; past it the peer is cut."
    )
