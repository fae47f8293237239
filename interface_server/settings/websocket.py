"""The bounds and times of WebSocket connections."""

from dataclasses import dataclass
from typing import ClassVar

from interface_server.settings.options import COUNT, MIB, SECONDS, setting, size


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
    max_message: int = setting(MIB, size, "Largest WebSocket message; past it 1009.")
    socket_queue_frames: int = setting(
        64, COUNT, "Frames of a socket that wait; past it reading pauses."
    )
    socket_queue_bytes: int = setting(MIB, size, "The same in bytes.")
    max_socket_output: int = setting(
        4 * MIB,
        size,
        "Bytes that may wait for one slow socket, past it 1013, or event stream, past it cut.",
    )
    ping_interval_s: float = setting(30.0, SECONDS, "Seconds between pings.")
    ping_timeout_s: float = setting(20.0, SECONDS, "Seconds for a pong.")
