"""The bytes that one HTTP connection received and has not used: finds the next head in them.

Starts nothing and answers nothing; `http1.py` says when the next request may come.
"""

from interface_server.head_memory import HeadMemory
from interface_server.http_messages import (
    END_OF_HEAD,
    RequestHead,
    RequestRefused,
    incomplete_head_fault,
)

MAX_EMPTY_LINES = 8
"""Empty lines that are read over before a request; ours. Source: RFC 9112 section 2.2."""


class RequestReader:
    """`raw_head` are the bytes of the last head that was read.

    `partial_since` is when the first bytes of a head came whose end is not here yet, None
    without such. `heads` reads them.
    """

    __slots__ = (
        "_checked",
        "_empty_lines",
        "_heads",
        "_looked",
        "_max_head",
        "_put_back",
        "partial_since",
        "raw_head",
        "unread",
    )

    def __init__(self, max_head: int, heads: HeadMemory) -> None:
        self._max_head = max_head
        self._heads = heads
        self._put_back: RequestHead | None = None
        self._checked = 0
        self._empty_lines = 0
        self._looked = 0
        self.unread = b""
        self.raw_head = b""
        self.partial_since: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing of a next request is here."""
        return not self.unread and self._put_back is None

    def feed(self, received: bytes) -> None:
        """Take more bytes."""
        self.unread = self.unread + received if self.unread else received

    def skip(self, size: int) -> None:
        """Forget the first `size` bytes: they were used."""
        self.unread = self.unread[size:]

    def take_rest(self) -> bytes:
        """All that is left, which is forgotten here."""
        rest, self.unread = self.unread, b""
        self._checked = self._looked = 0
        self._put_back = None
        return rest

    def next_head(self, now: float) -> RequestHead | None:
        """The next request's head; None while its end is not here. Raises: RequestRefused."""
        if self._put_back is not None:
            head, self._put_back = self._put_back, None
            return head
        if self.unread.startswith(b"\r\n"):
            self._skip_empty_lines()
        if not self.unread:
            self.partial_since = None
            return None
        end = self.unread.find(END_OF_HEAD, self._looked, self._max_head)
        if end < 0:
            self._check_partial()
            if self.partial_since is None:
                self.partial_since = now
            return None
        self.raw_head, self.unread = self.unread[: end + 4], self.unread[end + 4 :]
        self.partial_since = None
        if self._looked or self._empty_lines:
            self._checked = self._looked = self._empty_lines = 0
        return self._heads.read(self.raw_head)

    def put_back(self, head: RequestHead) -> None:
        """Give `head` again at the next call: it cannot start yet."""
        self._put_back = head

    def _skip_empty_lines(self) -> None:
        end = 0
        while self.unread.startswith(b"\r\n", end):
            end += 2
        self.unread = self.unread[end:]
        self._checked = self._looked = 0
        self._empty_lines += end // 2
        if self._empty_lines > MAX_EMPTY_LINES:
            raise RequestRefused(400, f"more than {MAX_EMPTY_LINES} empty lines before a request")

    def _check_partial(self) -> None:
        """Look at what has come since the last look, each byte once."""
        if len(self.unread) >= self._max_head:
            if b"\n" not in self.unread[: self._max_head]:
                raise RequestRefused(414, f"a request line of more than {self._max_head} bytes")
            raise RequestRefused(431, f"a head of more than {self._max_head} bytes")
        whole = self.unread.rfind(b"\n", self._looked) + 1
        self._looked = max(0, len(self.unread) - 3)  # an END_OF_HEAD may have begun
        if whole <= self._checked:
            return
        # From the CR before the last line end on: a fold is seen by what follows the line end.
        fault = incomplete_head_fault(self.unread[max(0, self._checked - 2) : whole])
        self._checked = whole
        if fault is not None:
            raise RequestRefused(400, fault)
