"""Holds promise 7 for writers: slow, silent, huge or flooding clients meet a limit."""

import contextlib
import statistics
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import redis

from tests.stack import Stack
from tests.system.bounds_clients import (
    TEXT,
    TIMEOUT_S,
    RawSocket,
    closing,
    counted,
    eventually,
    flood,
    forget_peak,
    masked_frame,
    memory_kib,
    peak_kib,
    plain,
    request,
    settles_at,
    until_closed,
    vitals,
)
from tests.system.bounds_house import KIB, MIB, Book, bounds_stack

pytestmark = [pytest.mark.system, pytest.mark.alone]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with low limits and two workers, so that a slow handler leaves one free."""
    with bounds_stack(tmp_path_factory.mktemp("writers"), workers=2) as stack:
        yield stack


class Regular(threading.Thread):
    """Another client who asks for a page and echoes a frame again and again; `latencies` in s."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(daemon=True)
        self.latencies: list[float] = []
        self.failures: list[str] = []
        self._stack = stack
        self._is_over = threading.Event()

    def __enter__(self) -> "Regular":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self.join(TIMEOUT_S)

    def run(self) -> None:
        socket = RawSocket(self._stack.port, "/echo")
        with closing([socket]), httpx.Client(base_url=self._stack.url, timeout=TIMEOUT_S) as http:
            while not self._is_over.wait(0.02):
                started = time.monotonic()
                try:
                    socket.send("hello")
                    if socket.text() != "hello" or http.get("/who").status_code != 200:
                        self.failures.append("a wrong answer")
                except (EOFError, OSError, httpx.HTTPError) as error:
                    self.failures.append(repr(error))
                    return
                self.latencies.append(time.monotonic() - started)


def test_a_socket_that_floods_a_slow_handler(house: Stack) -> None:
    """A flood of frames is paused by TCP: little is taken in, and other sockets' echo stays."""
    server = house.server
    assert server is not None
    with closing([RawSocket(house.port, "/slow")]) as (flooder,):
        with Regular(house) as alone:
            time.sleep(1.5)  # long enough for a median
        before = forget_peak(server.pid)
        frame = masked_frame(TEXT, b"y" * 4 * KIB)
        with Regular(house) as beside:
            took = flood(flooder.wire, frame, 4.0, 256 * MIB)
        # The queue's 1 MiB and a flight; the rest lies in the kernel's buffers, at most 32 + 4 MiB.
        assert took < 48 * MIB, f"{took} bytes were taken from a flooding client"
        assert peak_kib(server.pid) - before < 24 * KIB
        with redis.Redis(port=house.redis_port) as broker:
            assert broker.llen("{channels}:list:websocket.receive") <= 64
        assert not alone.failures + beside.failures
        usual, then = statistics.median(alone.latencies), statistics.median(beside.latencies)
        assert then < 4 * usual + 0.1, f"the others waited {then:.3f} s instead of {usual:.3f} s"
        assert flooder.text() == "1"
    eventually(lambda: vitals(house)["sockets"] == 0)
    settles_at(server.pid, before + 8 * KIB)


def test_many_sockets_that_flood(house: Stack) -> None:
    """Eight floods at once stay within eight times the bound, and the others are served."""
    server = house.server
    assert server is not None
    frame = masked_frame(TEXT, b"z" * 32 * KIB)
    with closing([RawSocket(house.port, "/slow") for _ in range(8)]) as flooders:
        before = forget_peak(server.pid)
        threads = [
            threading.Thread(target=flood, args=(flooder.wire, frame, 3.0, 256 * MIB))
            for flooder in flooders
        ]
        for thread in threads:
            thread.start()
        reply = httpx.get(house.url + "/who", timeout=TIMEOUT_S)
        for thread in threads:
            thread.join()
        assert reply.status_code == 200
        assert peak_kib(server.pid) - before < 8 * 4 * KIB + 16 * KIB
        assert house.server is not None
        assert house.server.is_running
    eventually(lambda: vitals(house)["sockets"] == 0)
    eventually(lambda: Book(house.folder).accepted() == set(Book(house.folder).ended()), 60)
    assert set(Book(house.folder).ended().values()) == {1}


