"""The bounds and times of HTTP requests and their answers."""

from dataclasses import dataclass
from typing import ClassVar

from interface_server.settings.options import COUNT, KIB, MIB, SECONDS, header_text, setting, size


@dataclass(frozen=True)
class HttpSettings:
    """Sizes in bytes, times in seconds."""

    SECTION: ClassVar[str] = "HTTP"

    server_header: str = setting(
        "channels-board", header_text, "Value of the Server header; empty for none."
    )
    send_http_disconnect: bool = setting(
        False,
        bool,
        "Send http.disconnect when a client leaves before its response ended; only for sites "
        "with a consumer of that channel.",
        flags=("--send-http-disconnect/--no-send-http-disconnect",),
    )
    max_head: int = setting(32 * KIB, size, "Largest request line with headers; past it 431.")
    max_headers: int = setting(100, COUNT, "Most headers of one request; past it 431.")
    max_body: int = setting(16 * MIB, size, "Largest request body; past it 413.")
    inline_body: int = setting(
        512 * KIB, size, "Bodies up to here travel inside the request's message."
    )
    bodies_total: int = setting(
        256 * MIB, size, "All request bodies in hand together; past it 503."
    )
    max_output: int = setting(16 * MIB, size, "Response bytes that may wait for one slow client.")
    pipeline_depth: int = setting(16, COUNT, "Requests of one connection in hand at a time.")
    head_timeout_s: float = setting(10.0, SECONDS, "Seconds for a request head.")
    idle_timeout_s: float = setting(65.0, SECONDS, "Seconds between requests.")
    body_timeout_s: float = setting(30.0, SECONDS, "Seconds for each 16 KiB of body.")
    stall_timeout_s: float = setting(60.0, SECONDS, "Seconds without reading.")
    http_timeout_s: float = setting(120.0, SECONDS, "Seconds for an answer, then 503.")
    event_stream_heartbeat_s: float = setting(
        30.0, SECONDS, "Seconds between comments in an event stream, so that it is seen to live."
    )
