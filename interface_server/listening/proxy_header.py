"""Reads the header of the PROXY protocol, versions 1 and 2, with which a proxy says whose
connection it passes on. Strict: what is not exactly such a header is an error.

Source: "The PROXY protocol", haproxy.org, sections 2.1 and 2.2.
"""

import ipaddress
import re
from typing import NamedTuple

from shared.errors import ChannelsBoardError, shortened
from shared.messages import Address

V1_LONGEST = 107
V2_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V2_FIXED = 16
V2_LONGEST = 4096
"""Bytes of addresses and extensions that are read; real ones stay below 600."""

_V1 = re.compile(
    rb"PROXY (?:UNKNOWN(?: [^\r\n]*)?|TCP([46]) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+)"
    rb" (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4}))\r\n"
)
_V1_BEGIN = b"PROXY "
_LOCAL, _PROXY = 0x20, 0x21
_UNSPECIFIED, _TCP4, _TCP6, _UNIX_STREAM = 0x00, 0x11, 0x21, 0x31
_SIZES = {_TCP4: 12, _TCP6: 36, _UNIX_STREAM: 216, _UNSPECIFIED: 0}


class BadProxyHeader(ChannelsBoardError):
    """Bytes that are no header of the PROXY protocol."""


class ProxyHeader(NamedTuple):
    """`length` bytes of header. `is_local`: the proxy speaks for itself (a health check).

    `client` and `server` are the two ends of the client's connection; None where it has none or
    the proxy does not know.
    """

    length: int
    is_local: bool = False
    client: Address | None = None
    server: Address | None = None


def read_header(received: bytes) -> ProxyHeader | None:
    """The header at the beginning of `received`; None while it is incomplete.

    Raises: BadProxyHeader.
    """
    if received[:12] == V2_SIGNATURE[: len(received)]:
        return _version_2(received) if len(received) >= V2_FIXED else None
    if received[:6] == _V1_BEGIN[: len(received)]:
        return _version_1(received)
    raise BadProxyHeader(f"expected a PROXY protocol header, got {shortened(repr(received[:16]))}")


def _version_1(received: bytes) -> ProxyHeader | None:
    end = received.find(b"\r\n", 0, V1_LONGEST)
    if end < 0:
        if len(received) >= V1_LONGEST or b"\n" in received:
            raise BadProxyHeader(f"expected a line of at most {V1_LONGEST} bytes that ends in CRLF")
        return None
    match = _V1.fullmatch(received, 0, end + 2)
    if match is None:
        raise BadProxyHeader("expected PROXY TCP4|TCP6|UNKNOWN with two addresses and two ports")
    if match[1] is None:
        return ProxyHeader(end + 2)
    kind = ipaddress.IPv4Address if match[1] == b"4" else ipaddress.IPv6Address
    try:
        hosts = [_text(kind(match[at].decode("ascii"))) for at in (2, 3)]
    except ValueError as error:
        raise BadProxyHeader("expected addresses of the family that is named") from error
    ports = int(match[4]), int(match[5])
    if max(ports) > 65535:
        raise BadProxyHeader("expected ports up to 65535")
    return ProxyHeader(end + 2, False, (hosts[0], ports[0]), (hosts[1], ports[1]))


def _version_2(received: bytes) -> ProxyHeader | None:
    command, family = received[12], received[13]
    size = int.from_bytes(received[14:16], "big")
    if command not in (_LOCAL, _PROXY):
        raise BadProxyHeader(f"expected version 2 and LOCAL or PROXY, got 0x{command:02x}")
    if size > V2_LONGEST:
        raise BadProxyHeader(f"expected at most {V2_LONGEST} bytes of addresses, got {size}")
    length = V2_FIXED + size
    if len(received) < length:
        return None
    if command == _LOCAL:
        return ProxyHeader(length, is_local=True)
    if size < _SIZES.get(family, size + 1):
        raise BadProxyHeader(f"expected a stream's addresses, got family 0x{family:02x}")
    if family not in (_TCP4, _TCP6):
        return ProxyHeader(length)
    width = 4 if family == _TCP4 else 16
    ends = received[V2_FIXED : V2_FIXED + 2 * width + 4]
    hosts = [_text(ipaddress.ip_address(ends[at : at + width])) for at in (0, width)]
    ports = [int.from_bytes(ends[at : at + 2], "big") for at in (2 * width, 2 * width + 2)]
    return ProxyHeader(length, False, (hosts[0], ports[0]), (hosts[1], ports[1]))


def _text(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """An IPv4 address in IPv6 form as what it is: all of them share one /64, whose connections
    would be counted together."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
