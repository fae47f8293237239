"""From a checked request head to the event of a handshake, and to the head that Autobahn is given.

Decides nothing about who may connect: that is a worker's, which gets all headers.
"""

import re

from interface_server.http_messages import RequestHead, RequestRefused
from interface_server.proxies import Peer, with_host
from interface_server.request_message import without_root
from interface_server.ws_deflate import check_extensions
from interface_server.ws_origin import check_origin
from shared.messages import WsConnect

_KEPT = frozenset({b"upgrade", b"connection", b"sec-websocket-key", b"sec-websocket-version"})
_PROTOCOLS = b"sec-websocket-protocol"
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def check_handshake(head: RequestHead, peer: Peer, origins: tuple[str, ...]) -> None:
    """Refuse a handshake with subprotocols or extensions that are none, or of a foreign page.

    `origins`: who may ask, see `ws_origin.py`. Raises: RequestRefused. Source: RFC 6455 sections
    4.1, 9.1 and 10.2.
    """
    for name in offered_subprotocols(head):
        if not _TOKEN.fullmatch(name):
            raise RequestRefused(400, "a subprotocol that is no token")
    check_extensions(head)
    check_origin(head, peer, origins)


def ws_connect(
    head: RequestHead, peer: Peer, reply_channel: str, root_path: str = "", request_id: str = ""
) -> WsConnect:
    """The event that asks a worker about this handshake."""
    return WsConnect(
        reply_channel,
        without_root(head.path, root_path) if root_path else head.path,
        "wss" if peer.scheme == "https" else "ws",
        head.query_string,
        root_path,
        with_host(head.headers, peer.host),
        peer.client,
        peer.server,
        offered_subprotocols(head),
        request_id=peer.request_id or request_id,
    )


def offered_subprotocols(head: RequestHead) -> tuple[str, ...]:
    """What the client offers, best first. Source: RFC 6455 section 11.3.4."""
    return tuple(
        text
        for name, value in head.headers
        if name == _PROTOCOLS
        for part in value.split(b",")
        if (text := part.strip(b" \t").decode("latin-1"))
    )


def canonical_head(head: RequestHead) -> bytes:
    """The handshake with only those headers that decide it, for Autobahn's own checks.

    Extensions are left out: `ws_deflate.py` agrees on them. So is Origin, which `ws_origin.py` and
    workers judge.
    """
    lines = [b"GET / HTTP/1.1", b"host: localhost"]
    lines += [name + b": " + value for name, value in head.headers if name in _KEPT]
    offered = offered_subprotocols(head)
    if offered:
        lines.append(_PROTOCOLS + b": " + ", ".join(offered).encode("latin-1"))
    return b"\r\n".join([*lines, b"", b""])
