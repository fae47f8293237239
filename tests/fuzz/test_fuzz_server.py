"""A real server process on a real socket, given bytes near to requests, frames and HTTP/2.

It must answer or end each connection, stay alive, log no traceback and keep its memory.
"""

import random
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.fuzz.all_targets import TARGETS
from tests.fuzz.target import Target
from tests.interface_server.conformance.echo_worker import EchoWorker
from tests.interface_server.h2_client import PREFACE
from tests.interface_server.real_server import ServerProcess, start_server

PATIENCE_S = 20.0
"""How long an answer or an end is awaited; the server's own limits below are shorter."""

OPTIONS = (
    *("--h2c", "--websocket-deflate", "--head-timeout", "3", "--idle-timeout", "3"),
    *("--body-timeout", "3", "--max-body", "64k", "--http-timeout", "5", "--ping-interval", "1"),
    *("--ping-timeout", "1"),
)
BRIEFLY = 80
GROWN_KIB = 32 * 1024
"""Allowed over a long run: what pools and caches take, and no more."""

HANDSHAKE = (
    b"GET /s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)
FRAMES = (
    *(b"\x81\x85\0\0\0\0hello", b"\x82\x82\0\0\0\0ab", b"\x01\x81\0\0\0\0a", b"\x80\x81\0\0\0\0b"),
    *(b"\x88\x82\0\0\0\0\x03\xe8", b"\x88\x80\0\0\0\0", b"\x89\x80\0\0\0\0", b"\x8a\x80\0\0\0\0"),
    *(b"\xc1\x87\0\0\0\0\xcaH\xcd\xc9\xc9\x07\0", b"\xc1\x81\0\0\0\0\xff", b"\x81\x05hello"),
    *(b"\x81\xfe\x00\x80\0\0\0\0", b"\x81\xff" + b"\xff" * 8, b"\x83\x80\0\0\0\0"),
    *(b"\x81\x82\0\0\0\0\xff\xfe", b"\xf1\x80\0\0\0\0", b"\x09\x80\0\0\0\0", b"\x89\xfe\0\x7e"),
)  # fmt: skip
KINDS = (
    (b"", TARGETS["requests"]),
    (b"", TARGETS["requests"]),
    (HANDSHAKE, Target("frames", len, [b"".join(FRAMES[:3]), FRAMES[8]], FRAMES)),
    (PREFACE, TARGETS["http2"]),
)


@pytest.fixture
def server(redis_url: str, prefix: str) -> Iterator[ServerProcess]:
    """A server with a worker that echoes."""
    with ExitStack() as started:
        server = start_server(started, redis_url, prefix, *OPTIONS)
        started.callback(EchoWorker(redis_url, prefix).stop)
        yield server


def edited(choices: random.Random, target: Target) -> bytes:
    """A seed of the target after some edits."""
    given = bytearray(choices.choice(target.seeds))
    for _ in range(choices.choice((0, 1, 1, 2, 3, 8))):
        at, size = choices.randrange(len(given) + 1), choices.choice((0, 0, 1, 4, 30))
        piece = choices.choice((choices.choice(target.words), choices.randbytes(1), b""))
        given[at : at + size] = piece * choices.choice((1, 1, 1, 2, 40))
    return bytes(given[:100_000])


def throw(address: tuple[str, int], given: bytes, choices: random.Random) -> bytes:
    """All that the server writes until it ends the connection; one byte less is a failure."""
    received = b""
    with socket.create_connection(address, PATIENCE_S) as client:
        try:
            cut = choices.randrange(len(given) + 1)
            client.sendall(given[:cut])
            client.sendall(given[cut:])
            if choices.random() < 0.97:
                client.shutdown(socket.SHUT_WR)
            while piece := client.recv(65536):
                received += piece
        except ConnectionError:
            pass  # the server ended it while we wrote
    return received


def resident_kib(pid: int) -> int:
    """The memory that the process has now."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def test_no_bytes_end_a_server(server: ServerProcess, fuzz_seconds: float, fault_seed: int) -> None:
    """After thousands of broken connections the next page is answered, and nothing is left."""
    choices, number, before = random.Random(fault_seed), 0, 0
    host, _, port = server.address.rpartition(":")
    end = time.monotonic() + fuzz_seconds
    while number < BRIEFLY or time.monotonic() < end:
        number += 1
        start, target = choices.choice(KINDS)
        given = start + edited(choices, target)
        received = throw((host, int(port)), given, choices)
        if received and not given.startswith(PREFACE):
            assert received.startswith(b"HTTP/1.1 "), (given, received[:200])
        if number % 50 == 0:
            assert httpx.get(server.http + "/page").status_code == 200, given
            assert server.part.is_running
        if number == 20 * BRIEFLY:
            before = resident_kib(server.part.pid)
    server.wait_for_health(lambda said: said["sockets"] == 0 and said["exchanges"] == 0)
    assert "Traceback" not in server.log, server.log[-3000:]
    assert "unexpected" not in server.log.lower(), server.log[-3000:]
    if before:
        grown = resident_kib(server.part.pid) - before
        print(f"{number} connections, {grown} KiB more")
        assert grown < GROWN_KIB
