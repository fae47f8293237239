"""Any frames in any order: the connection answers or ends, and nothing is raised or kept."""

import random

import pytest
from hpack import Encoder
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from interface_server.http2.connection import Http2Connection
from interface_server.http2.frames import PREFACE
from shared.messages import HttpRequest
from tests.interface_server.answering import Site, page

ROUNDS = 60


class Wire(StringTransport):
    """A transport with what TCP has beside."""

    is_cut = False

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802
        """Nothing."""

    setTcpKeepAlive = setTcpNoDelay  # noqa: N815

    def loseWriteConnection(self) -> None:  # noqa: N802
        self.is_cut = True

    def abortConnection(self) -> None:  # noqa: N802
        self.is_cut = True

    def registerProducer(self, producer: object, streaming: bool) -> None:  # noqa: N802
        super().registerProducer(producer, streaming)
        if not streaming:
            producer.resumeProducing()  # type: ignore[attr-defined]


def answered(site: Site, request: HttpRequest) -> None:
    """A worker that answers most."""
    if request.path != "/never":
        page(site, request)


def some_frame(choose: random.Random, encoder: Encoder, newest: int) -> bytes:
    """A frame that is right on most days; `newest` is the stream that may be opened."""
    kind = choose.choice([0, 0, 1, 1, 1, 1, 3, 4, 6, 7, 8, 8, 2, 200])
    stream, flags, payload = choose.choice(range(1, newest, 2)) if newest > 1 else 1, 0, b""
    if choose.random() < 0.02:
        return _framed(choose.randrange(12), choose.randrange(256), stream, choose.randbytes(9))
    if kind == 0:
        flags, payload = choose.choice([0, 0, 1]), bytes(choose.choice([0, 1, 5, 3000]))
    elif kind == 1:
        stream, flags = newest, choose.choice([4, 5, 5])
        payload = encoder.encode(_head(choose))
    elif kind == 2:
        payload = b"\0\0\0\0\1"
    elif kind == 3:
        payload = b"\0\0\0\x08"
    elif kind == 4:
        stream, payload = 0, choose.choice([b"", b"\0\4\0\0\0\1", b"\0\1" + bytes(4)])
    elif kind in (6, 7):
        stream, payload = 0, bytes(8)
    elif kind == 8:
        stream = choose.choice([0, stream])
        payload = choose.choice([1, 1000, 2**31 - 1 if stream else 5]).to_bytes(4, "big")
    return _framed(kind, flags, stream, payload)


def _framed(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    start = len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big")
    return start + payload


def _head(choose: random.Random) -> list[tuple[bytes, bytes]]:
    method = choose.choice([b"GET", b"GET", b"POST", b"HEAD", b"CONNECT"])
    head = [
        (b":method", method),
        (b":scheme", b"http"),
        (b":authority", b"x"),
        (b":path", choose.choice([b"/a", b"/a", b"/never", b"/healthz", b"", b"*"])),
    ]
    if method == b"CONNECT":
        return [*head, (b":protocol", b"websocket"), (b"sec-websocket-version", b"13")]
    more = [(b"content-length", b"5"), (b"cookie", b"a=1"), (b"expect", b"100-continue")]
    return head + choose.sample([*more, (b"Bad", b"\n")], choose.choice([0, 0, 1]))


@pytest.mark.parametrize("seed", range(4))
def test_any_frames_are_survived(seed: int) -> None:
    """Whatever comes, in whatever pieces: when the client is gone, nothing of it is left."""
    choose = random.Random(seed)
    for _ in range(ROUNDS):
        clock = Clock()
        site = Site(answered)
        site.parts.clock = clock
        connection, wire, encoder = Http2Connection(site.parts, "http"), Wire(), Encoder()
        connection.makeConnection(wire)
        sent = PREFACE + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
        newest = 1
        for _ in range(choose.randrange(1, 40)):
            frame = some_frame(choose, encoder, newest)
            newest += 2 if frame[3] == 1 else 0
            sent += frame
        while sent and not wire.is_cut:
            size = choose.choice([1, 9, 20, 100, 5000])
            connection.dataReceived(sent[:size])
            sent = sent[size:]
            if choose.random() < 0.2:
                clock.advance(choose.choice([0, 0, 0.5, 3]))
            for request in site.requests[-1:]:
                answered(site, request)
        clock.advance(0)
        connection.connectionLost(Failure(ConnectionLost()))
        clock.advance(0)
        assert site.receivers == {}
        assert site.parts.connection_count == 0
        assert site.parts.budget.held_bytes == 0
        clock.pump([61, 61, 61])
        assert clock.getDelayedCalls() == []
