"""Which web sites may open sockets."""

import pytest

from interface_server.http_messages import RequestRefused, parse_head
from interface_server.proxies import Peer
from interface_server.ws_origin import check_origin


def is_allowed(
    origin: str | None, *allowed: str, host: str = "example.org", peer: Peer | None = None
) -> bool:
    lines = ["GET / HTTP/1.1", f"Host: {host}"]
    lines += [] if origin is None else [f"Origin: {value}" for value in origin.split("\n")]
    head = parse_head("\r\n".join([*lines, "", ""]).encode(), 100)
    try:
        check_origin(head, peer or Peer(), allowed)
    except RequestRefused as refused:
        return refused.status != 403
    return True


@pytest.mark.parametrize(
    ("origin", "host", "expected"),
    [
        ("http://example.org", "example.org", True),
        ("http://example.org", "EXAMPLE.org:80", True),
        ("https://example.org", "example.org", True),
        ("https://example.org", "example.org:443", True),
        ("http://example.org:8000", "example.org:8000", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("http://example.org:8000", "example.org", False),
        ("http://example.org", "example.org:8000", False),
        ("http://evil.example.org", "example.org", False),
        ("http://example.org.evil", "example.org", False),
        ("http://evil\\@example.org", "example.org", False),
        ("http://example.org@evil", "evil.example", False),
        ("null", "example.org", False),
        ("", "example.org", False),
        ("file://", "example.org", False),
        ("chrome-extension://example.org", "example.org", False),
        ("http://example.org:99999", "example.org", False),
        ("http://example.org\nhttp://evil", "example.org", False),
    ],
)
def test_the_same_site_is_the_one_that_was_asked(origin: str, host: str, expected: bool) -> None:
    """Default ports are alike; one origin and no more."""
    assert is_allowed(origin, "same", host=host) is expected


def test_a_page_in_the_clear_is_foreign_to_a_socket_over_tls() -> None:
    """Others may have changed it."""
    assert not is_allowed("http://example.org", "same", peer=Peer(scheme="https"))
    assert is_allowed("https://example.org", "same", peer=Peer(scheme="https"))


def test_a_trusted_proxy_says_which_site_was_asked() -> None:
    """Its word comes before the Host that it sent itself."""
    peer = Peer(host=b"public.example")
    assert is_allowed("https://public.example", "same", host="inner:8000", peer=peer)
    assert not is_allowed("http://inner:8000", "same", host="inner:8000", peer=peer)


def test_listed_sites_and_no_others() -> None:
    """Exactly as a browser writes them; `null` only where it is listed."""
    assert is_allowed("https://A.example", "https://a.example", "https://b.example")
    assert not is_allowed("https://a.example:444", "https://a.example")
    assert not is_allowed("http://example.org", "https://a.example")
    assert is_allowed("http://example.org", "https://a.example", "same")
    assert is_allowed("null", "null")


def test_who_sends_no_origin_is_no_browser() -> None:
    """Programs are not judged here; and anybody passes where any site may."""
    assert is_allowed(None, "same")
    assert is_allowed("null", "any")
