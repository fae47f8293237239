"""The whole server process when Redis loses its data, and when it was itself taken for dead."""

import contextlib
import shutil
import signal
import socket
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from channel_layer.embedded import EmbeddedValkey
from channel_layer.layer import Entry, History, Join, Operation, SendGroup
from shared import codec
from tests.interface_server.real_server import (
    ServerProcess,
    ToyWorker,
    echo,
    nothing,
    reply,
    start_server,
    start_worker,
)

pytestmark = pytest.mark.system

SOCKETS = 20


def page(message: dict[str, Any], entry: Entry) -> list[Operation]:
    """Say which attempt it is."""
    return [reply(message, status=200, content=b"%d" % entry.attempt)]


def join_and_accept(message: dict[str, Any], _: Entry) -> list[Operation]:
    """Let every socket into a group with history and one without."""
    channel = message["reply_channel"]
    return [reply(message, accept=True), Join("kept", channel), Join("plain", channel)]


HANDLERS = {
    "http.request": page,
    "websocket.connect": join_and_accept,
    "websocket.receive": echo,
    "websocket.disconnect": nothing,
}


def open_sockets(started: ExitStack, server: ServerProcess, count: int) -> list[ClientConnection]:
    """Accepted sockets that are in both groups."""
    clients = [started.enter_context(connect(server.ws + f"/{n}")) for n in range(count)]
    server.wait_for_health(lambda said: said["groups"] == 2 and said["sockets"] == count)
    return clients


def disconnects(*workers: ToyWorker) -> Counter[str]:
    """How many disconnects each path had."""
    return Counter(m["path"] for w in workers for m in w.of("websocket.disconnect"))


def close_code(client: ClientConnection) -> int:
    """The code with which the server closes the socket."""
    with contextlib.suppress(ConnectionClosed):
        while client.recv(20):
            pass
    assert client.close_code is not None
    return client.close_code


def test_redis_comes_back_empty(started: ExitStack, tmp_path: Path, prefix: str) -> None:
    """Sockets stay, frames and requests that were lost are handled, groups are whole again.

    Who left meanwhile has its disconnect, once, and members of a group with history learn of the
    gap.
    """
    valkey = EmbeddedValkey(tmp_path / "valkey")
    valkey.start()
    started.callback(valkey.stop)
    server = start_server(started, valkey.url, prefix)
    first = start_worker(started, valkey.url, prefix, HANDLERS)
    clients = open_sockets(started, server, SOCKETS)
    kept = SendGroup("kept", codec.pack({"text": "a"}), (), History(10, 60_000))
    first.layer.perform((kept,))
    assert [str(client.recv(10)).endswith(" 1\na") for client in clients] == [True] * SOCKETS
    first.stop()
    with socket.create_connection(server.address.split(":")) as asking:
        for number, client in enumerate(clients):
            client.send(f"lost {number}")
        asking.sendall(b"GET /lost HTTP/1.1\r\nHost: x\r\n\r\n")
        server.wait_for_health(lambda said: said["exchanges"] == 1)
        with redis.Redis.from_url(valkey.url) as raw:
            while raw.llen(f"{{{prefix}}}:list:websocket.receive") < SOCKETS:
                pass
        valkey.kill()
        for client in clients[:5]:
            client.close()
        shutil.rmtree(tmp_path / "valkey")
        valkey.start()
        server.part.wait_for(rf"announced_anew .*lost={SOCKETS + 1}", 10)
        second = start_worker(started, valkey.url, prefix, HANDLERS, "w2")
        assert asking.recv(65536).endswith(b"2")
    for number, client in enumerate(clients[5:], 5):
        told = [str(client.recv(10)) for _ in range(2)]
        assert f"lost {number}" in told
        assert any(line.startswith("kept ") and line.endswith(" gap\n") for line in told)
    second.layer.send_group("plain", {"text": "everybody"})
    assert [client.recv(10) for client in clients[5:]] == ["everybody"] * (SOCKETS - 5)
    for client in clients[5:]:
        client.close()
    second.wait_for(lambda w: sum(disconnects(w).values()) >= SOCKETS)
    server.wait_for_health(lambda said: said["sockets"] == 0)
    assert disconnects(first, second) == Counter({f"/{n}": 1 for n in range(SOCKETS)})
    assert "Traceback" not in server.log


