"""The whole server process: start, stop, losing and finding the channel layer, many sockets."""

import asyncio
import signal
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from channel_layer.embedded import EmbeddedValkey
from channel_layer.layer import Entry, Join, Operation, SendGroup
from shared import codec
from tests.interface_server.real_server import (
    echo,
    nothing,
    reply,
    start_server,
    start_worker,
)
from tests.parts import Part
from tests.ports import unused_port

pytestmark = pytest.mark.system


def page(message: dict[str, Any], _: Entry) -> list[Operation]:
    return [reply(message, status=200, content=message["path"].encode())]


def join_and_accept(message: dict[str, Any], _: Entry) -> list[Operation]:
    return [Join("all", message["reply_channel"]), reply(message, accept=True)]


HANDLERS = {
    "http.request": page,
    "websocket.connect": join_and_accept,
    "websocket.receive": echo,
    "websocket.disconnect": nothing,
}


def test_pages_and_sockets_share_a_port(started: ExitStack, redis_url: str, prefix: str) -> None:
    """A page, a socket and /healthz are answered by one process."""
    server = start_server(started, redis_url, prefix)
    start_worker(started, redis_url, prefix, HANDLERS)
    with httpx.Client(base_url=server.http) as client, connect(server.ws + "/s") as ws:
        assert client.get("/ö/page").text == "/ö/page"
        ws.send("hi")
        assert ws.recv(10) == "hi"
        health = server.wait_for_health(lambda said: said["groups"] == 1)
        assert (health["status"], health["sockets"], health["exchanges"]) == ("ok", 1, 0)


@pytest.mark.parametrize("option", ["--access-log", "--no-access-log"])
def test_the_access_log_can_be_left_out(
    started: ExitStack, redis_url: str, prefix: str, option: str
) -> None:
    """Without it the rest of what a server says stays."""
    server = start_server(started, redis_url, prefix, option)
    start_worker(started, redis_url, prefix, HANDLERS)
    assert httpx.get(server.http + "/page").text == "/page"
    server.part.signal(signal.SIGTERM)
    assert server.part.wait(10) == 0
    assert ("HTTP GET /page 200" in server.log) == (option == "--access-log")
    assert "stopped" in server.log


