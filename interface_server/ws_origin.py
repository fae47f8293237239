"""Which web sites may open sockets here, told by the Origin header of a handshake.

A browser sends cookies along whatever site asks for a socket, and names that site. Who is no
browser sends what it likes, or nothing, and is not judged here. Source: RFC 6455 section 10.2.
"""

from urllib.parse import urlsplit

from interface_server.http_messages import RequestHead, RequestRefused
from interface_server.proxies import Peer

ANY = "any"
"""Every site; workers see the header and may refuse by themselves."""

SAME = "same"
"""The site that the handshake was sent to, as its Host says, or a trusted proxy."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


def check_origin(head: RequestHead, peer: Peer, allowed: tuple[str, ...]) -> None:
    """Refuse a handshake that a page of another site asks for. Raises: RequestRefused.

    `allowed`: `ANY`, `SAME` and origins as browsers write them, also `null`.
    """
    if ANY in allowed:
        return
    origins = [value for name, value in head.headers if name == b"origin"]
    if not origins:
        return
    origin = origins[0].decode("latin-1").lower()
    is_allowed = origin in allowed or (
        SAME in allowed and _is_same(origin, _host(head, peer), peer)
    )
    if len(origins) > 1 or not is_allowed:
        raise RequestRefused(403, "a socket for a page of another site")


def _host(head: RequestHead, peer: Peer) -> str:
    if peer.host is not None:
        return peer.host.decode("latin-1")
    return next((value.decode("latin-1") for name, value in head.headers if name == b"host"), "")


def _is_same(origin: str, host: str, peer: Peer) -> bool:
    """Default ports are alike. A page read in the clear is foreign to a socket over TLS, since
    others may have changed it; not the other way round: a proxy may end TLS without a word.
    """
    try:
        asking, asked = urlsplit(origin), urlsplit(f"//{host.lower()}")
        default = _DEFAULT_PORTS.get(asking.scheme)
        same_port = (asking.port or default) == (asked.port or default)
    except ValueError:
        return False
    if default is None or (peer.scheme == "https" and asking.scheme != "https"):
        return False
    if "@" in asking.netloc:  # no browser says so, and what stands before it may be the site
        return False
    return bool(asking.hostname) and asking.hostname == asked.hostname and same_port
