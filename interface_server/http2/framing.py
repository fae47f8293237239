"""A response in the form of HTTP/2: its head as fields, its content as it is.

Sends nothing and counts no window; what must not be sent at all is the same as over HTTP/1.1.
"""

from interface_server.http_responses import OURS, FramingBroken, ReadyResponse, only_length
from shared.messages import Headers, HttpResponse

_STATUSES = {status: (b":status", b"%d" % status) for status in range(100, 600)}


class StreamFraming:
    """One response on its way out; a Framing. `head` are its fields, until they were taken."""

    __slots__ = ("_is_head", "_left", "_silent", "closes", "head")

    def __init__(self, is_head: bool) -> None:
        self.closes = False
        self.head: Headers | None = None
        self._is_head = is_head
        self._silent = is_head
        self._left: int | None = None

    def take_head(self) -> Headers | None:
        """The fields, once."""
        head, self.head = self.head, None
        return head

    def whole(self, response: HttpResponse, fixed: bytes) -> bytes:
        """All of a response whose content is complete; `fixed` are lines of HTTP/1.1."""
        status, content = response.status, response.content
        fields, length = _kept(response.headers)
        if status in (204, 205, 304):
            content = b""
        elif not (self._is_head and not content and length is not None):
            length = len(content)
        if status in (204, 304):
            length = None
        elif status == 205:
            length = 0
        self._set_head(status, fixed, fields, length)
        return b"" if self._is_head else content

    def ready(self, ready: ReadyResponse, fixed: bytes) -> bytes:
        """The same for one whose lines of HTTP/1.1 were made beforehand."""
        return self.whole(ready.response, fixed)

    def start(
        self, status: int, headers: Headers, content: bytes, fixed: bytes, length: int | None = None
    ) -> bytes:
        """The head, which is kept, and first content of a response that comes in pieces.

        Raises: FramingBroken.
        """
        fields, announced = _kept(headers)
        length = announced if length is None else length
        if status in (204, 205, 304):
            self._silent = True
            length = 0 if status == 205 else None
        else:
            self._left = length
        self._set_head(status, fixed, fields, length)
        return self.more(content, False)

    def more(self, content: bytes, is_last: bool) -> bytes:
        """The next piece. Raises: FramingBroken."""
        if self._silent:
            return b""
        if self._left is not None:
            if len(content) > self._left or (is_last and len(content) < self._left):
                raise FramingBroken(self._left, len(content))
            self._left -= len(content)
        return content

    def _set_head(
        self, status: int, fixed: bytes, fields: list[tuple[bytes, bytes]], length: int | None
    ) -> None:
        head = [_STATUSES[status], *_fields_of(fixed), *fields]
        if length is not None:
            head.append((b"content-length", b"%d" % length))
        self.head = tuple(head)


def _fields_of(lines: bytes) -> Headers:
    """The fields that lines of HTTP/1.1 say."""
    pairs = (line.partition(b": ") for line in lines.split(b"\r\n") if line)
    return tuple((name.lower(), value) for name, _, value in pairs)


def _kept(headers: Headers) -> tuple[list[tuple[bytes, bytes]], int | None]:
    """The fields that may go out, and the Content-Length if there is one valid one."""
    fields: list[tuple[bytes, bytes]] = []
    lengths: list[bytes] = []
    for name, value in headers:
        lower = name.lower()
        if lower not in OURS:
            fields.append((lower, value.strip(b" \t")))
        elif lower == b"content-length":
            lengths.append(value)
    return fields, only_length(lengths)
