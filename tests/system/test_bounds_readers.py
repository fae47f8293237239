"""Holds promise 7 for readers: one who reads slowly or not at all costs a bounded sum, and him."""

import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.stack import Stack
from tests.system.bounds_clients import (
    SMALL_BUFFER,
    TIMEOUT_S,
    RawSocket,
    closing,
    counted,
    eventually,
    flood,
    forget_peak,
    memory_kib,
    peak_kib,
    plain,
    request,
    settles_at,
    until_closed,
    vitals,
)
from tests.system.bounds_house import KIB, MIB, bounds_stack

pytestmark = [pytest.mark.system, pytest.mark.alone]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with low limits and one worker."""
    with bounds_stack(tmp_path_factory.mktemp("readers")) as stack:
        yield stack


class Listener(threading.Thread):
    """Reads everything that is said in the room; `numbers` are the frames' numbers."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.socket = RawSocket(port, "/room")
        self.numbers: list[int] = []
        self.sizes: set[int] = set()
        self.start()

    def run(self) -> None:
        try:
            while (text := self.socket.text()) != "enough":
                self.numbers.append(int(text.split()[0]))
                self.sizes.add(len(text))
        except (EOFError, OSError):
            return  # the assertions see what is missing


def shout(stack: Stack, kib: int, number: int) -> None:
    """Let a worker broadcast a numbered frame."""
    assert httpx.post(f"{stack.url}/shout/{kib}/{number}", timeout=TIMEOUT_S).status_code == 200


def test_a_socket_that_stops_reading(house: Stack) -> None:
    """Members that read nothing are closed with 1013 and counted; the others miss no broadcast."""
    server = house.server
    assert server is not None
    listeners = [Listener(house.port) for _ in range(3)]
    with closing([RawSocket(house.port, "/room", SMALL_BUFFER) for _ in range(3)]) as stalled:
        eventually(lambda: vitals(house)["groups"] == 1)
        shout(house, 256, 0)
        before = forget_peak(server.pid)
        number = 1
        while counted(house, "websocket_slow_readers") < len(stalled):
            assert number < 100, "nobody was closed after 25 MiB that he did not read"
            shout(house, 256, number)
            number += 1
        # One looks at what came, late; the others never do.
        assert stalled[0].close_code() == 1013
        shout(house, 256, number)
        grown = peak_kib(server.pid) - before
        # Each may hold 1 MiB, what is under way to the transport and the frame that was too much.
        assert grown < 16 * KIB, (
            f"{grown} KiB for {len(stalled)} readers that were given 1 MiB each"
        )
        eventually(lambda: vitals(house)["sockets"] == len(listeners))
    for listener in listeners:
        listener.socket.send("enough")
        listener.join(TIMEOUT_S)
        assert listener.numbers == list(range(number + 1))
        assert listener.sizes == {256 * KIB}
        listener.socket.leave()
    eventually(lambda: vitals(house)["sockets"] == 0)
    settles_at(server.pid, before + 4 * KIB)
    assert "websocket_slow_reader" in server.text


def test_a_crowd_of_sockets_that_stop_reading(house: Stack) -> None:
    """The bound holds for each of many: what 30 stalled members cost is 30 times the limit."""
    server = house.server
    assert server is not None
    already = counted(house, "websocket_slow_readers")
    with closing([RawSocket(house.port, "/room", SMALL_BUFFER) for _ in range(30)]) as stalled:
        before = forget_peak(server.pid)
        for number in range(100):
            shout(house, 512, number)
            if counted(house, "websocket_slow_readers") == already + len(stalled):
                break
        assert counted(house, "websocket_slow_readers") == already + len(stalled)
        grown = peak_kib(server.pid) - before
        assert grown < 30 * 2 * KIB + 16 * KIB, f"{grown} KiB"
        eventually(lambda: vitals(house)["sockets"] == 0)
        # It is given back without waiting for a garbage collection.
        settles_at(server.pid, before + 4 * KIB)


