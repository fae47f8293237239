"""Every cause for which a socket ends, over HTTP/1.1 and HTTP/2: provoked, counted, told once."""

import json
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from channel_layer.layer import Entry, Operation, SendReceipt
from interface_server.seeing.causes import SOCKET_CAUSES
from shared import codec
from shared.messages import Receipt
from tests.interface_server.h2_socket import H2Sockets
from tests.interface_server.raw_socket import BINARY, TEXT, RawSocket, close, frame
from tests.interface_server.real_server import (
    ServerProcess,
    ToyWorker,
    nothing,
    reply,
    start_server,
)

pytestmark = pytest.mark.system

PREFIX = "socketcauses"
OPTIONS = ("--h2c", "--max-message", "1000", "--max-socket-output", "256k")
SHORT = {
    "connect_timeout": ("--websocket-connect-timeout", "0.4"),
    "event_timeout": ("--websocket-event-timeout", "0.4"),
    "ping_timeout": ("--ping-interval", "0.3", "--ping-timeout", "0.5"),
}
"""The times that are a cause: each is short on a server of its own, so that on a busy machine none
ends a socket that another cause was to end."""

PATIENT = ("--websocket-connect-timeout", "60")
LARGE = "x" * 900_000

ELSEWHERE = {
    "connect_refused": "test_ws_session.py: a full list of handshakes",
    "event_too_large": "test_ws_session.py: past what any list takes",
    "reaped": "test_recovery.py: one line for the whole server",
}


class Silent(ToyWorker):
    """A worker that says nothing of what it took where the path asks for that."""

    def _handle(self, entry: Entry) -> tuple[Operation, ...]:
        done = super()._handle(entry)
        path, receipt = codec.unpack(entry.payload)["path"], entry.receipt
        if f"{entry.channel}_silent" in path:
            return ()
        if f"{entry.channel}_dead" in path:
            return (SendReceipt(receipt, codec.encode(Receipt("dead")), entry.order),)
        return done


def connected(message: dict[str, Any], _: Entry) -> list[Operation]:
    """Accept, unless the path asks for nothing."""
    return [] if "unanswered" in message["path"] else [reply(message, accept=True)]


def received(message: dict[str, Any], _: Entry) -> list[Operation]:
    """Close, or say much, as the frame asks."""
    text = message.get("text") or ""
    if text == "close":
        return [reply(message, close=4001)]
    return [reply(message, text=LARGE) for _ in range(12)] if text == "flood" else []


HANDLERS = {
    "websocket.connect": connected,
    "websocket.receive": received,
    "websocket.disconnect": nothing,
}

Houses = Callable[[str], ServerProcess]


@pytest.fixture(scope="module")
def houses(redis_url: str) -> Iterator[Houses]:
    """The server on which a cause can come, for both protocols; one worker serves all of them."""
    with ExitStack() as started:
        worker = Silent(redis_url, PREFIX, HANDLERS)
        started.callback(worker.stop)
        running: dict[tuple[str, ...], ServerProcess] = {}

        def house(cause: str) -> ServerProcess:
            options = SHORT.get(cause, ())
            if options not in running:
                given = (*OPTIONS, *(() if cause == "connect_timeout" else PATIENT), *options)
                running[options] = start_server(started, redis_url, PREFIX, *given)
            return running[options]

        yield house


class OverHttp1:
    """A socket on a connection of its own."""

    def __init__(self, address: str, path: str) -> None:
        self._socket = RawSocket(address, path)
        self.send = self._socket.send

    def read(self) -> None:
        """To the end."""
        self._socket.end()

    def vanish(self) -> None:
        """Be gone without a word."""
        self._socket.wire.close()

    leave = vanish


class OverHttp2:
    """A socket on a stream; its connection has no other."""

    def __init__(self, address: str, path: str) -> None:
        self._wire = H2Sockets(address)
        self._stream = self._wire.open(path)

    def send(self, data: bytes) -> None:
        """Bytes of the socket."""
        self._wire.raw(self._stream, data)

    def read(self) -> None:
        """To the end of the stream."""
        wire, stream = self._wire, self._stream
        wire.until(lambda: stream in wire.ended or stream in wire.resets)

    def vanish(self) -> None:
        """Cut the stream."""
        self._wire.reset(self._stream)

    def leave(self) -> None:
        """End the connection."""
        self._wire.leave()


class Case(NamedTuple):
    """What the client sends; `code` is a status where the handshake failed."""

    cause: str
    code: int
    sent: bytes = b""
    path: str = ""
    then: Callable[[Any], None] | None = lambda client: client.read()
    lines: int = 1


def vanish(client: Any) -> None:
    """Go."""
    client.vanish()


