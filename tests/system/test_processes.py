"""One command, several processes on the same addresses."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.parts import Part, children_of

pytestmark = pytest.mark.system

REQUEST = b"GET /static/style.css HTTP/1.1\r\nHost: a\r\n\r\n"


class Pool:
    """A server of two processes that hands out a folder; there are no workers."""

    def __init__(self, folder: Path, redis_url: str, *options: str) -> None:
        (folder / "style.css").write_text("p {}")
        self.part = Part.module(
            "interface_server",
            *("--port", "0", "--processes", "2", "--redis-url", redis_url, "--grace", "2"),
            *("--static", f"/static={folder}", *options),
        )
        self.port = int(self.part.wait_for(r"http://127\.0\.0\.1:(\d+)/")[1])

    @property
    def children(self) -> list[int]:
        return children_of(self.part.pid)

    def connect(self) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port), 10)
        try:
            ask(client)
        except BaseException:
            client.close()  # who keeps the error would keep the socket with its traceback
            raise
        return client


@pytest.fixture
def pool(tmp_path: Path, redis_url: str) -> Iterator[Pool]:
    running = Pool(tmp_path, redis_url)
    yield running
    if running.part.is_running:
        running.part.kill()
    running.part.stop()


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def ask(client: socket.socket) -> None:
    """One request and its whole answer."""
    client.sendall(REQUEST)
    said = b""
    while b"p {}" not in said:
        block = client.recv(65536)
        if not block:
            raise ConnectionResetError
        said += block


def is_open(client: socket.socket) -> bool:
    try:
        ask(client)
    except OSError:
        return False
    return True


def until(fact: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Wait for a fact that lies in other processes, which can only be looked at."""
    end = time.monotonic() + timeout_s
    while not fact():
        assert time.monotonic() < end
        time.sleep(0.01)


def socket_count(pid: int) -> int:
    folder = f"/proc/{pid}/fd"
    links = []
    for name in os.listdir(folder):
        try:
            links.append(os.readlink(f"{folder}/{name}"))
        except FileNotFoundError:
            continue  # closed while we looked
    return sum(link.startswith("socket:") for link in links)


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_a_killed_process_takes_only_its_own_connections_along(
    pool: Pool, closing: ExitStack
) -> None:
    """The other one's connections stay, new ones are taken all the time, a successor comes."""
    until(lambda: pool.part.text.count("redis_connected") == 2 * len(pool.children))
    before = {pid: socket_count(pid) for pid in pool.children}
    clients = [closing.enter_context(pool.connect()) for _ in range(40)]
    held = {pid: socket_count(pid) - before[pid] for pid in before}
    victim = max(held, key=lambda pid: held[pid])
    assert sum(held.values()) == 40
    failed: list[OSError] = []
    opened = 0
    ending = threading.Event()

    def keep_connecting() -> None:
        nonlocal opened
        while not ending.is_set():
            try:
                # One whose process dies between its request and the answer is lost like any other.
                pool.connect().close()
                opened += 1
            except OSError as error:
                failed.append(error)

    load = threading.Thread(target=keep_connecting)
    load.start()
    closing.callback(load.join)
    closing.callback(ending.set)
    os.kill(victim, signal.SIGKILL)
    pool.part.wait_for(r"server_died .*killed by SIGKILL")
    pool.part.wait_for(r"server_replaced")
    assert len(pool.children) == 2
    was = opened
    until(lambda: opened > was + 20)
    ending.set()
    load.join()
    assert sum(is_open(client) for client in clients) == 40 - held[victim]
    assert len(failed) <= 1
    assert pool.part.stop() == 0


def test_an_orderly_end_leaves_nothing(pool: Pool) -> None:
    """SIGINT to the whole group, as a terminal sends it, ends parent and children with status 0."""
    children = pool.children
    client = pool.connect()
    os.killpg(pool.part.pid, signal.SIGINT)
    assert pool.part.wait() == 0
    assert all(is_gone(pid) for pid in children)
    assert not is_open(client)
    client.close()


def test_a_second_signal_ends_all_at_once(tmp_path: Path, redis_url: str) -> None:
    """Who does not want to wait for the grace says it twice."""
    pool = Pool(tmp_path, redis_url, "--grace", "60")
    children = pool.children
    client = socket.create_connection(("127.0.0.1", pool.port), 10)
    client.sendall(b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n")  # waits for a worker that never comes
    ask(second := socket.create_connection(("127.0.0.1", pool.port), 10))
    pool.part.signal(signal.SIGTERM)
    pool.part.wait_for(r"pool stopping")
    pool.part.signal(signal.SIGTERM)
    assert pool.part.wait() in (0, 128 + signal.SIGTERM)
    assert all(is_gone(pid) for pid in children)
    client.close()
    second.close()


def test_children_end_when_their_parent_is_killed(pool: Pool) -> None:
    """kill -9 of the parent: they end in order and leave the port free."""
    children = pool.children
    os.kill(pool.part.pid, signal.SIGKILL)
    until(lambda: all(is_gone(pid) for pid in children))
    assert pool.part.text.count("parent_died") == 2
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", pool.port))


def test_what_cannot_start_ends_the_command_with_the_reason(redis_url: str) -> None:
    """A place that each process opens for itself and cannot have is told, once."""
    taken = socket.create_server(("127.0.0.1", 0))
    with taken:
        part = Part.module(
            "interface_server",
            *("--port", "0", "--processes", "2", "--redis-url", redis_url),
            *("--metrics", f"127.0.0.1:{taken.getsockname()[1]}"),
        )
        assert part.wait() == 1
    assert "another process listens there" in part.text
