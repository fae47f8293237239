"""Which responses of workers are sent compressed, and how they come over a socket."""

import gzip
import re
import zlib
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace
from pytest_twisted import ensureDeferred

from interface_server.content_coding import codings_of
from interface_server.response_coding import MIN_SIZE, SLICE, ResponseCoder
from shared.messages import HttpRequest, HttpResponse, ResponseChunk
from tests.interface_server.answering import Site, serving

TEXT = b"<p>The rest of this page is the same for everybody.</p>\n" * 100
MARK = (b"x-compress", b"yes")
HTML = (b"content-type", b"text/html; charset=utf-8")


def coder(method: str = "GET", accept: bytes | None = b"gzip", limit: int = 10**6) -> ResponseCoder:
    """For a request that accepts this."""
    headers = () if accept is None else ((b"accept-encoding", accept),)
    return ResponseCoder(method, headers, codings_of(["zstd", "gzip"]), limit)


def values(response: HttpResponse, name: bytes) -> list[bytes]:
    """What the headers of that name say."""
    return [value for key, value in response.headers if key.lower() == name]


def test_a_marked_page_is_coded() -> None:
    """In the coding the server likes best of those that are accepted; caches are told."""
    page = HttpResponse(200, (HTML, MARK, (b"etag", b'"a"'), (b"content-length", b"9")), TEXT)
    begun, rest = coder().begin(page)
    assert (gzip.decompress(begun.content), rest) == (TEXT, None)
    assert values(begun, b"content-encoding") == [b"gzip"]
    assert values(begun, b"vary") == [b"Accept-Encoding"]
    assert values(begun, b"etag") == [b'W/"a"']
    assert values(begun, b"content-length") == []
    begun, _ = coder(accept=b"gzip, zstd").begin(page)
    assert values(begun, b"content-encoding") == [b"zstd"]


@pytest.mark.parametrize("accept", [None, b"", b"br", b"gzip;q=0", b"identity, gzip;q=0.5"])
def test_who_does_not_accept_it_gets_it_plain(accept: bytes | None) -> None:
    """Unchanged but for Vary."""
    page = HttpResponse(200, (HTML, MARK, (b"etag", b'"a"')), TEXT)
    begun, _ = coder(accept=accept).begin(page)
    assert begun == replace(page, headers=(*page.headers, (b"Vary", b"Accept-Encoding")))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"Cookie", [b"Cookie", b"Accept-Encoding"]),
        (b"Cookie, Accept-encoding", [b"Cookie, Accept-encoding"]),
        (b"*", [b"*"]),
    ],
)
def test_vary_is_said_once(said: bytes, expected: list[bytes]) -> None:
    """Beside what the worker says."""
    begun, _ = coder().begin(HttpResponse(200, (HTML, MARK, (b"vary", said)), TEXT))
    assert values(begun, b"vary") == expected


@pytest.mark.parametrize(
    "page",
    [
        HttpResponse(200, (HTML,), TEXT),
        HttpResponse(200, (HTML, (b"x-compress", b"no")), TEXT),
        HttpResponse(200, (MARK,), TEXT),
        HttpResponse(200, (MARK, (b"content-type", b"image/png")), TEXT),
        HttpResponse(200, (MARK, (b"content-type", b"textual/html")), TEXT),
        HttpResponse(200, (MARK, HTML), TEXT[: MIN_SIZE - 1]),
        HttpResponse(200, (MARK, HTML, (b"content-encoding", b"br")), TEXT),
        HttpResponse(200, (MARK, HTML, (b"cache-control", b"public, no-transform")), TEXT),
        HttpResponse(200, (MARK, HTML, (b"content-digest", b"sha-256=:x:")), TEXT),
        HttpResponse(206, (MARK, HTML, (b"content-range", b"bytes 0-1/2")), TEXT),
        HttpResponse(204, (MARK, HTML)),
        HttpResponse(304, (MARK, HTML)),
        HttpResponse(200, (MARK, HTML, (b"content-length", b"100")), b"", more_content=True),
    ],
)
def test_what_is_left_as_it_is(page: HttpResponse) -> None:
    """Not marked, no text, too small, coded already, or not to be changed."""
    answering = coder()
    assert answering.begin(page) == (page, None)
    assert answering.coded(ResponseChunk(b"x")) == ResponseChunk(b"x")


@pytest.mark.parametrize(
    "kind",
    [
        b"text/event-stream",
        b"application/json",
        b"application/activity+json; charset=utf-8",
        b"image/svg+xml",
        b"Text/CSS",
    ],
)
def test_kinds_that_gain(kind: bytes) -> None:
    """Text in all its forms."""
    begun, _ = coder().begin(HttpResponse(200, (MARK, (b"Content-Type", kind)), TEXT))
    assert values(begun, b"content-encoding") == [b"gzip"]