def test_a_taken_port_is_one_clear_line(redis_url: str) -> None:
    """The operator reads what is wrong, not a traceback, and the status is 1."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        part = Part.module("interface_server", "--port", str(port), "--redis-url", redis_url)
        assert part.wait(20) == 1
    assert part.text.startswith(f"Error: cannot listen on 127.0.0.1:{port}: ")
    assert "choose another with --port or --bind" in part.text
    assert part.text.count("\n") == 1
    part.stop()


def test_a_stop_closes_sockets_with_1012_and_tells_the_workers(
    started: ExitStack, redis_url: str, prefix: str
) -> None:
    """SIGTERM: peers are sent elsewhere, each disconnect is told, the status is 0."""
    server = start_server(started, redis_url, prefix)
    worker = start_worker(started, redis_url, prefix, HANDLERS)
    with connect(server.ws + "/") as client:
        server.part.signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
    assert server.part.wait(10) == 0
    worker.wait_for(lambda w: bool(w.of("websocket.disconnect")))
    assert worker.of("websocket.disconnect")[0]["code"] == 1012
    assert "Traceback" not in server.log


def test_a_running_request_is_finished_before_the_end(
    started: ExitStack, redis_url: str, prefix: str
) -> None:
    """What was asked for before SIGTERM is answered; new connections are not taken."""
    server = start_server(started, redis_url, prefix)
    with socket.create_connection(server.address.split(":")) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        server.wait_for_health(lambda said: said["exchanges"] == 1)
        server.part.signal(signal.SIGTERM)
        server.part.wait_for("stopping")
        start_worker(started, redis_url, prefix, HANDLERS)
        answer = client.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"onnection: close" in answer
    assert server.part.wait(10) == 0


def test_the_grace_has_an_end_and_a_second_signal_none(
    started: ExitStack, redis_url: str, prefix: str
) -> None:
    """A request that nobody answers gets its 503 within --grace; a second signal does not wait."""
    for options, signals, status in ((("--grace", "0.3"), 1, 0), ((), 2, 128 + 15)):
        server = start_server(started, redis_url, prefix, *options)
        with socket.create_connection(server.address.split(":")) as client:
            client.sendall(b"GET /never HTTP/1.1\r\nHost: x\r\n\r\n")
            server.wait_for_health(lambda said: said["exchanges"] == 1)
            server.part.signal(signal.SIGTERM)
            server.part.wait_for("stopping")
            if signals == 2:
                server.part.signal(signal.SIGTERM)
            else:
                assert client.recv(65536).startswith(b"HTTP/1.1 503 ")
                assert client.recv(1) == b""
            assert server.part.wait(8) == status


def test_no_redis_at_start_is_a_clear_message_and_then_it_works(
    started: ExitStack, tmp_path: Path, prefix: str
) -> None:
    """It listens at once, says what is missing without a traceback, and a request waits for it."""
    port = unused_port()
    url = f"redis://127.0.0.1:{port}/0"
    server = start_server(started, url, prefix)
    server.part.wait_for(rf"redis_unavailable .*address=127\.0\.0\.1:{port}")
    assert httpx.get(server.http + "/readyz").status_code == 503
    assert httpx.get(server.http + "/healthz").status_code == 200
    with socket.create_connection(server.address.split(":")) as client:
        client.sendall(b"GET /early HTTP/1.1\r\nHost: x\r\n\r\n")
        valkey = EmbeddedValkey(tmp_path / "valkey", port)
        valkey.start()
        started.callback(valkey.stop)
        worker = start_worker(started, url, prefix, HANDLERS)
        client.settimeout(20)
        assert client.recv(65536).endswith(b"/early")
        assert worker.of("http.request")[0]["path"] == "/early"
    assert server.health()["status"] == "ok"
    assert "Traceback" not in server.log


def test_sockets_survive_the_death_of_redis(
    started: ExitStack, tmp_path: Path, prefix: str
) -> None:
    """Killed and back with its append-only file: sockets open, members complete, frames flow."""
    valkey = EmbeddedValkey(tmp_path / "valkey")
    valkey.start()
    started.callback(valkey.stop)
    server = start_server(started, valkey.url, prefix)
    worker = start_worker(started, valkey.url, prefix, HANDLERS)
    clients = [started.enter_context(connect(server.ws + f"/{n}")) for n in range(20)]
    server.wait_for_health(lambda said: said["groups"] == 1)
    worker.stop()
    valkey.kill()
    for number, client in enumerate(clients):
        client.send(f"while away {number}")
    valkey.start()
    again = start_worker(started, valkey.url, prefix, HANDLERS, "w2")
    for number, client in enumerate(clients):
        assert client.recv(20) == f"while away {number}"
    again.layer.send_group("all", {"text": "everybody"})
    assert [client.recv(10) for client in clients] == ["everybody"] * 20


def test_a_thousand_handshakes_at_once_and_a_broadcast_to_all(
    started: ExitStack, redis_url: str, prefix: str
) -> None:
    """A crowd that connects in one moment is let in, and each member hears the group."""
    count = 1000
    server = start_server(started, redis_url, prefix)
    worker = start_worker(started, redis_url, prefix, HANDLERS)

    async def crowd() -> list[str | bytes]:
        opened = await asyncio.gather(
            *(
                websockets.connect(server.ws + f"/{n}", open_timeout=30, compression=None)
                for n in range(count)
            )
        )
        operation = SendGroup("all", codec.pack({"text": "now"}))
        await asyncio.to_thread(worker.layer.perform, (operation,))
        heard = await asyncio.gather(*(client.recv() for client in opened))
        await asyncio.gather(*(client.close() for client in opened))
        return list(heard)

    assert asyncio.run(crowd()) == ["now"] * count
    worker.wait_for(lambda w: len(w.of("websocket.disconnect")) == count, 30)
    health = server.wait_for_health(lambda said: said["sockets"] == 0)
    assert health["groups"] == 0


def test_a_reader_that_never_reads_is_closed_and_others_go_on(
    started: ExitStack, redis_url: str, prefix: str
) -> None:
    """Its bytes are bounded, it ends with one logged line, and the next member is served."""
    server = start_server(started, redis_url, prefix, "--max-socket-output", "256k")
    worker = start_worker(started, redis_url, prefix, HANDLERS)
    stalled = connect(server.ws + "/stalled", max_queue=1, ping_interval=None)
    with connect(server.ws + "/good", max_size=None) as good:
        server.wait_for_health(lambda said: said["groups"] == 1)
        frame = "x" * 200_000
        for _ in range(60):
            worker.layer.send_group("all", {"text": frame})
            assert good.recv(10) == frame
        server.part.wait_for("websocket_slow_reader path=/stalled")
        good.send("still here")
        assert good.recv(10) == "still here"
    worker.wait_for(lambda w: len(w.of("websocket.disconnect")) == 2, 20)
    stalled.socket.close()


def test_a_flood_is_slowed_by_tcp_and_loses_nothing(
    started: ExitStack, redis_url: str, prefix: str
) -> None:
    """While nobody works the peer cannot send on, its pongs are not missed, nothing is lost."""
    options = ("--socket-queue-frames", "16", "--ping-interval", "0.5", "--ping-timeout", "3")
    server = start_server(started, redis_url, prefix, *options)
    first = start_worker(started, redis_url, prefix, HANDLERS)

    async def flood(client: websockets.ClientConnection) -> int:
        for number in range(10_000):
            try:
                await asyncio.wait_for(client.send(f"{number:060000}"), 5.0)
            except TimeoutError:
                return number + 1  # it waits in the client's own buffer
        raise AssertionError("600 MB were taken")

    async def whole() -> None:
        async with websockets.connect(
            server.ws + "/flood", compression=None, ping_interval=None
        ) as client:
            await asyncio.to_thread(first.stop)
            count = await flood(client)
            second = await asyncio.to_thread(
                start_worker, started, redis_url, prefix, HANDLERS, "w2"
            )
            for number in range(count):
                assert await client.recv() == f"{number:060000}"
            orders = [m["order"] for m in second.of("websocket.receive")]
            assert orders == list(range(1, count + 1))

    asyncio.run(whole())
    assert "websocket_ping_timeout" not in server.log


def test_a_full_list_pauses_a_socket_and_loses_nothing(
    started: ExitStack, redis_url: str, prefix: str
) -> None:
    """Frames that find the workers' list full are tried again as they were: whole and in order."""
    options = ("--channel-capacity", "websocket.receive=5")
    server = start_server(started, redis_url, prefix, *options)
    first = start_worker(started, redis_url, prefix, HANDLERS)
    clients = [started.enter_context(connect(server.ws + f"/{n}")) for n in range(8)]
    first.stop()
    frames = [str(number) for number in range(12)]
    for frame in frames:
        for client in clients:
            client.send(frame)
    server.wait_for_health(lambda said: said["counters"].get("websocket_events_full", 0) > 0)
    second = start_worker(started, redis_url, prefix, HANDLERS, "w2")
    for client in clients:
        assert [client.recv(20) for _ in frames] == frames
    for number in range(len(clients)):
        events = [m for m in second.of("websocket.receive") if m["path"] == f"/{number}"]
        assert [event["order"] for event in events] == list(range(1, len(frames) + 1))
