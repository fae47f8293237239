"""Who really asks, when a proxy stands in between that the operator named.

What such headers say is believed from the named addresses only. Opens nothing, resolves no name.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from interface_server.forwarded import hops
from shared.messages import Address, Headers

_REQUEST_ID = re.compile(rb"[A-Za-z0-9_.\-]{1,100}")
_PORT = rb"[0-9]{1,4}|[0-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
_HOST = re.compile(rb"(?:[A-Za-z0-9.\-_]+|\[[0-9A-Fa-f:.]+\])(?P<port>:(?:" + _PORT + rb"))?")
_PORT_ALONE = re.compile(_PORT)
_USUAL_PORTS = {"http": 80, "https": 443}
_SCHEMES = (b"http", b"https")
_MOST_KNOWN = 1024

UNIX = "unix"
"""Among trusted proxies: whoever connects to a UNIX socket."""

_IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection and the address that it called here.

    `host` and `request_id` are what a trusted proxy said, None and `""` without one. `is_unix`: it
    came by a UNIX socket, whose ends have no address.
    """

    client: Address | None = None
    server: Address | None = None
    scheme: str = "http"
    host: bytes | None = None
    request_id: str = ""
    is_unix: bool = False


class TrustedProxies:
    """The addresses, networks (CIDR) and `unix` whose forwarding headers are believed.

    `by_forwarded`: they set Forwarded and not the X-Forwarded headers. Only the ones that they
    set are read: the others come through a proxy as the client sent them.
    """

    def __init__(self, networks: Sequence[str], by_forwarded: bool = False) -> None:
        self._networks = tuple(
            ipaddress.ip_network(text, strict=False) for text in networks if text != UNIX
        )
        self._trusts_unix = UNIX in networks
        self._by_forwarded = by_forwarded
        self._known: dict[str, bool] = {}

    def is_trusted(self, host: str | None) -> bool:
        """Whether `host`, an address in text, is one of them; None is a UNIX socket's peer."""
        if host is None:
            return self._trusts_unix
        known = self._known.get(host)
        if known is None:
            address = _address(host)
            known = address is not None and any(address in network for network in self._networks)
            if len(self._known) < _MOST_KNOWN:
                self._known[host] = known
        return known

    def peer(self, seen: Peer, headers: Headers) -> Peer:
        """Who asks: `seen` itself unless it is a trusted proxy that says otherwise."""
        if seen.client is None:
            if not (seen.is_unix and self._trusts_unix):
                return seen
        elif not self._networks or not self.is_trusted(seen.client[0]):
            return seen
        said: dict[bytes, list[bytes]] = {}
        for name, value in headers:
            if name.startswith((b"x-", b"forwarded")):
                said.setdefault(name, []).append(value)
        if not said:
            return seen
        told = self._by_hops if self._by_forwarded else self._by_x_forwarded
        peer = told(seen, said)
        request_id = _last(said.get(b"x-request-id"))
        if _REQUEST_ID.fullmatch(request_id):
            peer = replace(peer, request_id=request_id.decode("ascii"))
        return peer

    def _by_x_forwarded(self, seen: Peer, said: dict[bytes, list[bytes]]) -> Peer:
        """X-Forwarded-For is read from its right end up to the first that is not trusted."""
        peer = seen
        if b"x-forwarded-for" in said:
            nodes = b",".join(said[b"x-forwarded-for"]).split(b",")
            client, _ = self._client(seen.client, [node.strip() for node in nodes])
            peer = replace(peer, client=client)
        peer = _with_scheme_and_host(
            peer, _last(said.get(b"x-forwarded-proto")), _last(said.get(b"x-forwarded-host"))
        )
        port = _last(said.get(b"x-forwarded-port"))
        return _with_port(peer, int(port)) if _PORT_ALONE.fullmatch(port) else peer

    def _by_hops(self, seen: Peer, said: dict[bytes, list[bytes]]) -> Peer:
        """The same with Forwarded; scheme and host are those of the client's own element."""
        passed = hops(said.get(b"forwarded", ()))
        if not passed:
            return seen
        client, at = self._client(seen.client, [hop.node for hop in passed])
        return _with_scheme_and_host(
            replace(seen, client=client), passed[at].proto, passed[at].host
        )

    def _client(self, proxy: Address | None, nodes: Sequence[bytes]) -> tuple[Address | None, int]:
        """The client among `nodes`, and the place of the last that could be read."""
        client, place = proxy, len(nodes) - 1
        for at in range(len(nodes) - 1, -1, -1):
            address = _hop(nodes[at].decode("latin-1"))
            if address is None:
                break
            client, place = address, at
            if not self.is_trusted(address[0]):
                break
        return client, place


def address_of(end: object) -> Address | None:
    """Host and port of one end of a connection; None where it has none (UNIX sockets)."""
    host, port = getattr(end, "host", None), getattr(end, "port", None)
    return (host, port) if isinstance(host, str) and isinstance(port, int) else None


def seen_from(peer: object, host: object, scheme: str) -> Peer:
    """Who a transport's two ends say that they are."""
    return Peer(address_of(peer), address_of(host), scheme, is_unix=hasattr(peer, "name"))


def with_host(headers: Headers, host: bytes | None) -> Headers:
    """The headers with `host` as their only Host; the same ones for None."""
    if host is None:
        return headers
    return ((b"host", host), *(pair for pair in headers if pair[0] != b"host"))


def _with_scheme_and_host(peer: Peer, scheme: bytes, host: bytes) -> Peer:
    if scheme.lower() in _SCHEMES:
        peer = replace(peer, scheme=scheme.lower().decode("ascii"))
    return replace(peer, host=host) if _HOST.fullmatch(host) else peer


def _with_port(peer: Peer, port: int) -> Peer:
    """The port that the client called; it stands in the host where that names none."""
    if peer.server is not None:
        peer = replace(peer, server=(peer.server[0], port))
    match = _HOST.fullmatch(peer.host or b"")
    if match is None or match["port"] is not None or port == _USUAL_PORTS[peer.scheme]:
        return peer
    return replace(peer, host=b"%s:%d" % (match[0], port))


def _last(values: Sequence[bytes] | None) -> bytes:
    return values[-1].rpartition(b",")[2].strip() if values else b""


def _hop(text: str) -> Address | None:
    """One element: an address, with or without a port (port 0 then)."""
    host, port = text, ""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    # A zone is the machine's own that wrote it, and may hold any character, blanks too.
    address = None if "%" in host else _address(host)
    if address is None:
        return None
    return str(address), int(port) if _PORT_ALONE.fullmatch(port.encode("latin-1")) else 0


def _address(text: str) -> _IpAddress | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
