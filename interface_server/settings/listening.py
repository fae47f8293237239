"""Where the server listens and whom it believes. Opens no port; `listening/` does."""

from dataclasses import dataclass
from typing import ClassVar

import click

from interface_server.settings.options import COUNT, network, root_path, setting


@dataclass(frozen=True)
class ListenSettings:
    """Addresses, proxies and what waits at the door."""

    SECTION: ClassVar[str] = "Listening"

    host: str = setting("127.0.0.1", str, "Address to listen on; 0.0.0.0 or :: for all.")
    port: int = setting(
        8000, click.IntRange(0, 65535), "Port; 0 takes a free one.", environment="PORT"
    )
    # Twisted's 50 drops a crowd that reconnects.
    backlog: int = setting(8192, COUNT, "Connections that may wait to be accepted.")
    root_path: str = setting("", root_path, "Path under which a proxy mounts this site.")
    trusted_proxies: tuple[str, ...] = setting(
        (),
        network,
        "A proxy whose X-Forwarded-For, -Proto, -Host and X-Request-ID are believed. "
        "May be repeated.",
        flags=("--trusted-proxy",),
    )
