"""The board over HTTPS, with a certificate that a browser has to be told to take."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, WebSocket, expect

from tests.browser.samples import reply, start_thread
from tests.interface_server.certificates import Authority
from tests.stack import Stack


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A board whose server has a certificate."""
    folder = tmp_path_factory.mktemp("secure")
    options = Authority(folder).issue("board").options
    with Stack(folder, server_options=(*options, "--hsts", "60")) as running:
        yield running


def test_a_post_over_tls_appears_at_once(
    secure: Stack, reader: Callable[..., Page], picture: Path
) -> None:
    """Pages, forms, pictures and the live thread work over HTTPS and wss."""
    sockets: list[WebSocket] = []
    anna, bela = reader(ignore_https_errors=True), reader(ignore_https_errors=True)
    bela.on("websocket", lambda socket: sockets.append(socket))
    address = start_thread(anna, f"https://127.0.0.1:{secure.port}", "Over TLS", "First.", picture)
    bela.goto(address)
    expect(bela.locator("#live")).to_have_text("Live")
    assert [socket.url.partition(":")[0] for socket in sockets] == ["wss"]
    reply(anna, "With a picture.", picture)
    arrived = bela.locator("#posts .post").nth(1)
    expect(arrived).to_contain_text("With a picture.")
    expect(arrived.locator("a.pic img")).to_have_js_property("complete", True)


def test_a_browser_speaks_http2_for_pages_and_sockets(
    secure: Stack, reader: Callable[..., Page]
) -> None:
    """Not one connection of HTTP/1.1 is made: the sockets are streams too (RFC 8441)."""
    before = _connections(secure)
    anna, bela = reader(ignore_https_errors=True), reader(ignore_https_errors=True)
    address = start_thread(anna, f"https://127.0.0.1:{secure.port}", "Over HTTP/2", "First.")
    bela.goto(address)
    expect(bela.locator("#live")).to_have_text("Live")
    reply(anna, "Over a stream.")
    expect(bela.locator("#posts .post").nth(1)).to_contain_text("Over a stream.")
    spoken = "performance.getEntriesByType('navigation')[0].nextHopProtocol"
    assert bela.evaluate(spoken) == "h2"
    after = _connections(secure)
    assert after["http2"] > before["http2"]
    assert after["websocket"] > before["websocket"]
    assert after["http1"] == before["http1"]


def _connections(stack: Stack) -> Counter[str]:
    """How many the server has opened, by protocol."""
    text = httpx.get(f"http://127.0.0.1:{stack.metrics_ports[0]}/metrics").text
    found = re.findall(r'connections_opened_total\{protocol="(\w+)"\} (\S+)', text)
    return Counter({protocol: int(float(count)) for protocol, count in found})
