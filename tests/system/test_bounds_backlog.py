"""Holds promise 7 for what piles up: an inbox that was not read, a broker that does not answer."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import redis

import channel_layer
from tests.stack import Stack
from tests.system.bounds_clients import (
    TIMEOUT_S,
    RawSocket,
    closing,
    counted,
    eventually,
    forget_peak,
    peak_kib,
    settles_at,
    vitals,
)
from tests.system.bounds_house import KIB, MIB, bounds_stack

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack whose server takes bodies up to their usual limits, and waits a while for a member
    that falls behind: the machine may have others to run."""
    options = ("--bodies-total", "256m", "--max-socket-output", "16m")
    with bounds_stack(tmp_path_factory.mktemp("backlog"), server_options=options) as stack:
        yield stack


@pytest.mark.alone
def test_an_inbox_full_of_large_broadcasts(house: Stack) -> None:
    """A server that was stopped reads its backlog in portions: all of it, in a bounded memory."""
    server = house.server
    assert server is not None
    with closing([RawSocket(house.port, "/room")]) as (member,):
        eventually(lambda: vitals(house)["groups"] == 1)
        layer = channel_layer.connect(house.redis_url)
        server.signal(signal.SIGSTOP)
        try:
            before = forget_peak(server.pid)
            for number in range(56):
                layer.send_group("room", {"text": f"{number} ".ljust(MIB, ".")})
        finally:
            server.signal(signal.SIGCONT)
            layer.close()
        numbers = [int(member.text().split()[0]) for _ in range(56)]
        assert numbers == list(range(56))
        grown = peak_kib(server.pid) - before
        assert grown < 32 * KIB, f"{grown} KiB for a backlog of 56 MiB that its member read"
    settles_at(server.pid, before + 8 * KIB)


@pytest.mark.alone
def test_a_broker_that_does_not_answer(house: Stack) -> None:
    """While the broker hangs, so much waits and no more: the rest is 503 at once, then all goes."""
    server = house.server
    assert server is not None
    assert house.valkey is not None
    content = b"x" * (512 * KIB)
    statuses: list[int] = []

    def upload() -> None:
        statuses.append(
            httpx.post(house.url + "/size", content=content, timeout=4 * TIMEOUT_S).status_code
        )

    with redis.Redis(port=house.redis_port) as broker:
        pid = int(broker.info("server")["process_id"])
    before = forget_peak(server.pid)
    threads = [threading.Thread(target=upload) for _ in range(180)]
    frozen = _Frozen(pid)
    with frozen:
        for thread in threads:
            thread.start()
        # 180 × 512 KiB are more than the 64 MiB that may wait.
        eventually(lambda: len(statuses) >= 20)
        assert set(statuses) == {503}
        assert vitals(house)["layer_buffered_bytes"] <= 64 * MIB
        assert peak_kib(server.pid) - before < 3 * 96 * KIB
    for thread in threads:
        thread.join(4 * TIMEOUT_S)
    assert len(statuses) == len(threads)
    assert set(statuses) == {200, 503}
    assert httpx.get(house.url + "/who", timeout=TIMEOUT_S).status_code == 200
    eventually(lambda: vitals(house)["layer_buffered_bytes"] == 0)
    assert counted(house, "entries_failed") == 0


def test_a_broker_that_hangs_for_long(house: Stack) -> None:
    """A broker that answers nothing for longer than a call may last does not freeze the server."""
    with redis.Redis(port=house.redis_port) as broker:
        pid = int(broker.info("server")["process_id"])
    with RawSocket(house.port, "/echo").wire, ThreadPoolExecutor(1) as pool:
        with _Frozen(pid):
            waiting = pool.submit(httpx.get, house.url + "/who", timeout=4 * TIMEOUT_S)
            # The limit for an answer is 20 s; what the server does by itself goes on behind it.
            eventually(lambda: vitals(house)["status"] != "ok", 2 * TIMEOUT_S)
            assert vitals(house)["sockets"] == 1
        assert waiting.result().status_code == 200
    assert house.server is not None
    assert house.server.text.count("redis_lost") < 10


class _Frozen:
    """A process that is stopped meanwhile."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def __enter__(self) -> None:
        self._signal(signal.SIGSTOP)

    def __exit__(self, *_: object) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        os.kill(self._pid, number)
