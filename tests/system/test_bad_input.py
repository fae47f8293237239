"""Holds issue 2: nothing that a client or a consumer sends stops a loop, and the log says why."""

import socket as sockets
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import redis
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.stack import Stack
from tests.system.small_app import MALFORMED

pytestmark = pytest.mark.system
Small = Callable[..., Any]


def said(socket: ClientConnection, word: str) -> None:
    """Send a word and see that it is answered, whatever else arrives before."""
    socket.send(word)
    while True:
        if str(socket.recv(10)).endswith(f" {word}"):
            return


def test_malformed_replies_stop_nobody(site: Stack) -> None:
    """A consumer's malformed reply is refused and logged; its socket and all others go on."""
    with connect(site.socket_url + "/chat") as other:
        for kind in MALFORMED:
            with connect(f"{site.socket_url}/bad/{kind}") as socket:
                said(socket, kind)
                said(socket, "again")
        said(other, "ö 中 😀")
        for key in ("text", "close", "bytes", "texts", "status"):
            site.server.wait_for(rf"key=\W?{key}\b", 5)
        assert site.server.is_running
        assert httpx.get(site.url + "/healthz").status_code == 200


@pytest.mark.parametrize("kind", ["unknown-key", "not-a-head", "text-of-bytes"])
def test_a_malformed_response_is_a_500(site: Stack, kind: str) -> None:
    """A page that breaks the message format is a 500 for its client only, and logged."""
    assert httpx.get(f"{site.url}/bad/{kind}").status_code == 500
    assert httpx.get(site.url + "/who").status_code == 200
    site.server.wait_for(r"expected=", 5)


def test_a_failing_page_is_a_500_and_the_worker_goes_on(site: Stack) -> None:
    """An exception in a handler: a plain 500 without the traceback, which is in the log."""
    before = httpx.get(site.url + "/who").text
    reply = httpx.get(site.url + "/fails")
    assert reply.status_code == 500
    assert "on purpose" not in reply.text
    site.workers[0].wait_for("RuntimeError: this page fails on purpose", 5)
    pids = {httpx.get(site.url + "/who").text for _ in range(5)}
    assert before in pids


def test_requests_that_no_route_takes(site: Stack) -> None:
    """An unknown path is 404, a wrong method 405 with Allow, an unknown socket is refused."""
    assert httpx.get(site.url + "/nothing/here").status_code == 404
    reply = httpx.post(site.url + "/who")
    assert reply.status_code == 405
    assert "GET" in reply.headers["allow"]
    with pytest.raises(InvalidStatus) as caught, connect(site.socket_url + "/nothing"):
        pass
    assert caught.value.response.status_code == 403


def test_requests_that_are_too_large(site: Stack) -> None:
    """A body over the limit is 413, a head over the limit 431; bodies below pass unchanged."""
    body = bytes(range(256)) * 4096
    assert httpx.post(site.url + "/echo", content=body, timeout=30).content == body
    assert httpx.post(site.url + "/echo", content=body * 3).status_code == 413
    assert httpx.get(site.url + "/who", headers={"x": "y" * 40_000}).status_code == 431
    many = {f"x{number}": "y" for number in range(200)}
    assert httpx.get(site.url + "/who", headers=many).status_code == 431


def raw(stack: Stack, request: bytes) -> bytes:
    """What the server answers to these bytes until it closes."""
    with sockets.create_connection(("127.0.0.1", stack.port), 10) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
        return answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /who HTTP/1.1\r\n\r\n",
        b"GET /who HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /who HTTP/1.1\nHost: a\n\n",
        b"GET /who HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
    ],
)
def test_requests_that_are_no_http(site: Stack, request_bytes: bytes) -> None:
    """Bytes that break RFC 9112 get 400 and a closed connection; the server goes on."""
    answer = raw(site, request_bytes)
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert httpx.get(site.url + "/who").status_code == 200


def test_a_full_layer_is_a_503(small: Small) -> None:
    """When the channel is full a client gets 503 with Retry-After at once."""
    options = ("--channel-capacity", "http.request=1")
    with small(workers=0, server_options=options) as stack:
        with sockets.create_connection(("127.0.0.1", stack.port), 10) as waiting:
            waiting.sendall(b"GET /who HTTP/1.1\r\nHost: a\r\n\r\n")
            with redis.Redis(port=stack.redis_port) as client:
                while not any(b"list:http.request" in key for key in client.scan_iter()):
                    pass
            reply = httpx.get(stack.url + "/who")
            assert reply.status_code == 503
            assert int(reply.headers["retry-after"]) >= 1
            stack.start_worker()
            assert waiting.recv(65_536).startswith(b"HTTP/1.1 200")
        assert httpx.get(stack.url + "/who").status_code == 200


def test_no_redis_at_start_is_said_clearly(small: Small) -> None:
    """Server and workers without Redis say so, try again, and serve when it is there."""
    with small(workers=0) as stack:
        stack.valkey.stop()
        stack.server.stop()
        part = stack.start_server(wait=False)
        worker = stack.start_worker(wait=False)
        part.wait_for(r"(?i)redis|layer")
        worker.wait_for(r"(?i)redis|layer")
        assert "Traceback" not in part.text + worker.text
        stack.start_valkey()
        worker.wait_for(r"workers[ _]ready")
        stack.wait_until_healthy()
        assert httpx.get(stack.url + "/who", timeout=20).status_code == 200
        assert "Traceback" not in part.text + worker.text
