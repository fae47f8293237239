"""Compression and the rule of origins over real sockets."""

import re
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

import channel_layer
from channel_layer.layer import Entry, Join, Operation, SendGroup
from shared import codec
from tests.interface_server.raw_socket import BINARY, CONTINUATION, TEXT, Frame, RawSocket, frame
from tests.interface_server.real_server import (
    ServerProcess,
    ToyWorker,
    accept,
    echo,
    nothing,
    reply,
    start_server,
    start_worker,
)

pytestmark = pytest.mark.system

OFFER = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
RSV1 = 0x40
STORY = "Once upon a time there was a socket. " * 40


def join_all(message: dict[str, object], _: Entry) -> list[Operation]:
    """Let every socket in, and into the group of all."""
    return [reply(message, accept=True), Join("all", str(message["reply_channel"]))]


def tell_all(message: dict[str, object], _: Entry) -> list[Operation]:
    """Tell all what came."""
    return [SendGroup("all", codec.pack({"text": message["text"]}))]


def deflated(payload: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return (stream.compress(payload) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]


def inflated(payload: bytes) -> bytes:
    return zlib.decompressobj(-15).decompress(payload + b"\0\0\xff\xff")


@pytest.fixture(scope="module")
def deflating(redis_url: str) -> Iterator[ServerProcess]:
    """A server that compresses, for pages of its own site."""
    options = ("--websocket-deflate", "--max-message", "64k", "--websocket-origin", "same")
    running = ServerProcess(redis_url, "deflate", *options)
    yield running
    assert running.part.stop() == 0


@pytest.fixture
def start(started: ExitStack, redis_url: str) -> Callable[..., ToyWorker]:
    """Starts a worker behind the server that compresses."""

    def running(on_connect: object = accept, on_receive: object = echo) -> ToyWorker:
        handlers = {
            "websocket.connect": on_connect,
            "websocket.receive": on_receive,
            "websocket.disconnect": nothing,
        }
        return start_worker(started, redis_url, "deflate", handlers)  # type: ignore[arg-type]

    return running


def test_a_client_that_offers_compression_gets_it(
    deflating: ServerProcess, start: Callable[..., ToyWorker]
) -> None:
    """Messages of all kinds come back whole, with an independent client."""
    start()
    sent = [STORY, "", "short", STORY.encode(), b"\0" * 65_000, STORY]
    with connect(deflating.ws + "/", compression="deflate") as client:
        assert client.response is not None
        terms = client.response.headers["Sec-WebSocket-Extensions"]
        assert "server_no_context_takeover; client_no_context_takeover" in terms
        for message in sent:
            client.send(message)
        assert [client.recv(10) for _ in sent] == sent


def test_long_messages_go_out_compressed_and_short_ones_as_they_are(
    deflating: ServerProcess, start: Callable[..., ToyWorker]
) -> None:
    """In fragments or whole, the first alone has the bit; uncompressed ones may come between."""
    start()
    packed = deflated(STORY.encode())
    with RawSocket(deflating.address, more=OFFER) as client:
        client.send(
            frame(TEXT, packed[:9], bits=RSV1, is_last=False), frame(CONTINUATION, packed[9:])
        )
        came = client.frame()
        assert came is not None
        assert (came.opcode, came.bits, inflated(came.payload)) == (TEXT, RSV1, STORY.encode())
        client.send(frame(TEXT, deflated(b"hi"), bits=RSV1), frame(BINARY, b"plain"))
        assert [client.frame(), client.frame()] == [
            (TEXT, b"hi", 0, True),
            (BINARY, b"plain", 0, True),
        ]


def test_a_broadcast_reaches_sockets_with_and_without_compression(
    deflating: ServerProcess, start: Callable[..., ToyWorker]
) -> None:
    """Each gets the frame that it can read."""
    start(join_all, tell_all)
    with (
        RawSocket(deflating.address, more=OFFER) as one,
        RawSocket(deflating.address, more=OFFER) as other,
        RawSocket(deflating.address) as plain,
    ):
        plain.send(frame(TEXT, STORY.encode()))
        frames = [one.frame(), other.frame(), plain.frame()]
    assert frames[0] == frames[1]
    assert frames[0] is not None
    assert (frames[0].bits, inflated(frames[0].payload)) == (RSV1, STORY.encode())
    assert frames[2] == (TEXT, STORY.encode(), 0, True)


BROKEN = {
    "bomb": (frame(BINARY, deflated(bytes(30_000_000)), bits=RSV1), 1009),
    "too long by one": (frame(BINARY, deflated(bytes(64 * 1024 + 1)), bits=RSV1), 1009),
    "garbage": (frame(BINARY, b"\xff\xff\xff", bits=RSV1), 1007),
    "cut": (frame(BINARY, deflated(STORY.encode())[:-9], bits=RSV1), 1007),
    "no UTF-8": (frame(TEXT, deflated(b"\xff"), bits=RSV1), 1007),
    "rsv2": (frame(TEXT, b"x", bits=RSV1 | 0x20), 1002),
    "a compressed rest": (
        frame(TEXT, b"x", is_last=False) + frame(CONTINUATION, b"x", bits=RSV1),
        1002,
    ),
    "a compressed ping": (frame(0x9, b"x", bits=RSV1), 1002),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_a_rule_of_compression_ends_the_socket(
    deflating: ServerProcess, start: Callable[..., ToyWorker], name: str
) -> None:
    """A message that inflates past the limit too; the worker hears the code."""
    sent, code = BROKEN[name]
    path = "/" + name.replace(" ", "-")
    toy = start()

    def codes(seen: ToyWorker) -> list[int]:
        """Of this socket's ends: those of sockets before it may come to this worker too."""
        ends = seen.of("websocket.disconnect")
        return [int(each["code"]) for each in ends if each["path"] == path]

    with RawSocket(deflating.address, path, more=OFFER) as client:
        client.send(sent + frame(TEXT, b"behind"))
        assert client.end() == code
    toy.wait_for(lambda seen: bool(codes(seen)))
    assert codes(toy) == [code]
    assert [each for each in toy.of("websocket.receive") if each["path"] == path] == []


def test_small_frames_that_inflate_to_much_are_read_as_they_are_handled(
    deflating: ServerProcess, start: Callable[..., ToyWorker]
) -> None:
    """Past --socket-queue-bytes none is inflated, also of what one read brought; none is lost."""
    may_go_on = threading.Event()

    def hold(message: dict[str, object], _: Entry) -> list[Operation]:
        assert may_go_on.wait(10)
        return [reply(message, text=str(len(str(message["text"]))))]

    start(on_receive=hold)
    before = frames_in(deflating)
    with RawSocket(deflating.address, more=OFFER) as client:
        client.send(frame(TEXT, deflated(b"a" * 65536), bits=RSV1) * 150)
        deflating.wait_for_health(lambda _: frames_in(deflating) - before >= 16)
        assert httpx.get(deflating.http + "/healthz").status_code == 200
        assert frames_in(deflating) - before <= 20
        may_go_on.set()
        for _ in range(150):
            assert client.frame() == Frame(TEXT, b"65536")


def frames_in(server: ServerProcess) -> int:
    """Messages that were read from sockets since the start."""
    text = httpx.get(server.metrics + "/metrics").text
    found = re.search(r'websocket_frames_total{direction="in"} ([0-9]+)', text)
    return int(found[1]) if found else 0


def test_a_page_of_another_site_asks_no_worker(
    deflating: ServerProcess, start: Callable[..., ToyWorker]
) -> None:
    """403; the site's own pages and programs are let in."""
    toy = start()
    with pytest.raises(InvalidStatus) as refused:
        connect(deflating.ws + "/", origin="http://evil.example")  # type: ignore[arg-type]
    assert refused.value.response.status_code == 403
    assert toy.of("websocket.connect") == []
    with connect(deflating.ws + "/", origin=deflating.http):  # type: ignore[arg-type]
        pass
    with RawSocket(deflating.address, more="Sec-WebSocket-Extensions: a b\r\n") as malformed:
        assert malformed.head.startswith("HTTP/1.1 400 ")


def test_without_the_flag_nothing_is_compressed(
    server: ServerProcess, worker: Callable[..., ToyWorker]
) -> None:
    """The offer is declined without a word, and any site may ask."""
    worker()
    with RawSocket(server.address, more=OFFER + "Origin: http://evil.example\r\n") as client:
        assert client.head.startswith("HTTP/1.1 101 ")
        assert "extensions" not in client.head.lower()
        client.send(frame(TEXT, deflated(b"hi"), bits=RSV1))
        assert client.end() == 1002


def test_a_dead_peer_is_found_whatever_is_sent_to_it(started: ExitStack, redis_url: str) -> None:
    """Broadcasts ten times a second put neither ping nor time-out off."""
    options = ("--ping-interval", "0.5", "--ping-timeout", "0.5")
    server = start_server(started, redis_url, "dead", *options)
    handlers = {
        "websocket.connect": join_all,
        "websocket.receive": tell_all,
        "websocket.disconnect": nothing,
    }
    toy = start_worker(started, redis_url, "dead", handlers)  # type: ignore[arg-type]
    layer = channel_layer.connect(redis_url, prefix="dead")
    started.callback(layer.close)
    with RawSocket(server.address, "/dead"):
        toy.wait_for(lambda seen: bool(seen.of("websocket.connect")))
        begun = time.monotonic()
        while not toy.of("websocket.disconnect"):
            assert time.monotonic() - begun < 10
            layer.perform([SendGroup("all", codec.pack({"text": STORY}))])
            time.sleep(0.1)  # the pace of the broadcasts is what is tested
    assert toy.of("websocket.disconnect")[0]["code"] == 1006
    server.part.wait_for("WebSocket DISCONNECT /dead .* 1006 ping_timeout$")
