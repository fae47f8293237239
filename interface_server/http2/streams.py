"""The streams of one connection: opened by what h2 says, counted, and ended.

The owner of each; reads no bytes and closes no connection. Which stream sends next is decided in
`outgoing.py`.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

from h2 import events

from interface_server.http2.engine import LENGTH, Engine
from interface_server.http2.frames import PROTOCOL_ERROR, Fault, FrameGate
from interface_server.http2.ghosts import Ghost
from interface_server.http2.heads import Malformed, StreamRequest, check_trailers, read_request
from interface_server.http2.outgoing import Sender, StreamOutput
from interface_server.http2.stream import INTERNAL_ERROR, NO_ERROR, Deadline, Stream
from interface_server.http2.tunnel import Tunnel
from interface_server.http_messages import RequestRefused
from interface_server.http_parts import HttpParts
from interface_server.proxies import Peer
from interface_server.wires import TcpTransport
from shared.logs import get_logger
from shared.messages import Headers

LEAST_MESSAGE = 6
"""Bytes of a client's smallest WebSocket frame: no flood, since sockets bound their own."""

REFUSED_STREAM = 0x7
"""Nothing was done: the client may send it again. Source: RFC 9113 section 8.7."""

_log = get_logger("interface_server.http2")


class StreamsOwner(Protocol):
    """The connection."""

    def flush_soon(self) -> None:
        """There is something to send, or a fault."""

    def watch(self, at: float) -> None:
        """There is a new deadline."""

    def is_past_last(self, stream_id: int) -> bool:
        """Whether the connection's end was said to lie before this stream."""


