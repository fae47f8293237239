"""Fuzzed: what HTTP/1.1 reads and writes, against the strict grammar and against h11.

Opens no socket; the whole server is fuzzed by `test_fuzz_server.py`.
"""

from typing import NamedTuple

import h11

from interface_server.head_memory import HeadMemory
from interface_server.http_bodies import ChunkedFraming, framing_of
from interface_server.http_messages import RequestHead, RequestRefused
from interface_server.http_reader import RequestReader
from interface_server.http_responses import FramingBroken, ResponseFraming
from shared.errors import InvalidMessage
from shared.messages import HttpResponse, check_headers
from tests.fuzz.strict_heads import strict_chunks, strict_head
from tests.fuzz.target import Target, chooser, cuts, expect
from tests.interface_server.conformance.vectors import VECTORS

MAX_BODY = 4096
LIMITS = ((32768, 100), (150, 4))
"""Most bytes and headers of a head: usual ones, and such as are soon reached."""

HEADS = {limits: HeadMemory(limits[1]) for limits in LIMITS}

WORDS = (
    *(b"GET ", b"POST ", b"HEAD ", b"OPTIONS ", b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b"\r\n\r\n"),
    *(b"Host: a\r\n", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"\r\n"),
    *(b"\n", b"\r", b"\t", b" ", b":", b";", b",", b"=", b"+", b"-", b"0", b"0\r\n\r\n", b"a\r\n"),
    *(b"\x00", b"\x0b", b"\x0c", b"\x1c", b"\x85", b"\xa0", b"\xff", b"%", b"%00", b"%2e", b"_"),
    *(b"chunked", b"Connection: ", b"Upgrade: websocket\r\n", b"Expect: 100-continue\r\n"),
    *(b"http://b/", b"https://b", b"//", b"*", b"?", b"#", b"@", b"[::1]", b"65536", b'"', b"\\"),
)


class Request(NamedTuple):
    """One request that was read to its end; `raw` are the bytes of its head."""

    raw: bytes
    head: RequestHead
    content: bytes


def requests_in(pieces: list[bytes], limits: tuple[int, int]) -> tuple[list[Request], bool]:
    """The whole requests in what came, and whether something was refused."""
    reader, found = RequestReader(limits[0], HEADS[limits]), []
    head = body = None
    content = b""
    try:
        for piece in pieces:
            reader.feed(piece)
            while True:
                if head is None:
                    head = reader.next_head(0.0)
                    if head is None:
                        break
                    raw, body, content = reader.raw_head, framing_of(head, MAX_BODY), b""
                more, used = body.feed(reader.unread)
                reader.skip(used)
                content += more
                if not body.is_complete:
                    break
                found.append(Request(raw, head, content))
                head = None
    except RequestRefused as refused:
        expect(400 <= refused.status <= 505 and bool(refused.detail), refused)
        return found, True
    return found, False


def check_requests(given: bytes) -> None:
    """Requests are the same however they are cut, the same by the grammar, and framed as by h11."""
    limits = chooser(given).choice(LIMITS)
    first = None
    for pieces in cuts(given):
        verdict = requests_in(pieces, limits)
        first = verdict if first is None else first
        expect(verdict == first, "depends on the pieces", verdict, first)
    found = first[0] if first else []
    for request in found:
        _check_by_grammar(request)
    for ours, theirs in zip(found, _by_h11(given), strict=False):
        expect(ours.content == theirs[1], "framed otherwise by h11", ours, theirs)
        expect(ours.head.method == theirs[0], ours, theirs)


def _check_by_grammar(request: Request) -> None:
    head, strict = request.head, strict_head(request.raw)
    kept = tuple(pair for pair in strict.fields if b"_" not in pair[0])
    expect(head[:5] == (strict.method, strict.path, strict.query, strict.version, kept), head)
    expect((head.content_length, head.is_chunked) == strict[5:], head, strict)
    if not head.is_chunked:
        expect(len(request.content) == head.content_length, request)


