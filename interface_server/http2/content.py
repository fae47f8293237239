"""The content of one request as it comes: held against its length, given to the upload.

The client may send on as the upload takes what came. Answers nothing.
"""

from collections.abc import Callable

from interface_server.http2.heads import Malformed
from interface_server.http_upload import BODY_PROGRESS, Upload
from interface_server.settings import ServerSettings
from interface_server.wires import Clock


class IncomingContent:
    """`length` is what the head announced, None without; `upload` is None where nobody wants it.

    `since` is the clock's time when the last 16 KiB came. `open_window` lets the client send so
    many bytes more.
    """

    __slots__ = (
        "_clock",
        "_mark",
        "_open_window",
        "_received",
        "_unopened",
        "_window",
        "is_ended",
        "length",
        "since",
        "upload",
    )

    def __init__(
        self,
        clock: Clock,
        settings: ServerSettings,
        open_window: Callable[[int], None],
        is_ended: bool,
    ) -> None:
        self._clock = clock
        self._window = settings.http2_window
        self._open_window = open_window
        self._received = 0
        self._unopened = 0
        self._mark = BODY_PROGRESS
        self.is_ended = is_ended
        self.length: int | None = None
        self.since = clock.seconds()
        self.upload: Upload | None = None

    @property
    def is_awaited(self) -> bool:
        """Whether the client is to send something now."""
        return self.upload is not None and not self.is_ended and not self.upload.is_full

    def add(self, content: bytes, size: int) -> bool:
        """Take content, `size` bytes with its padding; whether the client's time begins anew.

        Raises: Malformed, RequestRefused.
        """
        self._received += len(content)
        if self.length is not None and self._received > self.length:
            raise Malformed(f"expected {self.length} bytes of content, got more")
        if self.upload is None:
            return False
        self._unopened += size
        self.upload.add(content)
        if self._received >= self._mark:
            self.made_progress()
            return True
        self._open()
        return False

    def end(self) -> None:
        """The client's side is over. Raises: Malformed."""
        self.is_ended = True
        if self.length is not None and self._received != self.length:
            raise Malformed(f"expected {self.length} bytes of content, got {self._received}")
        if self.upload is not None:
            self.upload.end()

    def made_progress(self) -> None:
        """Let the client's time begin anew, and its window open where the upload has room."""
        self.since = self._clock.seconds()
        self._mark = self._received + BODY_PROGRESS
        self._open()

    def abandon(self) -> None:
        """Nobody wants it."""
        if self.upload is not None:
            self.upload.abandon()
            self.upload = None

    def _open(self) -> None:
        if self.is_awaited and self._unopened >= self._window // 4:
            size, self._unopened = self._unopened, 0
            self._open_window(size)