def test_a_server_taken_for_dead_closes_its_sockets_and_goes_on(
    started: ExitStack, redis_url: str, prefix: str
) -> None:
    """Stopped for long and continued: one disconnect a socket, 1012 to the peers, then new ones."""
    server = start_server(started, redis_url, prefix)
    worker = start_worker(started, redis_url, prefix, HANDLERS)
    clients = open_sockets(started, server, SOCKETS)
    server.part.signal(signal.SIGSTOP)
    sent = 0
    while sent < SOCKETS:
        sent += worker.layer.reap_servers(silent_ms=1000).disconnects
    assert sent == SOCKETS
    worker.wait_for(lambda w: sum(disconnects(w).values()) == SOCKETS)
    assert worker.layer.group_channels("plain") == []
    server.part.signal(signal.SIGCONT)
    assert [close_code(client) for client in clients] == [1012] * SOCKETS
    server.wait_for_health(lambda said: said["sockets"] == 0)
    with connect(server.ws + "/new") as client:
        client.send("hi")
        assert client.recv(10) == "hi"
    worker.wait_for(lambda w: bool(disconnects(w)["/new"]))
    assert set(disconnects(worker).values()) == {1}
    assert "Traceback" not in server.log


def test_a_killed_server_is_reaped_to_the_last_socket(
    started: ExitStack, redis_url: str, prefix: str
) -> None:
    """Each socket has one disconnect, 1006, with its newest state; nothing of the server stays."""
    server = start_server(started, redis_url, prefix)
    worker = start_worker(started, redis_url, prefix, HANDLERS)
    worker.state = b"newest"
    clients = open_sockets(started, server, SOCKETS)
    for client in clients:
        client.send("x")
        assert client.recv(10) == "x"
    server.part.kill()
    reaped: set[str] = set()
    while not reaped:
        reaped.update(worker.layer.reap_servers(silent_ms=1000).servers)
    worker.wait_for(lambda w: sum(disconnects(w).values()) >= SOCKETS)
    assert disconnects(worker) == Counter({f"/{n}": 1 for n in range(SOCKETS)})
    for event in worker.of("websocket.disconnect"):
        assert (event["code"], event["order"]) == (1006, 2**31 - 1)
    assert worker.layer.group_channels("plain") == []


def test_a_stop_tells_every_socket_and_leaves_nothing_to_reap(
    started: ExitStack, redis_url: str, prefix: str
) -> None:
    """Spread over half of the grace; each disconnect is with the layer before the server ends."""
    server = start_server(started, redis_url, prefix, "--grace", "4", "--drain-rate", "20")
    worker = start_worker(started, redis_url, prefix, HANDLERS)
    clients = open_sockets(started, server, SOCKETS)
    worker.stop()
    server.part.signal(signal.SIGTERM)
    assert [close_code(client) for client in clients] == [1012] * SOCKETS
    assert server.part.wait(10) == 0
    with redis.Redis.from_url(redis_url) as raw:
        keys = [key.decode() for key in raw.keys(f"{{{prefix}}}:*")]
        assert not [key for key in keys if "sockets:" in key or "list:server" in key]
        assert raw.zcard(f"{{{prefix}}}:servers") == 0
    second = start_worker(started, redis_url, prefix, HANDLERS, "w2")
    second.wait_for(lambda w: sum(disconnects(w).values()) == SOCKETS)
    assert set(disconnects(second).values()) == {1}
    assert second.layer.reap_servers(silent_ms=0).disconnects == 0


def test_a_stop_while_redis_is_away_has_its_end(
    started: ExitStack, tmp_path: Path, prefix: str
) -> None:
    """The peers are told, the grace is waited for, and one line leaves the rest to a reaper."""
    valkey = EmbeddedValkey(tmp_path / "valkey")
    valkey.start()
    started.callback(valkey.stop)
    server = start_server(started, valkey.url, prefix, "--grace", "1")
    worker = ToyWorker(valkey.url, prefix, HANDLERS)
    clients = open_sockets(started, server, 3)
    worker.stop()
    valkey.kill()
    server.part.wait_for("redis_unavailable")
    server.part.signal(signal.SIGTERM)
    assert [close_code(client) for client in clients] == [1012] * 3
    assert server.part.wait(10) == 0
    assert "grace_over" in server.log
    assert 'not_retired cause="no answer in 2 s"' in server.log
    assert "Traceback" not in server.log
