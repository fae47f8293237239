"""What a server wrote on one connection, taken apart into answers.

Strict about framing, since that is what is tested; knows no vector and opens no socket.
"""

from typing import NamedTuple

from shared.messages import Headers

SWITCHED = 101


class Answer(NamedTuple):
    """One response; names in `headers` are lower case. `has_end` is False where only the
    connection's end tells the end of its content."""

    status: int
    headers: Headers
    content: bytes
    has_end: bool = True

    def values(self, name: bytes) -> list[bytes]:
        """All values of one header."""
        return [value for other, value in self.headers if other == name]


class NotHttp(AssertionError):
    """What came is no sequence of whole responses."""


def answers_in(received: bytes, methods: tuple[str, ...]) -> tuple[list[Answer], list[int]]:
    """The final answers in all that came until the connection's end, and the interim statuses.

    `methods` are those of the requests in their order, as answers to HEAD have no content; what
    is answered past them counts as the answer to a GET. What follows a 101 is not HTTP and left
    out. Raises: NotHttp.
    """
    finals: list[Answer] = []
    interims: list[int] = []
    while received:
        method = methods[len(finals)] if len(finals) < len(methods) else "GET"
        answer, received = _next_answer(received, method)
        if answer.status == SWITCHED:
            return [*finals, answer], interims
        if answer.status < 200:
            interims.append(answer.status)
        else:
            finals.append(answer)
    return finals, interims


def _next_answer(received: bytes, method: str) -> tuple[Answer, bytes]:
    raw, mark, rest = received.partition(b"\r\n\r\n")
    line, *lines = raw.split(b"\r\n")
    version, _, status_text = line.partition(b" ")
    if not mark or version != b"HTTP/1.1" or not status_text[:3].isdigit():
        raise NotHttp(f"expected a response, got {received[:200]!r}")
    status = int(status_text[:3])
    headers = tuple(_header(text) for text in lines)
    if status < 200 or status in (204, 304) or method == "HEAD":
        return Answer(status, headers, b""), rest
    lengths = [value for name, value in headers if name == b"content-length"]
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if len(lengths) + len(codings) > 1:
        raise NotHttp(f"a length said twice: {raw!r}")
    if lengths:
        size = int(lengths[0])
        if len(rest) < size:
            raise NotHttp(f"expected {size} bytes of content, got {rest!r}")
        return Answer(status, headers, rest[:size]), rest[size:]
    if codings:
        content, rest = _unchunked(rest)
        return Answer(status, headers, content), rest
    return Answer(status, headers, rest, has_end=False), b""


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, mark, value = line.partition(b":")
    if not mark or not name or line[:1] in b" \t" or b"\n" in line or b"\r" in line:
        raise NotHttp(f"expected a header, got {line!r}")
    return name.lower(), value.strip(b" \t")


def _unchunked(rest: bytes) -> tuple[bytes, bytes]:
    content = b""
    while True:
        size_text, mark, rest = rest.partition(b"\r\n")
        if not mark:
            raise NotHttp(f"expected a chunk, got {size_text!r}")
        size = int(size_text, 16)
        content += rest[:size]
        if rest[size : size + 2] != b"\r\n":
            raise NotHttp(f"expected the end of a chunk, got {rest[size : size + 20]!r}")
        rest = rest[size + 2 :]
        if size == 0:
            return content, rest
