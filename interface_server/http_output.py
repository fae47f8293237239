"""What goes out on one HTTP connection, in order and never more than its reader can take.

While the reader keeps up, bytes go straight to the kernel, at half the cost of Twisted's buffer;
else, and where the transport has no such way, they are held up to a bound and given to the
transport a piece at a time. Knows no request.
"""

from collections import deque
from collections.abc import Callable, Iterator

from interface_server.coalescing import SMALL_BYTES, Coalescer
from interface_server.wires import Clock, TcpTransport, direct_write
from shared.logs import get_logger

PIECE = 128 * 1024
"""Bytes handed over at a time: what Twisted gives the kernel in one call."""

MAX_PIECES = 4
"""Pieces that go out in one turn of the reactor, half a megabyte: some 0.3 ms of the others' time;
ours. Those before the last go straight to the kernel: what Twisted's buffer holds it copies once
more."""

_log = get_logger("interface_server.http")


class Output:
    """The only writer of one transport.

    `behind_since` is the clock's time when the reader last took all of a piece, None while
    nothing waits. `on_move` is called when that changes between the two, `on_broken` with a
    counter's name when the connection cannot go on. Iterators give pieces that are made as they
    are wanted (files).
    """

    __slots__ = (
        "_clock",
        "_coalescer",
        "_held",
        "_held_bytes",
        "_limit",
        "_on_broken",
        "_on_move",
        "_queue",
        "_then",
        "_transport",
        "_write_now",
        "behind_since",
    )

    def __init__(
        self,
        transport: TcpTransport,
        clock: Clock,
        limit: int,
        on_move: Callable[[], None],
        on_broken: Callable[[str], None],
        coalescer: Coalescer,
    ) -> None:
        self._transport = transport
        self._write_now = direct_write(transport)
        self._clock = clock
        self._limit = limit
        self._on_move = on_move
        self._on_broken = on_broken
        self._coalescer = coalescer
        self._held = b""
        """What goes out at the end of this turn; nothing waits before it."""
        self._queue: deque[bytes | Iterator[bytes]] = deque()
        self._held_bytes = 0
        self._then: Callable[[], None] | None = None
        self.behind_since: float | None = None

    def write(self, piece: bytes) -> None:
        """Send bytes behind what was given before."""
        if self._coalescer.is_on and self.behind_since is None:
            if len(self._held) + len(piece) <= SMALL_BYTES:
                is_first = not self._held
                self._held += piece
                if is_first:
                    self._coalescer.join(self.flush)
                return
            self.flush()
        self._put(piece)

    def flush(self) -> None:
        """Send what was held back in this turn."""
        held, self._held = self._held, b""
        if held:
            self._put(held)

    def _put(self, piece: bytes) -> None:
        if self.behind_since is None and self._write_now is not None:
            sent = self._write_now(piece)
            if sent == len(piece):
                return
            if isinstance(sent, int):
                piece = piece[sent:]
        if self._held_bytes + len(piece) > self._limit:
            self._on_broken("http.output_overflow")
            return
        self._held_bytes += len(piece)
        self._queue.append(piece)
        self._fall_behind()

    def bound(self, limit: int) -> None:
        """Hold no more than `limit` bytes from now on."""
        self._limit = limit

    def stream(self, pieces: Iterator[bytes]) -> None:
        """Send all that the iterator gives."""
        self.flush()
        self._queue.append(pieces)
        self._fall_behind()

    def when_flushed(self, then: Callable[[], None]) -> None:
        """Call `then` once everything is on its way."""
        self.flush()
        if self.behind_since is None:
            then()
        else:
            self._then = then

    def detach(self) -> None:
        """Let go of the transport; what waits for its reader is dropped."""
        self.flush()
        self._queue.clear()
        self._then = None
        if self.behind_since is not None:
            self.behind_since = None
            self._transport.unregisterProducer()

    def let_go(self) -> None:
        """Hold the transport no more; nothing can be written any more."""
        self._write_now, self._held = None, b""
        del self._transport

    def resumeProducing(self) -> None:  # noqa: N802  the interface's name
        """The transport holds nothing: give it the next piece, or go back to the direct way."""
        self.behind_since = self._clock.seconds()
        pieces = 0
        while self._queue:
            piece = self._next_piece()
            if not piece:
                continue
            pieces += 1
            if self._write_now is not None and pieces < MAX_PIECES:
                sent = self._write_now(piece)
                if sent == len(piece):
                    continue
                piece = piece[sent:] if isinstance(sent, int) else piece
            self._transport.write(piece)
            return
        self._catch_up()

    def _catch_up(self) -> None:
        if self.behind_since is None:  # an iterator broke and everything is over
            return
        self.behind_since = None
        self._transport.unregisterProducer()
        then, self._then = self._then, None
        if then is not None:
            then()
        else:
            self._on_move()

    def stopProducing(self) -> None:  # noqa: N802
        """The connection ended."""
        self._held = b""
        self._queue.clear()

    def _fall_behind(self) -> None:
        if self.behind_since is None:
            self.behind_since = self._clock.seconds()
            self._on_move()
            self._transport.registerProducer(self, False)

    def _next_piece(self) -> bytes:
        first = self._queue[0]
        if isinstance(first, bytes):
            piece = first[:PIECE]
            self._held_bytes -= len(piece)
            if len(first) > PIECE:
                self._queue[0] = first[PIECE:]
            else:
                self._queue.popleft()
            return piece
        try:
            return next(first)
        except StopIteration:
            self._queue.popleft()
        except OSError as error:
            self._queue.clear()
            _log.error("file_not_readable", error=str(error))
            self._on_broken("http.file_not_readable")
        return b""
