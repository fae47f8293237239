"""The rules of RFC 6455 over real sockets: what breaks them ends a socket, with code and cause."""

import struct
from collections.abc import Callable

import pytest

from tests.interface_server.raw_socket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
    RawSocket,
    close,
    frame,
)
from tests.interface_server.real_server import ServerProcess, ToyWorker

pytestmark = pytest.mark.system

OVER_LONG_PING = struct.pack("!BBQI", 0x89, 0xFF, 2**62, 0)

BROKEN = {
    "rsv1 without an extension": (frame(TEXT, b"x", bits=0x40), 1002),
    "rsv2": (frame(TEXT, b"x", bits=0x20), 1002),
    "rsv3 on a ping": (frame(PING, bits=0x10), 1002),
    "no mask": (frame(TEXT, b"x", masked=False), 1002),
    "a data opcode of none": (frame(0x3, b"x"), 1002),
    "a control opcode of none": (frame(0xB), 1002),
    "a ping in fragments": (frame(PING, is_last=False), 1002),
    "a long ping": (frame(PING, b"x" * 126), 1002),
    "an endless ping": (OVER_LONG_PING + b"x" * 100_000, 1002),
    "a length written too long": (struct.pack("!BBHI", 0x81, 0xFE, 5, 0) + b"hello", 1002),
    "a length past all": (struct.pack("!BBQI", 0x82, 0xFF, 2**63 + 1, 0), 1002),
    "a message too long": (struct.pack("!BBQI", 0x82, 0xFF, 2**62, 0) + b"x" * 100_000, 1009),
    "fragments too long": (
        frame(TEXT, b"x" * 40_000, is_last=False) + frame(CONTINUATION, b"x" * 40_000),
        1009,
    ),
    "the rest of nothing": (frame(CONTINUATION, b"x"), 1002),
    "a message inside another": (frame(TEXT, b"x", is_last=False) + frame(TEXT, b"y"), 1002),
    "text of no UTF-8": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "text that ends in a character": (frame(TEXT, b"\xe2\x82"), 1007),
    "text that goes wrong early": (frame(TEXT, b"ok\xff", is_last=False), 1007),
    "half a close code": (frame(CLOSE, b"\x03"), 1002),
    "a reason of no UTF-8": (close(1000, b"\xff"), 1007),
    **{
        f"close code {code}": (close(code), 1002)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535)
    },
}


@pytest.fixture
def echo(worker: Callable[..., ToyWorker]) -> ToyWorker:
    """A worker that sends messages back."""
    return worker()


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_a_rule_ends_the_socket(
    server: ServerProcess, echo: ToyWorker, name: str
) -> None:
    """With its code to the peer, and the same to the worker; what is behind it is not read."""
    sent, code = BROKEN[name]
    path = f"/rule-{list(BROKEN).index(name)}"
    with RawSocket(server.address, path) as client:
        client.send(sent + frame(TEXT, b"behind"))
        assert client.end() == code
    echo.wait_for(lambda toy: bool(toy.of("websocket.disconnect")))
    assert [gone["code"] for gone in echo.of("websocket.disconnect")] == [code]
    assert echo.of("websocket.receive") == []
    cause = {1007: "invalid_payload", 1009: "message_too_big"}.get(code, "protocol_error")
    server.part.wait_for(rf"WebSocket DISCONNECT {path} .* {code} {cause}$")


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1011, 1013, 3000, 4999])
def test_a_close_is_answered_with_its_code_and_reason(
    server: ServerProcess, echo: ToyWorker, code: int
) -> None:
    """What comes behind a close frame is not read."""
    with RawSocket(server.address) as client:
        client.send(close(code, "ö".encode() * 61), frame(TEXT, b"behind"))
        assert client.frame() == Frame(CLOSE, struct.pack("!H", code) + "ö".encode() * 61)
        assert client.frame() is None
    echo.wait_for(lambda toy: bool(toy.of("websocket.disconnect")))
    assert echo.of("websocket.disconnect")[0]["code"] == code
    assert echo.of("websocket.receive") == []


def test_control_frames_may_come_between_fragments(server: ServerProcess, echo: ToyWorker) -> None:
    """Pings are answered at once with what they hold, pongs that nobody asked for are nothing, and
    a close in the middle of a message ends it."""
    with RawSocket(server.address) as client:
        client.send(
            frame(TEXT, b"a\xe2", is_last=False), frame(PING, b"p" * 125), frame(PONG, b"x")
        )
        assert client.frame() == Frame(PONG, b"p" * 125)
        client.send(frame(CONTINUATION, is_last=False), frame(CONTINUATION, b"\x82\xac"))
        assert client.frame() == Frame(TEXT, "a€".encode())
        client.send(frame(BINARY, b"half", is_last=False), close(4000))
        assert client.end() == 4000
    echo.wait_for(lambda toy: bool(toy.of("websocket.disconnect")))
    assert [m["text"] for m in echo.of("websocket.receive")] == ["a€"]


def test_a_message_may_come_byte_by_byte(server: ServerProcess, echo: ToyWorker) -> None:
    """In fragments of one byte, and in segments of one byte."""
    with RawSocket(server.address) as client:
        rest = [frame(CONTINUATION, b"%d" % (at % 10), is_last=False) for at in range(3000)]
        client.send(frame(TEXT, is_last=False), *rest, frame(CONTINUATION))
        assert client.frame() == Frame(TEXT, b"0123456789" * 300)
        for byte in frame(BINARY, b"slow"):
            client.send(bytes((byte,)))
        assert client.frame() == Frame(BINARY, b"slow")


def test_pings_whose_pongs_nobody_reads_end_the_socket(
    server: ServerProcess, echo: ToyWorker
) -> None:
    """What waits for such a peer is bounded, however small each pong is."""
    with RawSocket(server.address, "/flood") as client:
        flood = frame(PING, b"p" * 125) * 1000
        for _ in range(60):
            client.send(flood)
        server.part.wait_for(r"websocket_slow_reader path=/flood")
    server.part.wait_for(r"WebSocket DISCONNECT /flood .* 1013 slow_reader$")
