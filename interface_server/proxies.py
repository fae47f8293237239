"""Who really asks, when a proxy stands in between that the operator named.

What such headers say is believed from the named addresses only. Opens nothing, resolves no name.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.messages import Address, Headers

_REQUEST_ID = re.compile(rb"[A-Za-z0-9_.\-]{1,100}")
_HOST = re.compile(rb"[A-Za-z0-9.\-_]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?")

_IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection and the address that it called here.

    `host` and `request_id` are what a trusted proxy said, None and `""` without one.
    """

    client: Address | None = None
    server: Address | None = None
    scheme: str = "http"
    host: bytes | None = None
    request_id: str = ""


class TrustedProxies:
    """The addresses and networks (CIDR) whose forwarding headers are believed."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = tuple(ipaddress.ip_network(text, strict=False) for text in networks)

    def is_trusted(self, host: str) -> bool:
        """Whether `host`, an address in text, is one of them."""
        address = _address(host)
        return address is not None and any(address in network for network in self._networks)

    def peer(self, seen: Peer, headers: Headers) -> Peer:
        """Who asks: `seen` itself unless it is a trusted proxy that says otherwise.

        X-Forwarded-For is read from its right end up to the first address that is not trusted.
        """
        if not self._networks or seen.client is None or not self.is_trusted(seen.client[0]):
            return seen
        peer = seen
        said: dict[bytes, list[bytes]] = {}
        for name, value in headers:
            if name.startswith(b"x-"):
                said.setdefault(name, []).append(value)
        if b"x-forwarded-for" in said:
            peer = replace(peer, client=self._client(seen.client, said[b"x-forwarded-for"]))
        scheme = _last(said.get(b"x-forwarded-proto")).lower()
        if scheme in (b"http", b"https"):
            peer = replace(peer, scheme=scheme.decode("ascii"))
        host = _last(said.get(b"x-forwarded-host"))
        if _HOST.fullmatch(host):
            peer = replace(peer, host=host)
        request_id = _last(said.get(b"x-request-id"))
        if _REQUEST_ID.fullmatch(request_id):
            peer = replace(peer, request_id=request_id.decode("ascii"))
        return peer

    def _client(self, proxy: Address, values: Sequence[bytes]) -> Address:
        client = proxy
        for hop in reversed(b",".join(values).split(b",")):
            address = _hop(hop.strip().decode("latin-1"))
            if address is None:
                return client
            client = address
            if not self.is_trusted(address[0]):
                return client
        return client


def address_of(end: object) -> Address | None:
    """Host and port of one end of a connection; None where it has none (UNIX sockets)."""
    host, port = getattr(end, "host", None), getattr(end, "port", None)
    return (host, port) if isinstance(host, str) and isinstance(port, int) else None


def with_host(headers: Headers, host: bytes | None) -> Headers:
    """The headers with `host` as their only Host; the same ones for None."""
    if host is None:
        return headers
    return ((b"host", host), *(pair for pair in headers if pair[0] != b"host"))


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
    address = _address(host)
    if address is None:
        return None
    known = port.isdecimal() and len(port) < 6 and int(port) < 65536
    return str(address), int(port) if known else 0


def _address(text: str) -> _IpAddress | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