def _by_h11(given: bytes) -> list[tuple[str, bytes]]:
    """Method and content of the whole requests that h11 finds, up to what it refuses."""
    found: list[tuple[str, bytes]] = []
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 16)
    connection.receive_data(given)
    method, content = "", b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                method, content = event.method.decode(), b""
            elif isinstance(event, h11.Data):
                content += event.data
            elif isinstance(event, h11.EndOfMessage):
                found.append((method, content))
                connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
                connection.send(h11.EndOfMessage())
                connection.start_next_cycle()
            else:
                return found
    except (h11.RemoteProtocolError, h11.LocalProtocolError):
        return found


def check_chunks(given: bytes) -> None:
    """A chunked body ends at the same byte with the same content, however it is cut."""
    first = None
    for pieces in cuts(given):
        verdict = _chunks_in(pieces)
        first = verdict if first is None else first
        expect(verdict == first, "depends on the pieces", verdict, first)
    if first is not None:
        content, size = first
        expect(strict_chunks(given) == (content, size), first, strict_chunks(given))


def _chunks_in(pieces: list[bytes]) -> tuple[bytes, int] | None:
    framing, unread, content, used = ChunkedFraming(MAX_BODY), b"", b"", 0
    try:
        for piece in pieces:
            unread += piece
            more, count = framing.feed(unread)
            content, unread, used = content + more, unread[count:], used + count
            if framing.is_complete:
                return content, used
    except RequestRefused:
        pass
    return None


def check_response(given: bytes) -> None:
    """What a worker says never breaks out of its head, and a client reads the same content.

    The bytes are lines: name, value, name, value and so on, then the content.
    """
    choices = chooser(given)
    *words, content = given.split(b"\n")
    status = choices.choice((200, 200, 204, 205, 304, 404, 599))
    method, version = choices.choice(("GET", "GET", "HEAD")), choices.choice(("1.1", "1.0"))
    try:
        headers = check_headers(list(zip(words[::2], words[1::2], strict=False)))
    except InvalidMessage:
        return
    framing = ResponseFraming(version, method == "HEAD", choices.random() < 0.5)
    try:
        if choices.random() < 0.5:
            raw = framing.whole(HttpResponse(status, headers, content), b"Date: now\r\n")
        else:
            raw = framing.start(status, headers, content[:3], b"Date: now\r\n")
            raw += framing.more(content[3:], True)
    except FramingBroken:
        return
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(raw)
    client.receive_data(b"")
    response, got = client.next_event(), b""
    expect(isinstance(response, h11.Response) and response.status_code == status, raw)
    while isinstance(event := client.next_event(), h11.Data):
        got += event.data
    expect(isinstance(event, h11.EndOfMessage), raw, event)
    is_silent = method == "HEAD" or status in (204, 205, 304)
    expect(got == (b"" if is_silent else content), raw, got)
    expect(client.trailing_data[0] == b"", raw)


_CHUNKED = tuple(
    vector.sent.partition(b"\r\n\r\n")[2]
    for vector in VECTORS
    if b"chunked" in vector.sent and b"\r\n\r\n" in vector.sent
)

TARGETS = (
    Target("requests", check_requests, [vector.wire[:3000] for vector in VECTORS], WORDS),
    Target("chunks", check_chunks, [body[:3000] for body in _CHUNKED], WORDS),
    Target(
        "responses",
        check_response,
        [
            *(b"Content-Type\ntext/html\ncontent", b"Content-Length\n5\nabcde", b"", b"X\n\n"),
            b"Set-Cookie\na=b\nSet-Cookie\nc=d\nTransfer-Encoding\nchunked\n0\r\n\r\n",
        ],
        (*WORDS, b"\nContent-Length\n3\n", b"\nConnection\nclose\n", b"\nTrailer\nx\n"),
    ),
)
