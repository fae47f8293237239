"""Where the server listens and whom it believes. Opens no port; `listening/` does."""

from dataclasses import dataclass
from typing import ClassVar

import click

from interface_server.settings.options import COUNT, network, processes, root_path, setting
from shared.addresses import TcpPlace, bind, file_mode, unix_path
from shared.settings import FiniteRange


@dataclass(frozen=True)
class ListenSettings:
    """Addresses, proxies and what waits at the door."""

    SECTION: ClassVar[str] = "Listening"

    bind: tuple[TcpPlace, ...] = setting(
        (),
        bind,
        "Address to listen on, IPv6 with a port in brackets; 0.0.0.0 or :: for all. May be "
        "repeated. 127.0.0.1 when no place of any kind is named.",
        flags=("-b", "--bind", "--host"),
        environment=("CHANNELS_BIND", "CHANNELS_HOST"),
        metavar="HOST[:PORT]",
    )
    port: int = setting(
        8000,
        click.IntRange(0, 65535),
        "Port of each --bind that names none; 0 takes a free one.",
        flags=("-p", "--port"),
        environment="PORT",
    )
    unix_socket: tuple[str, ...] = setting(
        (),
        unix_path,
        "UNIX socket to listen on, for a proxy on this machine. May be repeated.",
        flags=("-u", "--unix-socket"),
        metavar="PATH",
    )
    unix_mode: int = setting(
        0o660,
        file_mode,
        "Who may connect to the UNIX sockets, as for chmod.",
        metavar="OCTAL",
        show_default="660",
    )
    fd: tuple[int, ...] = setting(
        (),
        click.IntRange(0),
        "Descriptor of a socket that listens already. May be repeated. Sockets that systemd "
        "passes (LISTEN_FDS) are used without it.",
    )
    endpoint: tuple[str, ...] = setting(
        (),
        str,
        "Twisted endpoint to listen on, as in 'ssl:443:privateKey=key.pem:certKey=cert.pem'. May "
        "be repeated (in the variable: separated by blanks).",
        flags=("-e", "--endpoint"),
        metavar="STRING",
    )
    processes: int = setting(
        1,
        processes,
        "Server processes on these addresses; auto: one for each core.",
        metavar="N|auto",
    )
    # Twisted's 50 drops a crowd that reconnects.
    backlog: int = setting(8192, COUNT, "Connections that may wait to be accepted.")
    max_connections: int = setting(
        0,
        click.IntRange(min=0),
        "Connections that a process holds; past it new ones are closed at once. 0: as many as the "
        "limit on open files allows, less 100.",
    )
    max_connections_per_address: int = setting(
        0,
        click.IntRange(min=0),
        "The same for one client address (IPv6: one /64), as told by --proxy-protocol too; "
        "trusted proxies and UNIX sockets are exempt. 0: no bound; 200 is enough for people.",
    )
    accept_rate: float = setting(
        0.0,
        FiniteRange(min=0),
        "Connections that a process accepts each second; what comes faster waits. 0: no bound.",
    )
    proxy_protocol: bool = setting(
        False,
        bool,
        "Connections begin with a PROXY protocol header (version 1 or 2) of a trusted proxy; "
        "all others are closed. Not for --redirect-port.",
        flags=("--proxy-protocol/--no-proxy-protocol",),
    )
    root_path: str = setting("", root_path, "Path under which a proxy mounts this site.")
    trusted_proxies: tuple[str, ...] = setting(
        (),
        network,
        "A proxy whose forwarding headers and X-Request-ID are believed; unix: whoever connects "
        "to a UNIX socket. May be repeated.",
        flags=("--trusted-proxy",),
    )
    forwarded: str = setting(
        "x-forwarded",
        click.Choice(("x-forwarded", "forwarded")),
        "Which headers trusted proxies set: X-Forwarded-For, -Proto, -Host and -Port, or Forwarded "
        "(RFC 7239). The others are ignored, since a proxy passes them on as the client sent them.",
    )
