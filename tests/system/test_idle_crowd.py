"""Thousands of idle keep-alive connections that come, stay and go: bounds hold, others go on."""

import os
import re
import resource
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.parts import Part
from tests.system.aside import raise_file_limit

pytestmark = pytest.mark.system

NOWHERE = "redis://127.0.0.1:1/0"
REQUEST = b"GET /static/a.txt HTTP/1.1\r\nHost: a\r\n\r\n"
SPARE = 20
PROBES = 1500
KEPT, KEPT_KIB = 0.3, 5 * 1024
"""The part of a crowd's memory that may stay, and what the first of any size leaves: Python keeps
an arena of 1 MiB in which one object is left."""


class Server:
    """One process that hands out a file and holds at most `most` connections."""

    def __init__(self, folder: Path, most: int) -> None:
        (folder / "a.txt").write_text("here")
        self.part = Part.module(
            "interface_server",
            *("--port", "0", "--redis-url", NOWHERE, "--static", f"/static={folder}"),
            *("--max-connections", str(most), "--idle-timeout", "600"),
        )
        self.port = int(self.part.wait_for(r"http://127\.0\.0\.1:(\d+)/")[1])

    @property
    def memory_kib(self) -> int:
        status = Path(f"/proc/{self.part.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0])

    @property
    def files(self) -> int:
        return len(os.listdir(f"/proc/{self.part.pid}/fd"))

    def connect(self) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port), 20)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client

    def times_ms(self, client: socket.socket, count: int = PROBES) -> list[float]:
        """How long each of `count` requests took, sorted."""
        times = []
        for _ in range(count):
            began = time.perf_counter()
            ask(client)
            times.append(1000 * (time.perf_counter() - began))
        return sorted(times)


def ask(client: socket.socket) -> None:
    client.sendall(REQUEST)
    said = b""
    while not said.endswith(b"here"):
        block = client.recv(65536)
        assert block, "cut"
        said += block


def until(fact: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Wait for a fact that lies in another process, which can only be looked at."""
    end = time.monotonic() + timeout_s
    while not fact():
        assert time.monotonic() < end
        time.sleep(0.01)


def gone_kib(server: Server, most_kib: float, timeout_s: float = 5.0) -> int:
    """The memory once it is no more than `most_kib`, or when the time for that is over."""
    end = time.monotonic() + timeout_s
    while (held_kib := server.memory_kib) > most_kib and time.monotonic() < end:
        time.sleep(0.05)
    return held_kib


def p99(times: list[float]) -> float:
    return times[len(times) * 99 // 100]


def is_refused(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def test_an_idle_crowd_harms_nobody(tmp_path: Path, soak_minutes: float) -> None:
    """2,000 (in the long form 20,000) connections that asked once and stay: past the cap others are
    refused at once, whoever was there before is served as fast as ever, and when all are dropped
    at once nothing of theirs is open, and memory goes back. A second crowd takes no more."""
    raise_file_limit()
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(20_000, most - 500) if soak_minutes else 2_000
    with ExitStack() as closing:
        server = Server(tmp_path, count + SPARE)
        closing.callback(server.part.stop)
        probe = closing.enter_context(server.connect())
        server.times_ms(probe)
        alone = p99(server.times_ms(probe))
        empty_kib, few = server.memory_kib, server.files
        crowd = [closing.enter_context(server.connect()) for _ in range(count)]
        for client in crowd:
            ask(client)
        full_kib = server.memory_kib
        held = p99(server.times_ms(probe))
        rest = [closing.enter_context(server.connect()) for _ in range(3 * SPARE)]
        assert sum(is_refused(client) for client in rest[SPARE - 1 :]) == 2 * SPARE + 1
        server.part.wait_for(r"connections_refused .*connections_full")
        ask(probe)
        for client in (*crowd, *rest):
            client.close()
        until(lambda: server.files <= few + 4)  # links to the broker come and go
        after = p99(server.times_ms(probe))
        most_left_kib = empty_kib + KEPT_KIB + KEPT * (full_kib - empty_kib)
        left_kib = gone_kib(server, most_left_kib)
        crowd = [closing.enter_context(server.connect()) for _ in range(count)]
        for client in crowd:
            ask(client)
        again_kib = server.memory_kib
        for client in crowd:
            client.close()
        until(lambda: server.files <= few + 4)
        last_kib = gone_kib(server, most_left_kib)
        print(
            f"\n{count} idle connections: {(full_kib - empty_kib) / count:.1f} KiB each; memory "
            f"{empty_kib} -> {full_kib} -> {left_kib} -> {again_kib} -> {last_kib} KiB; p99 of "
            f"others {alone:.2f} alone, {held:.2f} beside them, {after:.2f} ms when they were gone"
        )
        assert full_kib - empty_kib < 12 * count
        assert left_kib <= most_left_kib
        assert again_kib < full_kib + 2048
        assert last_kib <= most_left_kib
        if soak_minutes:
            assert held < 1.2 * alone + 0.2
        assert held < 2 * alone + 5