def test_what_does_not_become_smaller_is_sent_plain() -> None:
    """It is said to caches all the same."""
    page = HttpResponse(200, (MARK, HTML), Random(1).randbytes(2 * MIN_SIZE))
    begun, _ = coder().begin(page)
    assert begun.content == page.content
    assert values(begun, b"vary") == [b"Accept-Encoding"]


def test_a_head_has_the_headers_of_the_page_and_no_length() -> None:
    """Source: RFC 9110 section 9.3.2."""
    page = HttpResponse(200, (MARK, HTML, (b"content-length", b"5600")))
    begun, rest = coder("HEAD").begin(page)
    assert values(begun, b"content-encoding") == [b"gzip"]
    assert values(begun, b"content-length") == []
    assert (begun.more_content, rest) == (True, ResponseChunk())


def test_a_stream_is_coded_chunk_by_chunk() -> None:
    """Each can be read when it comes."""
    answering, read = coder(), zlib.decompressobj(31).decompress
    page = HttpResponse(200, (MARK, HTML), b"first", more_content=True)
    begun, rest = answering.begin(page)
    assert (begun.content, rest) == (b"", ResponseChunk(b"first", True))
    for chunk in (ResponseChunk(b"first", True), ResponseChunk(b"", True), ResponseChunk(b"last")):
        coded = answering.coded(chunk)
        assert coded is not None
        assert replace(coded, content=read(coded.content)) == chunk


def test_large_content_is_coded_as_it_is_taken() -> None:
    """Slice by slice, with what comes meanwhile behind it, up to a bound."""
    answering, read = coder(limit=5 * SLICE), zlib.decompressobj(31).decompress
    content = TEXT * (3 * SLICE // len(TEXT))
    answering.begin(HttpResponse(200, (MARK, HTML), b"", more_content=True))
    assert answering.coded(ResponseChunk(content, True)) is None
    assert answering.hold(ResponseChunk(content, True))
    pieces = answering.held()
    taken = read(next(pieces).content)
    assert taken == content[:SLICE]
    assert answering.coded(ResponseChunk(b"last")) is None
    assert answering.hold(ResponseChunk(b"last"))
    assert not answering.hold(ResponseChunk(bytes(3 * SLICE)))
    taken += b"".join(read(chunk.content) for chunk in pieces)
    assert taken[: len(content) + 4] == content + b"last"


REQUEST = b"GET /%b HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n"


def said(content: bytes, **more: Any) -> dict[str, Any]:
    """A marked response message."""
    return {"status": 200, "headers": [list(HTML), list(MARK)], "content": content, **more}


def marked(site: Site, request: HttpRequest) -> None:
    """A worker that answers whole, large or in parts, as the path says."""
    if request.path == "/parts":
        site.reply(request, said(b"", more_content=True))
        for part in (TEXT, TEXT * 60, b"end"):
            site.reply(request, {"content": part, "more_content": part != b"end"})
    else:
        site.reply(request, said(TEXT * (60 if request.path == "/large" else 1)))
    site.receipt(request, "done")


@ensureDeferred
async def test_coded_answers_over_a_socket() -> None:
    """Small, large and in parts, on one connection, pipelined, and HEAD; the mark stays here."""
    async with serving(marked, compress=("gzip",)) as (_, connect):
        client = await connect()
        client.send(b"".join(REQUEST % path for path in (b"small", b"large", b"parts", b"small")))
        expected = (TEXT, TEXT * 60, TEXT * 61 + b"end", TEXT)
        for content in expected:
            response = await client.response()
            assert gzip.decompress(response.body) == content
            assert response.headers[b"content-encoding"] == b"gzip"
            assert b"x-compress" not in response.headers
        head = REQUEST.replace(b"GET", b"HEAD") % b"small"
        response = await client.ask(head, b"HEAD")
        assert response.headers[b"content-encoding"] == b"gzip"
        plain = re.sub(rb"Accept-Encoding.*\r\n", b"", REQUEST % b"parts").replace(b"\n\n", b"\n")
        assert (await client.ask(plain + b"\r\n")).body == expected[2]


@ensureDeferred
async def test_without_the_flag_nothing_is_coded() -> None:
    """Nor is the mark shown."""
    async with serving(marked) as (_, connect):
        response = await (await connect()).ask(REQUEST % b"small")
        assert response.body == TEXT
        assert not {b"x-compress", b"vary", b"content-encoding"} & set(response.headers)


@ensureDeferred
async def test_a_reader_who_takes_nothing_costs_no_work() -> None:
    """Its content waits as it is, up to the bound of all output; then the connection is cut."""

    def endless(site: Site, request: HttpRequest) -> None:
        site.reply(request, said(b"", more_content=True))
        for _ in range(30):
            site.reply(request, {"content": TEXT * 100, "more_content": True})

    async with serving(endless, compress=("gzip",), max_output=1_000_000) as (site, connect):
        client = await connect()
        client.transport.pauseProducing()
        client.send(REQUEST % b"endless")
        await site.until(lambda: site.counters["http.output_overflow"] == 1)
        client.transport.resumeProducing()
        await client.closed()
