"""Whose word on a client counts."""

import pytest

from interface_server.proxies import Peer, TrustedProxies, address_of, with_host
from shared.messages import Address

PROXY = Peer(("10.0.0.1", 4000), ("10.0.0.2", 80))
TRUSTED = TrustedProxies(("10.0.0.0/8", "::1/128"))


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (b"203.0.113.7", ("203.0.113.7", 0)),
        (b"203.0.113.7:99", ("203.0.113.7", 99)),
        (b"[2001:db8::1]:99", ("2001:db8::1", 99)),
        (b"2001:db8::1", ("2001:db8::1", 0)),
        (b"6.6.6.6, 203.0.113.7, 10.0.0.3", ("203.0.113.7", 0)),
        (b"10.0.0.4, 10.0.0.3", ("10.0.0.4", 0)),
        (b"6.6.6.6, unknown, 10.0.0.3", ("10.0.0.3", 0)),
        (b"unknown", ("10.0.0.1", 4000)),
        (b"fe80::1%eth0 forged] 200 [", ("10.0.0.1", 4000)),
        (b"", ("10.0.0.1", 4000)),
        (b"::ffff:10.0.0.3", ("10.0.0.3", 0)),
        (b"203.0.113.7:999999", ("203.0.113.7", 0)),
        (b"203.0.113.7:65536", ("203.0.113.7", 0)),
    ],
)
def test_the_last_address_that_is_no_proxy_is_the_client(forwarded: bytes, client: Address) -> None:
    """What stands left of it may be forged and is not read."""
    assert TRUSTED.peer(PROXY, ((b"x-forwarded-for", forwarded),)).client == client


def test_several_headers_are_one_list() -> None:
    """The last line is the nearest proxy's."""
    headers = ((b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-for", b"203.0.113.7"))
    assert TRUSTED.peer(PROXY, headers).client == ("203.0.113.7", 0)


@pytest.mark.parametrize(
    "header",
    [
        (b"x-forwarded-proto", b"javascript"),
        (b"x-forwarded-host", b"a b"),
        (b"x-forwarded-host", b"a/b"),
        (b"x-request-id", b"a\x85b"),
        (b"x-request-id", b"a" * 101),
    ],
)
def test_what_cannot_be_is_not_believed(header: tuple[bytes, bytes]) -> None:
    """Even a proxy's word must have the right form."""
    assert TRUSTED.peer(PROXY, (header,)) == PROXY


def test_others_are_not_believed() -> None:
    """Without a named proxy nothing changes, nor for a client that is none."""
    said = ((b"x-forwarded-for", b"1.1.1.1"), (b"x-forwarded-proto", b"https"))
    stranger = Peer(("192.0.2.1", 1))
    assert TRUSTED.peer(stranger, said) is stranger
    assert TrustedProxies(()).peer(PROXY, said) is PROXY
    assert TRUSTED.peer(Peer(), said) == Peer()


def test_a_forwarded_host_takes_the_place_of_the_host() -> None:
    """Exactly one Host is left."""
    headers = ((b"a", b"1"), (b"host", b"inner"))
    assert with_host(headers, b"outer") == ((b"host", b"outer"), (b"a", b"1"))
    assert with_host(headers, None) is headers


def test_an_end_without_host_and_port_has_no_address() -> None:
    """UNIX sockets have none."""
    assert address_of(object()) is None


@pytest.mark.parametrize(
    ("headers", "server", "host"),
    [
        ({b"x-forwarded-port": b"8443"}, ("10.0.0.2", 8443), None),
        ({b"x-forwarded-port": b"65536"}, ("10.0.0.2", 80), None),
        (
            {b"x-forwarded-host": b"a.example", b"x-forwarded-port": b"8443"},
            ("10.0.0.2", 8443),
            b"a.example:8443",
        ),
        (
            {b"x-forwarded-host": b"a.example:1", b"x-forwarded-port": b"8443"},
            ("10.0.0.2", 8443),
            b"a.example:1",
        ),
        (
            {
                b"x-forwarded-host": b"[::1]",
                b"x-forwarded-port": b"443",
                b"x-forwarded-proto": b"HTTPS",
            },
            ("10.0.0.2", 443),
            b"[::1]",
        ),
        ({b"x-forwarded-host": b"a:65536"}, ("10.0.0.2", 80), None),
    ],
)
def test_a_port_is_that_of_the_server_and_of_the_host(
    headers: dict[bytes, bytes], server: Address, host: bytes | None
) -> None:
    """It stands in the host where that names none and it is not the scheme's own."""
    peer = TRUSTED.peer(PROXY, tuple(headers.items()))
    assert (peer.server, peer.host) == (server, host)


BY_FORWARDED = TrustedProxies(("10.0.0.0/8",), by_forwarded=True)


@pytest.mark.parametrize(
    ("forwarded", "client", "scheme", "host"),
    [
        (b"for=203.0.113.7", ("203.0.113.7", 0), "http", None),
        (b'For="203.0.113.7:99";Proto=https;Host=a.example', ("203.0.113.7", 99), "https",
         b"a.example"),
        (b'for="[2001:db8::1]:99"', ("2001:db8::1", 99), "http", None),
        (b"for=6.6.6.6, for=203.0.113.7;proto=https, for=10.0.0.3;proto=http",
         ("203.0.113.7", 0), "https", None),
        (b"for=unknown;proto=https", ("10.0.0.1", 4000), "https", None),
        (b"for=_hidden, for=10.0.0.3;proto=https", ("10.0.0.3", 0), "https", None),
        (b"for=203.0.113.7:99", ("10.0.0.1", 4000), "http", None),
        (b"for=203.0.113.7;for=1.1.1.1", ("10.0.0.1", 4000), "http", None),
        (b"for=203.0.113.7,", ("10.0.0.1", 4000), "http", None),
        (b'for="203.0.113.7', ("10.0.0.1", 4000), "http", None),
        (b"", ("10.0.0.1", 4000), "http", None),
    ],
)  # fmt: skip
def test_forwarded_tells_of_each_hop(
    forwarded: bytes, client: Address, scheme: str, host: bytes | None
) -> None:
    """The client's own element counts; what is malformed counts as nothing."""
    peer = BY_FORWARDED.peer(PROXY, ((b"forwarded", forwarded),))
    assert (peer.client, peer.scheme, peer.host) == (client, scheme, host)


def test_only_the_headers_that_the_proxy_sets_are_believed() -> None:
    """The other kind comes through the proxy as a client forged it."""
    x_forwarded = (b"x-forwarded-for", b"203.0.113.7")
    forwarded = (b"forwarded", b"for=6.6.6.6")
    assert TRUSTED.peer(PROXY, (x_forwarded, forwarded)).client == ("203.0.113.7", 0)
    assert TRUSTED.peer(PROXY, (forwarded,)) == PROXY
    assert BY_FORWARDED.peer(PROXY, (x_forwarded, forwarded)).client == ("6.6.6.6", 0)
    assert BY_FORWARDED.peer(PROXY, (x_forwarded,)) == PROXY


def test_who_comes_by_a_unix_socket_is_believed_where_that_is_named() -> None:
    """It has no address; nor has one that a PROXY header does not tell, who is not believed."""
    trusting = TrustedProxies(("unix",))
    said = ((b"x-forwarded-for", b"203.0.113.7"),)
    assert trusting.peer(Peer(is_unix=True), said).client == ("203.0.113.7", 0)
    assert trusting.peer(Peer(), said) == Peer()
    assert TRUSTED.peer(Peer(is_unix=True), said).client is None
    assert trusting.peer(PROXY, said) is PROXY
