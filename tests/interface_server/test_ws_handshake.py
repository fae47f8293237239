"""From a request head to the event of a handshake."""

import pytest

from interface_server.http_messages import RequestRefused, parse_head
from interface_server.proxies import Peer
from interface_server.ws_handshake import (
    canonical_head,
    check_handshake,
    offered_subprotocols,
    ws_connect,
)

RAW = (
    b"GET /b/%C3%B6?since=1 HTTP/1.1\r\nHost: example.org\r\nOrigin: https://example.org\r\n"
    b"Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: a, b\r\n"
    b"Sec-WebSocket-Protocol: c\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
    b"Cookie: x=1\r\nCookie: y=2\r\n\r\n"
)


def test_the_event_holds_what_a_worker_needs() -> None:
    """Decoded path, raw query, all headers in order with duplicates, addresses and offers."""
    head = parse_head(RAW, 100)
    peer = Peer(("192.0.2.1", 5), ("127.0.0.1", 8000), "https")
    event = ws_connect(head, peer, "server.response.P!1")
    assert (event.path, event.query_string, event.scheme) == ("/b/ö", b"since=1", "wss")
    assert (event.client, event.server) == (("192.0.2.1", 5), ("127.0.0.1", 8000))
    assert [value for name, value in event.headers if name == b"cookie"] == [b"x=1", b"y=2"]
    assert event.subprotocols == ("a", "b", "c")
    assert event.order == 0


def test_the_root_path_is_taken_off() -> None:
    """A site below a prefix sees its own paths."""
    head = parse_head(RAW.replace(b"/b/", b"/site/b/"), 100)
    event = ws_connect(head, Peer(), "server.response.P!1", "/site")
    assert (event.path, event.root_path) == ("/b/ö", "/site")


def test_a_trusted_proxys_host_replaces_the_clients() -> None:
    """Origin checks compare with what the browser asked for."""
    event = ws_connect(parse_head(RAW, 100), Peer(host=b"public.example"), "server.response.P!1")
    assert [value for name, value in event.headers if name == b"host"] == [b"public.example"]


def test_autobahn_is_given_only_what_decides_the_handshake() -> None:
    """No Origin, no extension and no path, whose rules are not Autobahn's."""
    text = canonical_head(parse_head(RAW, 100)).decode()
    assert text.startswith("GET / HTTP/1.1\r\nhost: localhost\r\n")
    assert text.endswith("\r\n\r\n")
    assert "origin" not in text
    assert "deflate" not in text
    assert "sec-websocket-protocol: a, b, c\r\n" in text
    repeated = RAW.replace(b"Cookie: x=1", b"Sec-WebSocket-Key: second")
    assert canonical_head(parse_head(repeated, 100)).count(b"sec-websocket-key") == 2


def test_no_offer_is_no_subprotocol() -> None:
    """An empty header offers nothing."""
    head = parse_head(RAW.replace(b"a, b", b" , ").replace(b": c\r\n", b":\r\n"), 100)
    assert offered_subprotocols(head) == ()


@pytest.mark.parametrize("name", [b"a b", b"a/b", b"\xe9", b'"a"'])
def test_an_offer_that_is_no_token_is_refused(name: bytes) -> None:
    """Source: RFC 6455 section 4.1."""
    check_handshake(parse_head(RAW, 100), Peer(), ("any",))
    bad = parse_head(RAW.replace(b": c\r\n", b": " + name + b"\r\n"), 100)
    with pytest.raises(RequestRefused) as refused:
        check_handshake(bad, Peer(), ("any",))
    assert refused.value.status == 400