def test_heads_that_never_end(house: Stack) -> None:
    """Two hundred heads that come byte by byte get 408 within their limit; others are unharmed."""
    with closing([plain(house.port) for _ in range(200)]) as slow, Regular(house) as regular:
        started = time.monotonic()
        for client in slow:
            client.sendall(b"GET /who HTTP/1.1\r\nHost: a\r\nX: ")
        while time.monotonic() - started < 0.8:
            for client in slow:
                client.sendall(b"y")
            time.sleep(0.2)  # slowness is what these clients are about
        answers = [until_closed(client) for client in slow]
        took_s = time.monotonic() - started
    assert {answer[:12] for answer in answers} == {b"HTTP/1.1 408"}
    assert took_s < 6, f"a limit of 1 s, and the last was told after {took_s:.1f} s"
    assert not regular.failures
    assert regular.latencies


def test_bodies_that_never_end(house: Stack) -> None:
    """A hundred bodies that come byte by byte get 408 within their limit, and leave nothing."""
    head = request("/size", "Content-Length: 100000", method="POST")
    with closing([plain(house.port) for _ in range(100)]) as slow, Regular(house) as regular:
        started = time.monotonic()
        for client in slow:
            client.sendall(head)
        while time.monotonic() - started < 0.8:
            for client in slow:
                client.sendall(b"y")
            time.sleep(0.2)  # slowness is what these clients are about
        answers = [until_closed(client) for client in slow]
        took_s = time.monotonic() - started
    assert {answer[:12] for answer in answers} == {b"HTTP/1.1 408"}
    assert took_s < 6, f"a limit of 1 s, and the last was told after {took_s:.1f} s"
    assert not regular.failures
    eventually(lambda: body_keys(house) == 0)


def test_uploads_that_are_too_large(house: Stack) -> None:
    """A body over its limit is 413 before it is sent; without a length, as soon as it is over."""
    server = house.server
    assert server is not None
    with closing([plain(house.port), plain(house.port)]) as (announced, silent):
        announced.sendall(request("/size", "Content-Length: 5000000", method="POST"))
        started = time.monotonic()
        assert until_closed(announced).startswith(b"HTTP/1.1 413")
        assert time.monotonic() - started < 4
        silent.sendall(request("/size", "Transfer-Encoding: chunked", method="POST"))
        before = forget_peak(server.pid)
        flood(silent, b"10000\r\n" + b"x" * 65536 + b"\r\n", 10.0, 64 * MIB)
        # What comes behind the limit is dropped, for a while, so that the answer can be seen.
        assert until_closed(silent).startswith(b"HTTP/1.1 413")
        assert peak_kib(server.pid) - before < 16 * KIB
    eventually(lambda: body_keys(house) == 0)


def test_more_uploads_than_fit(house: Stack) -> None:
    """Past the sum for all bodies an upload is 503 and counted; memory and broker stay bounded."""
    server = house.server
    assert server is not None
    with redis.Redis(port=house.redis_port) as broker:
        used = int(broker.info("memory")["used_memory"])
        before = forget_peak(server.pid)
        head = request("/size", f"Content-Length: {4 * MIB}", method="POST")
        with closing([plain(house.port) for _ in range(12)]) as uploads:
            for upload in uploads:
                upload.settimeout(0.3)
                with contextlib.suppress(TimeoutError, ConnectionError):  # refused meanwhile
                    upload.sendall(head + b"x" * (3 * MIB))
            eventually(lambda: counted(house, "http.bodies_full") > 0)
            grown = int(broker.info("memory")["used_memory"]) - used
            assert grown < 16 * MIB, f"{grown} bytes of bodies in the broker, 8 MiB are allowed"
            assert peak_kib(server.pid) - before < 32 * KIB
            assert httpx.get(house.url + "/who", timeout=TIMEOUT_S).status_code == 200
        eventually(lambda: body_keys(house) == 0)
    content = b"x" * (3 * MIB)
    eventually(lambda: httpx.post(house.url + "/size", content=content).text == str(3 * MIB))


def test_connections_that_say_nothing(house: Stack) -> None:
    """Three hundred silent connections cost little and are ended when it is enough."""
    server = house.server
    assert server is not None
    before = memory_kib(server.pid)
    with closing([plain(house.port) for _ in range(300)]) as silent:
        started = time.monotonic()
        assert httpx.get(house.url + "/who", timeout=TIMEOUT_S).status_code == 200
        eventually(lambda: vitals(house)["connections"] >= 300)
        cost = (memory_kib(server.pid) - before) / len(silent)
        assert cost < 32, f"{cost:.1f} KiB for each silent connection"
        assert {until_closed(client) for client in silent} == {b""}
        assert time.monotonic() - started < 8
    eventually(lambda: vitals(house)["connections"] <= 2)


def body_keys(stack: Stack) -> int:
    """How many bodies of requests lie in the broker."""
    with redis.Redis(port=stack.redis_port) as broker:
        return len(list(broker.scan_iter("{channels}:list:http.request.body*")))
