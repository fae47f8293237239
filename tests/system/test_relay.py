"""Holds the relay of the fault bench: a good network until it is told otherwise."""

import os
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.system.relay import Relay

pytestmark = pytest.mark.system


@pytest.fixture
def echo_port() -> Iterator[int]:
    """A server that sends back what it gets."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1000)

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                while read := connection.recv(65536):
                    connection.sendall(read)
            except OSError:
                pass  # cut: that is what the tests do

    def run() -> None:
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


@pytest.fixture
def relay(echo_port: int) -> Iterator[Relay]:
    """A relay before that server."""
    with Relay(echo_port) as running:
        yield running


def dial(relay: Relay) -> socket.socket:
    return socket.create_connection(("127.0.0.1", relay.port), 5)


def said(connection: socket.socket, sent: bytes) -> bytes:
    connection.sendall(sent)
    back = b""
    while len(back) < len(sent) and (read := connection.recv(65536)):
        back += read
    return back


def test_all_bytes_pass(relay: Relay) -> None:
    """Much more than any buffer holds passes unchanged, both ways, and the ends after it."""
    sent = os.urandom(8 * 2**20)
    with dial(relay) as connection:
        writer = threading.Thread(target=connection.sendall, args=(sent,))
        writer.start()
        back = bytearray()
        while len(back) < len(sent):
            back += connection.recv(2**20)
        writer.join()
        assert back == sent
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


def test_delay(relay: Relay) -> None:
    """Each direction takes the delay; what was under way is whole."""
    with dial(relay) as connection:
        assert said(connection, b"fast") == b"fast"
        relay.delay(0.1)
        start = time.monotonic()
        assert said(connection, b"slow") == b"slow"
        assert time.monotonic() - start >= 0.2
        relay.heal()
        assert said(connection, b"fast") == b"fast"


def test_dropped_bytes_end_the_connection(relay: Relay) -> None:
    """Dropped bytes are told to nobody; healing resets those connections, new ones work."""
    with dial(relay) as connection, dial(relay) as quiet:
        assert said(connection, b"a") == said(quiet, b"a") == b"a"
        relay.drop()
        connection.sendall(b"gone")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        relay.heal()
        for one in (connection, quiet):
            with pytest.raises(ConnectionResetError):
                one.recv(1)
    with dial(relay) as connection:
        assert said(connection, b"b") == b"b"


def test_cut_and_refuse(relay: Relay) -> None:
    """A cut resets what runs; refused connections find nobody until it heals, at the same port."""
    with dial(relay) as connection:
        assert said(connection, b"a") == b"a"
        assert relay.connections == 1
        relay.refuse()
        assert said(connection, b"b") == b"b"
        with pytest.raises(ConnectionRefusedError):
            dial(relay)
        assert relay.cut() == 1
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    relay.heal()
    with dial(relay) as connection:
        assert said(connection, b"c") == b"c"


def test_half_close(relay: Relay) -> None:
    """The target hears the end although the client sent none; its answer still passes."""
    with dial(relay) as connection:
        assert said(connection, b"a") == b"a"
        assert relay.half_close() == 1
        assert connection.recv(1) == b""  # the echo server ends when it hears the end


def test_a_target_that_is_gone_resets(free_port: int) -> None:
    """A connection whose target does not listen is reset, and the relay goes on."""
    with Relay(free_port) as relay:
        for _ in range(2):
            with pytest.raises(ConnectionResetError), dial(relay) as connection:
                connection.recv(1)  # where the reset did not come while it was being connected


def test_many_connections(relay: Relay) -> None:
    """Hundreds of connections speak at once."""
    crowd = [dial(relay) for _ in range(300)]
    for number, connection in enumerate(crowd):
        connection.sendall(b"%06d" % number)
    assert [connection.recv(6) for connection in crowd] == [b"%06d" % n for n in range(300)]
    for connection in crowd:
        connection.close()
