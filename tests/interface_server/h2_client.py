"""A client of HTTP/2 that sends any frame and keeps each that comes; asserts nothing.

It reads with hyperframe and hpack alone, so that it may break every rule that h2 holds.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from hpack import Decoder, Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from twisted.internet.protocol import Factory

from interface_server.http2.connection import Http2Connection
from interface_server.http2.frames import MAX_FRAME, PREFACE
from tests.interface_server.answering import Client, Site, Worker, clients_of

Fields = Sequence[tuple[bytes, bytes]]


def fields(path: bytes = b"/a", method: bytes = b"GET", *more: tuple[bytes, bytes]) -> Fields:
    """The fields of a request."""
    return (
        (b":method", method),
        (b":scheme", b"http"),
        (b":authority", b"x"),
        (b":path", path),
        *more,
    )


def raw(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame of any kind."""
    head = len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big")
    return head + payload


class H2Client(Client):
    """`heads` and `bodies` are by stream, `frames` all that came."""

    def __init__(self, settings: dict[int, int] | None = None, greeting: bytes = b"") -> None:
        super().__init__()
        self.greeting = greeting
        self.settings = settings or {}
        self.frames: list[Frame] = []
        self.heads: dict[int, list[dict[bytes, bytes]]] = {}
        self.bodies: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.gives_window = True
        self.acks_pings = True
        self._encoder = Encoder()
        self._decoder = Decoder()
        self._block = b""
        self._next = 1

    def connectionMade(self) -> None:  # noqa: N802
        greeting = PREFACE + SettingsFrame(0, settings=self.settings).serialize()
        self.send(self.greeting or greeting)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self.received += data
        while len(self.received) >= 9:
            frame, length = Frame.parse_frame_header(memoryview(self.received[:9]))
            if len(self.received) < length + 9:
                break
            frame.parse_body(memoryview(self.received[9 : 9 + length]))
            self.received = self.received[9 + length :]
            self._came(frame)
        self._changed()

    def _came(self, frame: Frame) -> None:
        self.frames.append(frame)
        if isinstance(frame, HeadersFrame | ContinuationFrame):
            self._block += frame.data
            if "END_HEADERS" in frame.flags:
                head = dict(self._decoder.decode(self._block, raw=True))
                self._block = b""
                self.heads.setdefault(frame.stream_id, []).append(head)
        if isinstance(frame, DataFrame):
            stream = frame.stream_id
            self.bodies[stream] = self.bodies.get(stream, b"") + frame.data
            if frame.data and self.gives_window:
                for number in (0, stream):
                    self.put(WindowUpdateFrame(number, window_increment=len(frame.data)))
        if isinstance(frame, HeadersFrame | DataFrame) and "END_STREAM" in frame.flags:
            self.ended.add(frame.stream_id)
        if isinstance(frame, SettingsFrame) and "ACK" not in frame.flags and not self.greeting:
            self.put(SettingsFrame(0, flags=["ACK"]))
        if isinstance(frame, PingFrame) and "ACK" not in frame.flags and self.acks_pings:
            self.put(PingFrame(0, opaque_data=frame.opaque_data, flags=["ACK"]))

    def put(self, *frames: Frame) -> None:
        """Send frames together."""
        self.send(b"".join(frame.serialize() for frame in frames))

    def head(self, stream: int, head: Fields, is_end: bool = True) -> HeadersFrame:
        """A HEADERS frame."""
        frame = HeadersFrame(stream, data=self._encoder.encode(head, huffman=False))
        frame.flags.add("END_HEADERS")
        if is_end:
            frame.flags.add("END_STREAM")
        return frame

    def ask(self, head: Fields, *bodies: bytes, is_end: bool = True) -> int:  # type: ignore[override]
        """Send a request; the stream's number."""
        stream, self._next = self._next, self._next + 2
        whole = self.head(stream, head, is_end and not bodies)
        frames: list[Frame] = [whole]
        if len(whole.data) > MAX_FRAME:
            frames += [
                ContinuationFrame(stream, data=whole.data[at : at + MAX_FRAME])
                for at in range(MAX_FRAME, len(whole.data), MAX_FRAME)
            ]
            whole.data = whole.data[:MAX_FRAME]
            whole.flags.remove("END_HEADERS")
            frames[-1].flags.add("END_HEADERS")
        frames += [DataFrame(stream, data=body) for body in bodies]
        if bodies and is_end:
            frames[-1].flags.add("END_STREAM")
        self.put(*frames)
        return stream

    async def answer(self, stream: int) -> tuple[int, dict[bytes, bytes], bytes]:
        """Status, head and content of a whole response."""
        await self.until(lambda: stream in self.ended or self.is_closed)
        assert stream in self.ended, self.frames
        head = self.heads[stream][-1]
        return int(head[b":status"]), head, self.bodies.get(stream, b"")

    async def get(self, path: bytes = b"/a") -> tuple[int, dict[bytes, bytes], bytes]:
        """Ask for a page and take it."""
        return await self.answer(self.ask(fields(path)))

    async def reset_of(self, stream: int) -> int:
        """The code with which the stream was reset."""
        await self.until(lambda: self.is_closed or self._reset(stream) is not None)
        code = self._reset(stream)
        assert code is not None, self.frames
        return code

    async def goaway(self) -> int:
        """The code of the last GOAWAY, once the connection's end came."""
        await self.closed()
        codes = [frame.error_code for frame in self.frames if isinstance(frame, GoAwayFrame)]
        return int(codes[-1])

    def of(self, kind: type[Frame]) -> list[Any]:
        """All frames of a kind that came."""
        return [frame for frame in self.frames if isinstance(frame, kind)]

    def _reset(self, stream: int) -> int | None:
        for frame in self.of(RstStreamFrame):
            if frame.stream_id == stream:
                return int(frame.error_code)
        return None


class H2Factory(Factory):
    """HTTP/2 by prior knowledge, and nothing else."""

    noisy = False

    def __init__(self, site: Site) -> None:
        self.site = site

    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802
        return Http2Connection(self.site.parts, "http")


@asynccontextmanager
async def serving_h2(worker: Worker, **settings: Any) -> AsyncIterator[tuple[Site, Any]]:
    """A site that listens, and a function that gives a connected client."""
    site = Site(worker, **settings)
    async with clients_of(site, H2Factory(site), H2Client) as connect:
        yield site, connect
