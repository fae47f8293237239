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