CASES = [
    Case("connect_timeout", 503, path="websocket.connect_silent"),
    Case("connect_dead", 503, path="websocket.connect_dead"),
    Case("connect_unanswered", 500, path="unanswered"),
    Case("peer", 4005, close(4005), lines=0),
    Case("peer_vanished", 1006, then=vanish, lines=0),
    Case("ping_timeout", 1006, then=None),
    Case("protocol_error", 1002, frame(3)),
    Case("invalid_payload", 1007, frame(TEXT, b"\xff")),
    Case("message_too_big", 1009, frame(BINARY, bytes(1001))),
    Case("slow_reader", 1013, frame(TEXT, b"flood"), then=None),
    Case("worker", 4001, frame(TEXT, b"close"), lines=0),
    Case("event_dead", 1011, frame(TEXT, b"x"), path="websocket.receive_dead"),
    Case("event_timeout", 1013, frame(TEXT, b"x"), path="websocket.receive_silent"),
]


def counted(server: ServerProcess) -> dict[str, float]:
    """Handshakes and ends of sockets."""
    text = httpx.get(server.metrics + "/metrics").text
    return {
        json.dumps(sample.labels): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if re.search(r"_(handshakes|closed)_total$", sample.name)
    }


def lines(server: ServerProcess, path: str) -> list[str]:
    """What the log told of a path's socket beside the access log."""
    return [line for line in server.log.splitlines() if f"path={path} " in line]


@pytest.mark.parametrize("over", [OverHttp1, OverHttp2])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.cause)
def test_an_end_is_counted_and_told_once(
    started: ExitStack, houses: Houses, case: Case, over: Any
) -> None:
    """One line of the access log, one of the log where this server ends it, one count."""
    house = houses(case.cause)
    before = counted(house)
    path = f"/{over.__name__}/{case.cause}/{case.path}"
    client = over(house.address, path)
    started.callback(client.leave)
    if case.sent:
        client.send(case.sent)
    if case.then is not None and case.code not in (500, 503):
        case.then(client)
        client.leave()
    if case.cause == "slow_reader":
        house.part.wait_for(f"websocket_slow_reader path={path}")
        client.leave()
    event = "REJECT" if case.code in (500, 503) else "DISCONNECT"
    house.part.wait_for(rf"WebSocket {event} {path} .* {case.code} {case.cause}")
    after = counted(house)
    label = f'{{"result": "{case.code}"}}'
    if event == "DISCONNECT":
        shown = "4xxx" if case.code > 4000 else case.code
        label = f'{{"cause": "{case.cause}", "code": "{shown}"}}'
    own = {name for name in after if after[name] != before.get(name, 0)}
    assert own - {'{"result": "accepted"}'} == {label}
    assert after[label] - before.get(label, 0) == 1
    client.leave()
    ends = [line for line in house.log.splitlines() if f"{event} {path} " in line]
    told = lines(house, path)
    assert (len(ends), len(told)) == (1, case.lines), told
    assert all(case.cause in line and "request_id=" in line for line in told), told


@pytest.mark.parametrize("over", [OverHttp1, OverHttp2])
def test_an_event_that_runs_out_of_time_behind_the_end_is_no_second_cause(
    started: ExitStack, houses: Houses, over: Any
) -> None:
    """It is counted; the log tells what ended the socket."""
    house = houses("event_timeout")
    path = f"/{over.__name__}/behind/websocket.receive_silent"

    def overdue(said: dict[str, Any]) -> int:
        return int(said["counters"].get("websocket_event_timeouts", 0))

    before = overdue(house.health())
    client = over(house.address, path)
    started.callback(client.leave)
    client.send(frame(TEXT, b"x") + frame(3))
    house.wait_for_health(lambda said: overdue(said) == before + 1)
    client.leave()
    house.part.wait_for(rf"WebSocket DISCONNECT {path} .* 1002 protocol_error")
    (told,) = lines(house, path)
    assert "websocket_failed" in told


def test_at_a_stop_sockets_of_both_protocols_are_told(started: ExitStack, redis_url: str) -> None:
    """Each has its line with 1012 and the cause."""
    server = start_server(started, redis_url, PREFIX + "stop", *OPTIONS)
    worker = Silent(redis_url, PREFIX + "stop", HANDLERS)
    started.callback(worker.stop)
    clients = [over(server.address, f"/{over.__name__}") for over in (OverHttp1, OverHttp2)]
    for client in clients:
        started.callback(client.leave)
    server.part.signal(signal.SIGTERM)
    for client in clients:
        client.read()
    for over in (OverHttp1, OverHttp2):
        server.part.wait_for(rf"DISCONNECT /{over.__name__} .* 1012 server_stopping")


def test_every_cause_is_walked() -> None:
    """No cause is without its case, but those that say where theirs is."""
    walked = {case.cause for case in CASES} | set(ELSEWHERE) | {"server_stopping"}
    assert walked == {cause.name for cause in SOCKET_CAUSES}
