"""What waits to be written to one socket, in order and bounded.

While nothing waits, bytes go straight to the kernel: half the cost of `transport.write`, which a
broadcast to thousands feels. Knows no frames and no session.
"""

from collections.abc import Callable
from typing import Any

from interface_server.coalescing import SMALL_BYTES, Coalescer
from interface_server.wires import DirectWrite, TcpTransport, direct_write

FRAME_BYTES = 64
"""What a frame that waits counts besides its own bytes: else two million empty pongs, 90 MiB in
memory, would stay below a limit of 4 MiB."""


class SocketOutput:
    """The only writer of one transport.

    `on_overflow` is called when more than `limit_bytes` wait for the peer to read, each frame with
    `FRAME_BYTES` on top; the caller then uses `drop_waiting` or ends the connection.
    """

    __slots__ = (
        "_coalescer",
        "_held",
        "_in_transport",
        "_is_ended",
        "_is_pulled",
        "_limit_bytes",
        "_on_overflow",
        "_transport",
        "_waiting",
        "_waiting_bytes",
        "_write_now",
    )

    def __init__(
        self,
        transport: TcpTransport,
        limit_bytes: int,
        on_overflow: Callable[[], None],
        coalescer: Coalescer,
    ) -> None:
        self._transport: Any = transport
        self._coalescer = coalescer
        self._limit_bytes = limit_bytes
        self._on_overflow = on_overflow
        self._write_now: DirectWrite | None = None
        """The transport's direct way, once it is known that it holds nothing back."""
        self._held = b""
        """Whole frames that go out at the end of this turn; nothing waits before them."""
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._in_transport = 0
        self._is_pulled = False
        self._is_ended = False

    @property
    def waiting_bytes(self) -> int:
        """Bytes that the kernel has not taken yet, and what holding them costs."""
        return self._waiting_bytes + self._in_transport

    def write(self, frame: bytes) -> None:
        """Write `frame` behind everything that was written before."""
        if self._coalescer.is_on and self._write_now is not None:
            if len(self._held) + len(frame) <= SMALL_BYTES:
                is_first = not self._held
                self._held += frame
                if is_first:
                    self._coalescer.join(self.flush)
                return
            self.flush()
        self._put(frame)

    def flush(self) -> None:
        """Write what was held back in this turn."""
        held, self._held = self._held, b""
        if held:
            self._put(held)

    def _put(self, frame: bytes) -> None:
        if self._write_now is not None:
            sent = self._write_now(frame)
            if sent == len(frame):
                return
            if isinstance(sent, int):
                frame = frame[sent:]
        if self._is_ended:
            return
        self._waiting.append(frame)
        self._waiting_bytes += len(frame) + FRAME_BYTES
        if not self._is_pulled:
            self._is_pulled, self._write_now = True, None
            self._transport.registerProducer(self, False)
        elif self.waiting_bytes > self._limit_bytes:
            self._on_overflow()

    def drop_waiting(self) -> None:
        """Forget the whole frames that have not begun to leave."""
        self._waiting, self._waiting_bytes = [], 0

    def finish(self) -> None:
        """Give all that waits to the transport, which is about to be closed."""
        self.flush()
        if not self._is_ended and self._waiting:
            self._transport.write(b"".join(self._waiting))
        self.stopProducing()
        if self._is_pulled:
            self._is_pulled = False
            self._transport.unregisterProducer()

    def let_go(self) -> None:
        """Hold the transport no more; nothing can be written any more."""
        self.stopProducing()
        self._transport = None

    def resumeProducing(self) -> None:  # noqa: N802
        """The transport holds nothing: give it what waits, or go back to the direct way."""
        self._in_transport = 0
        if self._waiting:
            chunk = b"".join(self._waiting)
            self._in_transport = len(chunk)
            self.drop_waiting()
            self._transport.write(chunk)
        elif self._is_pulled:
            self._is_pulled = False
            self._transport.unregisterProducer()
            if not self._is_ended:
                self._write_now = direct_write(self._transport)

    def stopProducing(self) -> None:  # noqa: N802
        """The connection is lost, or about to be: write nothing more."""
        self._is_ended, self._write_now, self._in_transport, self._held = True, None, 0, b""
        self.drop_waiting()
