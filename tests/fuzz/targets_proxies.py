"""Fuzzed: what proxies say of those who ask, in headers and in front of a connection."""

import ipaddress

from interface_server.listening.proxy_header import (
    V1_LONGEST,
    V2_LONGEST,
    V2_SIGNATURE,
    BadProxyHeader,
    ProxyHeader,
    read_header,
)
from interface_server.proxies import Peer, TrustedProxies
from shared.messages import Address
from tests.fuzz.target import Target, cuts, expect
from tests.fuzz.targets_fields import lines_of

PROXY = ("10.0.0.1", 4)
NETWORKS = ("10.0.0.0/8", "fd00::/8", "unix")
READERS = (TrustedProxies(NETWORKS), TrustedProxies(NETWORKS, by_forwarded=True))
NAMES = (
    *(b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port"),
    *(b"x-request-id", b"forwarded", b"x-real-ip"),
)
FORGED = ((b"x-forwarded-for", b"203.0.113.66"), (b"forwarded", b"for=203.0.113.66"))


def check_forwarding(given: bytes) -> None:
    """Who is believed to ask is nobody that a stranger could choose; only proxies are believed.

    The first byte of a line says which header it is.
    """
    headers = tuple(
        (NAMES[line[0] % len(NAMES)], line[1:].strip()) for line in lines_of(given) if line
    )
    stranger = Peer(("192.0.2.9", 7))
    for proxies in READERS:
        expect(proxies.peer(stranger, headers) is stranger, headers)
        seen = proxies.peer(Peer(PROXY), headers)
        expect(seen.scheme in ("http", "https"), seen)
        expect(len(seen.request_id) <= 100 and seen.request_id.isascii(), seen)
        expect(seen.host is None or not set(seen.host) & set(b" \t/@?#,;"), seen)
        expect(_is_address(seen.client), seen)
        expect(_is_address(proxies.peer(Peer(is_unix=True), headers).client), headers)
        if seen.client is not None and not proxies.is_trusted(seen.client[0]):
            client = proxies.peer(Peer(PROXY), (*FORGED, *headers)).client
            expect(client == seen.client, "forged", headers, client)


def check_proxy_header(given: bytes) -> None:
    """The header ends at the same byte with the same ends, however it is cut; it has a bound."""
    verdicts = [_header_in(pieces) for pieces in cuts(given)]
    expect(verdicts.count(verdicts[0]) == len(verdicts), verdicts)
    header = verdicts[0]
    if isinstance(header, ProxyHeader):
        is_second = given.startswith(V2_SIGNATURE)
        expect(header.length <= (16 + V2_LONGEST if is_second else V1_LONGEST), header)
        expect(_is_address(header.client) and _is_address(header.server), header)
        expect(is_second or given[header.length - 2 : header.length] == b"\r\n", header)
    elif header is None:
        expect(len(given) < 16 + V2_LONGEST, len(given))


def _header_in(pieces: list[bytes]) -> ProxyHeader | str | None:
    received = b""
    for piece in pieces:
        received += piece
        try:
            header = read_header(received)
        except BadProxyHeader:
            return "refused"
        if header is not None:
            return header
    return None


def _is_address(end: Address | None) -> bool:
    if end is None:
        return True
    host, port = end
    return 0 <= port <= 65535 and str(ipaddress.ip_address(host)) == host


def _version_2(family: int, ends: bytes, command: int = 0x21) -> bytes:
    return V2_SIGNATURE + bytes((command, family)) + len(ends).to_bytes(2, "big") + ends


_HOPS = (b"10.0.0.2", b"192.0.2.1", b"[2001:db8::1]:80", b"::ffff:10.0.0.3", b"fd00::1", b"unknown")

TARGETS = (
    Target(
        "forwarding",
        check_forwarding,
        [
            b"\x00192.0.2.1, 10.0.0.2\n\x01https\n\x02a.example:80\n\x04id-1\n\x03443",
            b"\x00[::1]:8, 10.1.1.1",
            b'\x05for="[2001:db8::1]:8";proto=https;host=a, for=10.0.0.2\n\x04id',
        ],
        (
            *(*_HOPS, b"\n\x00", b"\n\x05", b"for=", b'for="', b";proto=http", b";host=", b'"'),
            *(b",", b";", b"=", b"\\", b"%eth0", b":99999", b"_hidden", b"\xb2", b" ", b"\t"),
        ),
    ),
    Target(
        "proxy_header",
        check_proxy_header,
        [
            b"PROXY TCP4 192.0.2.1 10.0.0.1 5000 80\r\nGET / HTTP/1.1\r\n",
            b"PROXY TCP6 2001:db8::1 ::1 5000 80\r\n",
            b"PROXY UNKNOWN\r\nGET /",
            _version_2(0x11, bytes((192, 0, 2, 1, 10, 0, 0, 1, 1, 2, 0, 80))) + b"GET /",
            _version_2(0x21, bytes(36) + b"\x03\x00\x04abcd"),
            _version_2(0x31, bytes(216)),
            _version_2(0, b"", 0x20),
        ],
        (
            *(
                b"PROXY ",
                b"TCP4",
                b"TCP6",
                b"UNKNOWN",
                b"\r\n",
                b"\n",
                b"\r",
                b" ",
                b"65536",
                b"-1",
            ),
            *(V2_SIGNATURE, b"\x21\x11", b"\x00\x0c", b"\x0f\xff", b"\x10\x01", b"::ffff:1.2.3.4"),
        ),
    ),
)