class Streams:
    """All streams of one connection; a StreamOwner.

    `fault` is why the connection must end, None while it need not. `idle_since` is when the last
    stream ended.
    """

    def __init__(
        self,
        owner: StreamsOwner,
        parts: HttpParts,
        engine: Engine,
        gate: FrameGate,
        sender: Sender,
        wire: TcpTransport,
        seen: Peer,
    ) -> None:
        self.parts = parts
        self.fault: Fault | None = None
        self.idle_since = parts.clock.seconds()
        self._owner = owner
        self._clock = parts.clock
        self._settings = parts.gateway.settings
        self._engine = engine
        self._gate = gate
        self._sender = sender
        self._wire = wire
        self._seen = seen
        self._open: dict[int, Stream | Tunnel] = {}
        self._ghosts: set[Ghost] = set()
        self._left_sockets: list[Stream | Tunnel] = []
        """Sockets whose client left them, which workers may still have."""

    def __len__(self) -> int:
        return len(self._open)

    @property
    def held_bytes(self) -> int:
        """Bytes that wait on all streams."""
        return sum(stream.output.held_bytes for stream in self._open.values())

    @property
    def first_named(self) -> tuple[str, str]:
        """Path and request id of the oldest stream."""
        first = next(iter(self._open.values()), None)
        return ("-", "-") if first is None else (first.path, first.request_id)

    def handle(self, came: Any) -> None:
        """Do what the events ask for; a request that was cancelled among them is not begun."""
        ended_at_once = {each.stream_id for each in came if type(each) is events.StreamReset}
        for event in came:
            kind = type(event)
            if kind is events.DataReceived:
                self._content(event)
            elif kind is events.RequestReceived:
                self._gate.give("header_blocks")
                if event.stream_id in ended_at_once:
                    self.parts.gateway.count("http.client_gone")
                else:
                    self._requested(event)
            elif kind is events.StreamEnded:
                self._with_stream(event.stream_id, lambda stream: stream.ended())
            elif kind is events.WindowUpdated:
                self._sender.opened(event.stream_id)
            elif kind is events.StreamReset:
                self._was_reset(event)
            elif kind is events.RemoteSettingsChanged:
                self._sender.opened(0)
            elif kind is events.TrailersReceived:
                self._gate.give("header_blocks")
                self._with_stream(event.stream_id, partial(_check_trailers, event.headers))

    def sent(self) -> None:
        """Forget the streams whose last bytes were sent."""
        sender = self._sender
        broken, sender.broken = sender.broken, []
        for stream_id, error in broken:
            _log.error("file_not_readable", cause="file_not_readable", error=str(error))
            self.reset(stream_id, INTERNAL_ERROR, "http.file_not_readable")
        over, sender.over = sender.over, []
        for stream_id in over:
            stream = self._open.pop(stream_id, None)
            if stream is None:
                continue
            if stream.is_receiving:  # Source: RFC 9113 section 8.1
                self._engine.reset(stream_id, NO_ERROR)
            self._given_up(stream)
            self._gate.give("resets")
            self._has_less(self._clock.seconds())

    def refuse_waiting(self) -> None:
        """Answer with 503 what has no answer yet."""
        for stream in tuple(self._open.values()):
            stream.refuse_waiting()

    def give_up(self) -> None:
        """Nobody is there to be answered."""
        streams, self._open = self._open, {}
        for stream in streams.values():
            self._sender.forget(stream.output)
            stream.give_up()
        for ghost in tuple(self._ghosts):
            ghost.end()
        self._left_sockets = []

    def deadlines(self) -> Iterator[Deadline]:
        """What is waited for now, each with its end."""
        for stream in self._open.values():
            yield from stream.deadlines()
        for ghost in self._ghosts:
            yield ghost.due_at, ghost.end

    # The owner of each stream

    def want(self, output: StreamOutput) -> None:
        """See StreamOwner: it is sent together with what others have."""
        self._sender.want(output)
        self._owner.flush_soon()

    def open_window(self, stream_id: int, size: int) -> None:
        """See StreamOwner."""
        self._engine.open_window(stream_id, size)
        self._owner.flush_soon()

    def reset(self, stream_id: int, code: int, counter: str) -> None:
        """See StreamOwner."""
        stream = self._open.get(stream_id)
        if stream is not None:
            self.parts.cut(counter, stream.path, stream.request_id)
            self._end(stream_id, code)

    def watch(self, at: float) -> None:
        """See StreamOwner."""
        self._owner.watch(at)

    # What h2 says

    def _requested(self, event: Any) -> None:
        stream_id, has_content = event.stream_id, event.stream_ended is None
        if self._owner.is_past_last(stream_id):
            self._engine.reset(stream_id, REFUSED_STREAM)
            return
        if self._is_full():
            self._count("h2_stream_refused")
            self._end_for_fault(stream_id, REFUSED_STREAM)
            return
        fields = event.headers
        if any(name == LENGTH for name, _ in fields):
            fields = [(name[1:] if name == LENGTH else name, value) for name, value in fields]
        bounds = (self._settings.max_head, self._settings.max_headers)
        try:
            self._start(stream_id, read_request(fields, has_content, *bounds), has_content)
        except Malformed as malformed:
            self._malformed(stream_id, malformed)
        except RequestRefused as refused:
            self._open[stream_id] = stream = Stream(self, stream_id, has_content)
            stream.refuse(refused, self._seen)

    def _start(self, stream_id: int, request: StreamRequest, has_content: bool) -> None:
        if request.head.is_websocket:
            tunnel = Tunnel(self, stream_id, self._wire)
            tunnel.start(request, self._seen)
            self._open[stream_id] = tunnel
        else:
            self._open[stream_id] = stream = Stream(self, stream_id, has_content)
            stream.start(request, self._seen)

    def _content(self, event: Any) -> None:
        size = event.flow_controlled_length
        self._engine.processed(size)
        data = event.data
        if len(data) >= LEAST_MESSAGE and type(self._open.get(event.stream_id)) is Tunnel:
            self._gate.give("small_data")
        self._with_stream(event.stream_id, lambda stream: stream.content(data, size))

    def _with_stream(self, stream_id: int, act: Callable[[Any], None]) -> None:
        stream = self._open.get(stream_id)
        if stream is not None:
            try:
                act(stream)
            except Malformed as malformed:
                self._malformed(stream_id, malformed)

    def _was_reset(self, event: Any) -> None:
        if not event.remote_reset:  # by h2, for the client's fault
            self._count_reset()
        self._let_go(event.stream_id)

    def _malformed(self, stream_id: int, malformed: Malformed) -> None:
        self._count("h2_malformed")
        _log.info("request_refused", cause="h2_malformed", detail=str(malformed))
        self._end_for_fault(stream_id, PROTOCOL_ERROR)

    # The end of a stream

    def _end_for_fault(self, stream_id: int, code: int) -> None:
        """End a stream for its client's fault, which counts like a reset of the client's own."""
        self._count_reset()
        self._end(stream_id, code)

    def _end(self, stream_id: int, code: int) -> None:
        self._engine.reset(stream_id, code)
        self._let_go(stream_id)
        self._owner.flush_soon()

    def _count(self, cause: str) -> None:
        self.parts.gateway.count("http." + cause)
        self.parts.gateway.figures.failures[cause, 0] += 1

    def _count_reset(self) -> None:
        self.fault = self.fault or self._gate.take("resets", self._clock.seconds())

    def _let_go(self, stream_id: int) -> None:
        """The stream is over before its answer was: what workers have of it counts on."""
        stream = self._open.pop(stream_id, None)
        if stream is None:
            return
        awaited = stream.awaited
        self._sender.forget(stream.output)
        self._given_up(stream)
        now = self._clock.seconds()
        if awaited is not None:
            due_at = now + self._settings.http_timeout_s
            self._ghosts.add(Ghost(self.parts.gateway, awaited, due_at, self._ghosts.discard))
            self._owner.watch(due_at)
        self._has_less(now)

    def _given_up(self, stream: Stream | Tunnel) -> None:
        stream.give_up()
        if stream.is_with_workers:
            self._left_sockets = [stream, *self._unfinished_sockets()]

    def _unfinished_sockets(self) -> list[Stream | Tunnel]:
        return [left for left in self._left_sockets if left.is_with_workers]

    def _is_full(self) -> bool:
        """Whether there is as much as may be, what workers have of lost streams included."""
        room = self._settings.http2_streams - len(self._open) - len(self._ghosts)
        if len(self._left_sockets) >= room:
            self._left_sockets = self._unfinished_sockets()
        return len(self._left_sockets) >= room

    def _has_less(self, now: float) -> None:
        if not self._open:
            self.idle_since = now
            self._owner.watch(now + self._settings.idle_timeout_s)


def _check_trailers(fields: Headers, _: object) -> None:
    check_trailers(fields)