def stall(stack: Stack, clients: int) -> int:
    """Let so many clients ask for 4000 KiB each and read nothing; the server's peak in KiB."""
    assert stack.server is not None
    already = counted(stack, "http.stalled")
    with closing([plain(stack.port, SMALL_BUFFER) for _ in range(clients)]) as stalled:
        before = forget_peak(stack.server.pid)
        for client in stalled:
            client.sendall(request("/large/4000"))
        # The only worker is free although none of its answers was read.
        assert httpx.get(stack.url + "/who", timeout=TIMEOUT_S).status_code == 200
        # Each has 2 s from when its answer stood still.
        eventually(lambda: counted(stack, "http.stalled") == already + clients)
        for client in stalled:
            assert len(until_closed(client)) < 4000 * KIB
        return peak_kib(stack.server.pid) - before


def test_answers_that_nobody_reads(house: Stack) -> None:
    """Large answers to clients that do not read hold no worker, and are cut when it is enough."""
    server = house.server
    assert server is not None
    held_kib = 30 * 4 * KIB  # what the limit allows
    assert stall(house, 30) < held_kib + 46 * KIB
    after_one = memory_kib(server.pid)
    for _ in range(2):
        assert stall(house, 30) < held_kib + 46 * KIB
    # What the next ones need is what the first ones gave back: nothing waits for a collection. The
    # heap finds its shape in the first rounds, up to 12 MiB more; then it stands.
    settles_at(server.pid, after_one + held_kib // 4)


def test_an_answer_that_is_read_slowly(house: Stack) -> None:
    """A reader that is slow but reads gets all of its answer, however long that takes."""
    with closing([plain(house.port, SMALL_BUFFER)]) as (client,):
        client.sendall(request("/large/3000", "Connection: close"))
        came, started = bytearray(), time.monotonic()
        while piece := client.recv(32 * KIB):
            came += piece
            if time.monotonic() - started < 4:
                time.sleep(0.05)  # slowness is what this client is about
        assert len(came.partition(b"\r\n\r\n")[2]) == 3000 * KIB


def test_more_than_may_wait_for_one_reader(house: Stack) -> None:
    """An answer larger than what may wait for one client is cut for a client that does not read."""
    already = counted(house, "http.output_overflow")
    with closing([plain(house.port, SMALL_BUFFER)]) as (client,):
        client.sendall(request("/large/16000"))
        eventually(lambda: counted(house, "http.output_overflow") == already + 1)
        assert len(until_closed(client)) < 16000 * KIB
    assert httpx.get(house.url + "/who", timeout=TIMEOUT_S).status_code == 200


def test_pipelined_requests_whose_answers_nobody_reads(house: Stack) -> None:
    """A client that pipelines without reading is read no further, and others are served."""
    server = house.server
    assert server is not None
    line = request("/who")
    before = forget_peak(server.pid)
    with closing([plain(house.port, SMALL_BUFFER) for _ in range(4)]) as clients:
        taken = [flood(client, line * 100, 2.0, 32 * MIB) for client in clients]
        assert httpx.get(house.url + "/who", timeout=TIMEOUT_S).status_code == 200
        assert peak_kib(server.pid) - before < 16 * KIB
        assert max(taken) < 32 * MIB, "the server took whatever came"
    eventually(lambda: vitals(house)["connections"] <= 1)


def test_pipelined_requests_are_answered_in_order(house: Stack) -> None:
    """Three hundred requests in one piece get three hundred answers."""
    lines = b"".join(request("/who") for _ in range(299))
    with closing([plain(house.port)]) as (client,):
        client.sendall(lines + request("/healthz", "Connection: close"))
        answers = until_closed(client)
        assert answers.count(b"HTTP/1.1 200 OK") == 300
        assert answers.rpartition(b"HTTP/1.1")[2].count(b'{"status": "ok"}') == 1
