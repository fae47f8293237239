"""Every setting of the interface server, once: its default, unit, flag and environment variable.

Checks each value where it is read; opens nothing. Redis and logging are set in `shared.settings`.
"""

import functools
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click

from shared.errors import ConfigurationError

KIB = 1024
MIB = 1024 * 1024
_UNITS = {"": 1, "k": KIB, "m": MIB, "g": 1024 * MIB}
_SIZE_TEXT = re.compile(r"([0-9]+)([kmg]?)(?:i?b)?")


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder whose files answer below `prefix` (`/static`, no slash at its end)."""

    prefix: str
    folder: Path


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What an interface server needs to know; sizes in bytes, times in seconds (`_s`)."""

    host: str = "127.0.0.1"
    port: int = 8000
    backlog: int = 8192
    """Connections that may wait to be accepted; Twisted's 50 drops a crowd that reconnects."""
    static: tuple[Mount, ...] = ()
    media: tuple[Mount, ...] = ()
    root_path: str = ""
    server_header: str = "channels-board"
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks (CIDR) whose X-Forwarded-* and X-Request-ID are believed."""
    log_addresses: bool = True
    send_http_disconnect: bool = False
    grace_s: float = 10.0
    drain_rate: float = 500.0
    """Sockets that are told each second to go elsewhere at a stop; more of them where half of the
    grace would not do."""

    max_head: int = 32 * KIB
    max_headers: int = 100
    max_body: int = 16 * MIB
    inline_body: int = 512 * KIB
    """Up to here a body travels inside `http.request`; larger ones as chunks."""
    bodies_total: int = 256 * MIB
    max_output: int = 16 * MIB
    """Response bytes that may wait for one slow HTTP client."""
    pipeline_depth: int = 16
    head_timeout_s: float = 10.0
    idle_timeout_s: float = 65.0
    body_timeout_s: float = 30.0
    """A body must bring 16 KiB, or its end, within each such span."""
    stall_timeout_s: float = 60.0
    """How long a client may leave response bytes unread."""
    http_timeout_s: float = 120.0

    websocket_connect_timeout_s: float = 5.0
    websocket_event_timeout_s: float = 120.0
    max_message: int = MIB
    socket_queue_frames: int = 64
    """Frames of one socket that wait for its event in flight; past it reading pauses."""
    socket_queue_bytes: int = MIB
    max_socket_output: int = 4 * MIB
    """Bytes that may wait for one slow socket before it is closed with 1013."""
    ping_interval_s: float = 30.0
    ping_timeout_s: float = 20.0

    def __post_init__(self) -> None:
        """Refuse sizes that no message could carry. Raises: ConfigurationError."""
        for name in ("inline_body", "max_message"):
            if getattr(self, name) > MIB:
                raise ConfigurationError(
                    f"{name}: expected at most {MIB} bytes, what one message of the channel "
                    f"layer carries, got {getattr(self, name)}"
                )


def server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """A click command with every option below; it receives one `server: ServerSettings`."""

    @functools.wraps(command)
    def with_settings(*args: Any, **kwargs: Any) -> Any:
        values = {field.name: kwargs.pop(field.name) for field in fields(ServerSettings)}
        try:
            settings = ServerSettings(**values)
        except ConfigurationError as error:
            raise click.UsageError(str(error)) from error
        return command(*args, server=settings, **kwargs)

    decorated: Callable[..., Any] = with_settings
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def mount(value: str | Mount) -> Mount:
    """The mount in `/PREFIX=DIR`. Raises: click.BadParameter."""
    if isinstance(value, Mount):
        return value
    prefix, _, folder = value.partition("=")
    prefix = prefix.rstrip("/")
    if not folder or not prefix.startswith("/") or "//" in prefix:
        raise click.BadParameter(f"expected /PREFIX=DIR such as /static=./static, got {value!r}")
    path = Path(folder).expanduser().resolve()
    if not path.is_dir():
        raise click.BadParameter(f"{prefix}: there is no folder {str(path)!r}")
    return Mount(prefix, path)


def network(value: str) -> str:
    """An address or network in CIDR form. Raises: click.BadParameter."""
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError as error:
        raise click.BadParameter(f"expected an IP address or network, got {value!r}") from error


def size(value: str | int) -> int:
    """Bytes in `65536`, `64k`, `16m` or `16MiB`. Raises: click.BadParameter."""
    if isinstance(value, int):
        return value
    match = _SIZE_TEXT.fullmatch(value.strip().lower())
    if match is None:
        raise click.BadParameter(f"expected bytes such as 65536, 64k or 16m, got {value!r}")
    return int(match[1]) * _UNITS[match[2] or ""]


def root_path(value: str) -> str:
    """A path without a slash at its end. Raises: click.BadParameter."""
    path = value.rstrip("/")
    if path and not path.startswith("/"):
        raise click.BadParameter(f"expected a path that begins with '/', got {value!r}")
    return path


def header_text(value: str) -> str:
    """Printable ASCII. Raises: click.BadParameter."""
    if value and not (value.isascii() and value.isprintable()):
        raise click.BadParameter(f"expected printable ASCII, got {value!r}")
    return value


_SECONDS = click.FloatRange(min=0.001)
_COUNT = click.IntRange(min=1)


_METAVARS: dict[Any, str] = {
    mount: "/PREFIX=DIR",
    network: "ADDRESS|CIDR",
    size: "BYTES",
    root_path: "/PATH",
    header_text: "TEXT",
}


def _option(name: str, type_: Any, help_: str, **more: Any) -> Callable[..., Any]:
    flag = "--" + name.replace("_", "-")
    field = ServerSettings.__dataclass_fields__[name]
    if type_ in _METAVARS:
        more["metavar"] = _METAVARS[type_]
    environment = more.pop("environment", "CHANNELS_" + name.removesuffix("_s").upper())
    return click.option(
        more.pop("flag", flag),
        name,
        type=type_,
        default=field.default,
        envvar=environment,
        show_envvar=True,
        show_default=more.pop("show_default", True),
        help=help_,
        **more,
    )


_OPTIONS: tuple[Callable[..., Any], ...] = (
    _option(
        "host", str, "Address to listen on; 0.0.0.0 or :: for all.", environment="CHANNELS_HOST"
    ),
    _option("port", click.IntRange(0, 65535), "Port; 0 takes a free one.", environment="PORT"),
    _option("backlog", _COUNT, "Connections that may wait to be accepted."),
    _option(
        "static",
        mount,
        "Answer /PREFIX/… with the files of DIR, without asking a worker. May be repeated.",
        multiple=True,
        show_default=False,
    ),
    _option(
        "media",
        mount,
        "The same for files that users sent: no sniffing, sandboxed, cached for good.",
        multiple=True,
        show_default=False,
    ),
    _option("root_path", root_path, "Path under which a proxy mounts this site."),
    _option("server_header", header_text, "Value of the Server header; empty for none."),
    _option(
        "trusted_proxies",
        network,
        "A proxy whose X-Forwarded-For, -Proto, -Host and X-Request-ID are believed. "
        "May be repeated.",
        multiple=True,
        show_default=False,
        flag="--trusted-proxy",
    ),
    _option(
        "log_addresses",
        bool,
        "Whether the access log shows the clients' addresses.",
        flag="--log-addresses/--no-log-addresses",
    ),
    _option(
        "send_http_disconnect",
        bool,
        "Send http.disconnect when a client leaves before its response ended; only for sites "
        "with a consumer of that channel.",
        flag="--send-http-disconnect/--no-send-http-disconnect",
    ),
    _option("grace_s", _SECONDS, "Seconds that running requests get at a stop.", flag="--grace"),
    _option(
        "drain_rate",
        click.FloatRange(min=1),
        "Sockets closed each second at a stop; faster if half of --grace would not do.",
    ),
    _option("max_head", size, "Largest request line with headers; past it 431."),
    _option("max_headers", _COUNT, "Most headers of one request; past it 431."),
    _option("max_body", size, "Largest request body; past it 413."),
    _option("inline_body", size, "Bodies up to here travel inside the request's message."),
    _option("bodies_total", size, "All request bodies in hand together; past it 503."),
    _option("max_output", size, "Response bytes that may wait for one slow client."),
    _option("pipeline_depth", _COUNT, "Requests of one connection in hand at a time."),
    _option("head_timeout_s", _SECONDS, "Seconds for a request head.", flag="--head-timeout"),
    _option("idle_timeout_s", _SECONDS, "Seconds between requests.", flag="--idle-timeout"),
    _option("body_timeout_s", _SECONDS, "Seconds for each 16 KiB of body.", flag="--body-timeout"),
    _option("stall_timeout_s", _SECONDS, "Seconds without reading.", flag="--stall-timeout"),
    _option("http_timeout_s", _SECONDS, "Seconds for an answer, then 503.", flag="--http-timeout"),
    _option(
        "websocket_connect_timeout_s",
        _SECONDS,
        "Seconds in which a worker must accept or refuse a handshake.",
        flag="--websocket-connect-timeout",
    ),
    _option(
        "websocket_event_timeout_s",
        _SECONDS,
        "Seconds in which an event of a socket must be handled; past it 1013.",
        flag="--websocket-event-timeout",
    ),
    _option("max_message", size, "Largest WebSocket message; past it 1009."),
    _option("socket_queue_frames", _COUNT, "Frames of a socket that wait; past it reading pauses."),
    _option("socket_queue_bytes", size, "The same in bytes."),
    _option("max_socket_output", size, "Bytes that may wait for one slow socket; past it 1013."),
    _option("ping_interval_s", _SECONDS, "Seconds between pings.", flag="--ping-interval"),
    _option("ping_timeout_s", _SECONDS, "Seconds for a pong.", flag="--ping-timeout"),
)
