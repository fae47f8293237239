"""What waits to be sent on the streams of one connection, and which of them is next.

Streams take turns of one frame, none sends more than the client's windows allow, and nothing is
taken from any while the client's side of TCP is full. Makes no response.
"""

from collections import deque
from collections.abc import Callable, Iterator

from h2.exceptions import ProtocolError

from interface_server.http2.engine import Engine
from interface_server.http2.frames import MAX_FRAME
from interface_server.http_output import Output
from interface_server.wires import Clock
from shared.messages import Headers

BATCH = 64 * 1024
"""Bytes that are given to the transport in one call; ours."""

TURN = 512 * 1024
"""Bytes of one connection in one turn of the reactor, so that others have theirs; ours."""

DRIP = 4096
"""Bytes that a client must make room for to have its time anew; ours, against one at a time."""

Piece = bytes | memoryview | Iterator[bytes]
"""A view is the rest of bytes that others may hold too, small files' above all: no copy."""

_CONTINUE: Headers = ((b":status", b"100"),)


class StreamOutput:
    """The response of one stream as far as it waits.

    `blocked_since` is when the client's window closed before what waits, None while it is open.
    `is_over` says that nothing more will be sent, `is_complete` that all was. `on_empty` is called
    when everything that waited was sent, but for the end.
    """

    __slots__ = (
        "_head",
        "_is_ended",
        "_pieces",
        "_since_drip",
        "blocked_since",
        "held_bytes",
        "is_complete",
        "is_over",
        "is_queued",
        "on_empty",
        "stream_id",
        "wants_continue",
    )

    def __init__(self, stream_id: int) -> None:
        self.stream_id = stream_id
        self._head: Headers | None = None
        self._pieces: deque[Piece] = deque()
        self._is_ended = False
        self._since_drip = 0
        self.held_bytes = 0
        self.blocked_since: float | None = None
        self.is_complete = False
        self.is_over = False
        self.is_queued = False
        self.on_empty: Callable[[], None] | None = None
        self.wants_continue = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits now."""
        return not (self._pieces or self._head is not None or self.wants_continue)

    @property
    def has_news(self) -> bool:
        """Whether there is something to be sent, the end included."""
        return not self.is_over and (self._is_ended or not self.is_empty)

    def head(self, fields: Headers) -> None:
        """Begin the response."""
        self._head = fields

    def put(self, piece: Piece) -> None:
        """Add content."""
        if isinstance(piece, (bytes, memoryview)):
            if not piece:
                return
            self.held_bytes += len(piece)
        self._pieces.append(piece)

    def end(self) -> None:
        """Nothing follows."""
        self._is_ended = True

    def drop(self) -> None:
        """Forget everything."""
        self._pieces.clear()
        self._head, self.held_bytes, self.is_over = None, 0, True

    def send_head(self, engine: Engine) -> None:
        """Send what needs no window."""
        if self.wants_continue:
            self.wants_continue = False
            if self._head is None:
                engine.send_head(self.stream_id, _CONTINUE, False)
        if self._head is not None:
            is_last = self._is_ended and not self._pieces
            engine.send_head(self.stream_id, self._head, is_last)
            self._head = None
            self.is_over = self.is_complete = is_last

    def send_content(self, engine: Engine, now: float) -> int:
        """Send one frame at most; the bytes sent. Raises: OSError when a file cannot be read."""
        if not self._pieces:
            if self._is_ended:
                self._send(engine, b"")
            return 0
        room = min(engine.window(self.stream_id), MAX_FRAME)
        if room <= 0:
            if self.blocked_since is None:
                self.blocked_since, self._since_drip = now, 0
            return 0
        content = self._take(room)
        if content or (self._is_ended and not self._pieces):
            self._send(engine, content)
        self._since_drip += len(content)
        if self._since_drip >= DRIP or not self._pieces:
            self.blocked_since = None
        return len(content)

    def _send(self, engine: Engine, content: bytes) -> None:
        is_last = self._is_ended and not self._pieces
        engine.send_data(self.stream_id, content, is_last)
        self.is_over = self.is_complete = is_last

    def _take(self, room: int) -> bytes:
        """Up to `room` bytes; nothing where an iterator had no more."""
        first = self._pieces[0]
        if not isinstance(first, (bytes, memoryview)):
            following = next(first, None)
            if following is None:
                self._pieces.popleft()
                return b""
            if len(following) <= room:
                return following
            self._pieces.appendleft(following)
            self.held_bytes += len(following)
            first = following
        content = bytes(first[:room])
        if len(first) > room:
            self._pieces[0] = memoryview(first)[room:]
        else:
            self._pieces.popleft()
        self.held_bytes -= len(content)
        return content


class Sender:
    """Lets the streams of one connection take turns.

    `over` collects the ids of streams whose last bytes were sent or which are reset, `broken` those
    whose file cannot be read; `frames` counts frames of content.
    """

    __slots__ = ("_clock", "_engine", "_output", "_ready", "_waiting", "broken", "frames", "over")

    def __init__(self, engine: Engine, output: Output, clock: Clock) -> None:
        self._engine = engine
        self._output = output
        self._clock = clock
        self._ready: deque[StreamOutput] = deque()
        self._waiting: dict[int, StreamOutput] = {}
        self.over: list[int] = []
        self.broken: list[tuple[int, OSError]] = []
        self.frames = 0

    def want(self, stream: StreamOutput) -> None:
        """The stream has something to send."""
        if not stream.is_queued and stream.has_news:
            stream.is_queued = True
            self._ready.append(stream)

    def opened(self, stream_id: int) -> None:
        """The client made room on a stream, or for all where it is 0."""
        if stream_id:
            stream = self._waiting.pop(stream_id, None)
            if stream is not None:
                self._ready.append(stream)
        elif self._waiting:
            self._ready.extend(self._waiting.values())
            self._waiting.clear()

    def forget(self, stream: StreamOutput) -> None:
        """The stream is gone."""
        stream.drop()
        self._waiting.pop(stream.stream_id, None)

    @property
    def has_blocked(self) -> bool:
        """Whether a stream waits for its window."""
        return bool(self._waiting)

    def pump(self) -> bool:
        """Send what can be sent now; whether the turn was over before everything was."""
        sent = batch = 0
        while self._ready and self._output.behind_since is None:
            if batch >= BATCH:
                self.flush()
                batch = 0
                if sent >= TURN:
                    return True
                continue
            size = self._send_one(self._ready.popleft())
            batch += size
            sent += size
        self.flush()
        return False

    def flush(self) -> int:
        """Give the frames that are made to the transport; their bytes."""
        made = self._engine.take_output()
        if made:
            self._output.write(made)
        return len(made)

    def _send_one(self, stream: StreamOutput) -> int:
        """Let the stream have its turn, and find its next place; the bytes sent."""
        had_some = not stream.is_empty
        size = 0 if stream.is_over else self._send_from(stream)
        if not stream.has_news:
            stream.is_queued = False
        elif stream.blocked_since is not None and not size:
            self._waiting[stream.stream_id] = stream
        else:
            self._ready.append(stream)
        is_drained = had_some and stream.is_empty and not stream.is_over
        if is_drained and stream.on_empty is not None:
            stream.on_empty()
        return size

    def _send_from(self, stream: StreamOutput) -> int:
        size = 0
        try:
            stream.send_head(self._engine)
            if not stream.is_over:
                size = stream.send_content(self._engine, self._clock.seconds())
        except OSError as error:
            self.broken.append((stream.stream_id, error))
            stream.drop()
        except ProtocolError:  # reset by the client in the bytes that are being read
            stream.drop()
        if size:
            self.frames += 1
        if stream.is_over:
            self.over.append(stream.stream_id)
        return size
