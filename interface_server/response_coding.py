"""Whether a worker's response is sent compressed, and the steps in which that happens.

Only a response that says so is: what comes out smaller tells of what is in it, so a page that
carries a secret and repeats what its reader sent must not be (BREACH). The coding itself is
`content_coding.py`'s.
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from interface_server.accepted_codings import IDENTITY, best_coding
from interface_server.content_coding import Coding, Encoder
from shared.messages import Headers, HttpResponse, ResponseChunk

MARK = b"x-compress"
"""The header by which a response says `yes`; no client sees it."""

SLICE = 32 * 1024
"""Content that is coded in one go, 0.1 to 1 ms of the reactor's time; more is coded slice by
slice, as its reader takes it. Ours."""

MIN_SIZE = 512
"""Content that is smaller gains nothing that its packet would notice; ours."""

_ACCEPT = b"accept-encoding"
_NEVER = frozenset({b"content-digest", b"content-encoding", b"content-md5", b"content-range"})
"""Headers of content that must go out as it is."""

_WITHOUT_CONTENT = frozenset({204, 205, 206, 304})
_GAINS = re.compile(
    rb"\s*(?:text/[^;\s]+|image/svg\+xml|font/(?:otf|ttf)"
    rb"|application/(?:json|javascript|xml|wasm|x-ndjson|[^;\s]+\+(?:json|xml)))\s*(?:;|\Z)",
    re.IGNORECASE,
)


class _Said(NamedTuple):
    """What the headers of a response say; `size` is None when it is not known yet."""

    is_marked: bool
    gains: bool
    may: bool
    size: int | None


class ResponseCoder:
    """One response: `begin` once, then, while `is_coding`, its content through `coded` or `hold`.

    `codings` are those of the server, the one it likes best first. No more than `limit` bytes
    are held for a slow reader.
    """

    __slots__ = ("_accepted", "_codings", "_encode", "_held", "_is_head", "_limit", "held_bytes")

    def __init__(
        self, method: str, request: Headers, codings: Mapping[str, Coding], limit: int
    ) -> None:
        self._is_head = method == "HEAD"
        self._accepted = [value for name, value in request if name == _ACCEPT]
        self._codings = codings
        self._limit = limit
        self._encode: Encoder | None = None
        self._held: deque[ResponseChunk] = deque()
        self.held_bytes = 0

    @property
    def is_coding(self) -> bool:
        """Whether the response's content is coded."""
        return self._encode is not None

    @property
    def is_holding(self) -> bool:
        """Whether content waits for its reader."""
        return bool(self._held)

    def begin(self, response: HttpResponse) -> tuple[HttpResponse, ResponseChunk | None]:
        """What to send, and what of its content is to be coded behind that; None for nothing."""
        said = _said(response, self._is_head)
        if not (said.is_marked and said.gains and said.may):
            return response, None
        if said.size is not None and said.size < MIN_SIZE:
            return response, None
        coding = best_coding(self._accepted, self._codings)
        if coding is None or coding == IDENTITY:
            return replace(response, headers=_varied(response.headers)), None
        head = HttpResponse(response.status, _coded_headers(response.headers, coding))
        if self._is_head:
            end = None if response.more_content else ResponseChunk()
            return replace(head, more_content=True), end
        content, more = response.content, response.more_content
        if not more and len(content) <= SLICE:
            coded = self._codings[coding].whole(content)
            if len(coded) < len(content):
                return replace(head, content=coded), None
            return replace(response, headers=_varied(response.headers)), None
        self._encode = self._codings[coding].encoder()
        rest = ResponseChunk(content, more) if content or not more else None
        return replace(head, more_content=True), rest

    def coded(self, chunk: ResponseChunk) -> ResponseChunk | None:
        """The chunk in its coding; None when it is to be held: it is large or others are held."""
        if self._encode is None:
            return chunk
        if self._held or len(chunk.content) > SLICE:
            return None
        return self._through(self._encode, chunk)

    def hold(self, chunk: ResponseChunk) -> bool:
        """Keep a chunk for `held`, which the caller sends; False when that is too much."""
        self.held_bytes += len(chunk.content)
        if self.held_bytes > self._limit:
            return False
        for at in range(0, max(1, len(chunk.content)), SLICE):
            is_more = chunk.more_content or at + SLICE < len(chunk.content)
            self._held.append(ResponseChunk(chunk.content[at : at + SLICE], is_more))
        return True

    def held(self) -> Iterator[ResponseChunk]:
        """What is held, coded as it is wanted; ends when nothing is left."""
        while self._held and self._encode is not None:
            chunk = self._held[0]
            yield self._through(self._encode, chunk)
            self._held.popleft()
            self.held_bytes -= len(chunk.content)

    def _through(self, encode: Encoder, chunk: ResponseChunk) -> ResponseChunk:
        if not chunk.content and chunk.more_content:
            return chunk
        return ResponseChunk(encode(chunk.content, not chunk.more_content), chunk.more_content)


def _said(response: HttpResponse, is_head: bool) -> _Said:
    is_marked = gains = False
    may = response.status not in _WITHOUT_CONTENT
    announced: int | None = None
    for name, value in response.headers:
        lower = name.lower()
        if lower == MARK:
            is_marked = value.strip().lower() == b"yes"
        elif lower == b"content-type":
            gains = _GAINS.match(value) is not None
        elif lower == b"content-length" and value.isdigit():
            announced = int(value[:18])
        elif lower in _NEVER or (lower == b"cache-control" and b"no-transform" in value.lower()):
            may = False
    size = announced
    if not response.more_content and not (is_head and not response.content):
        size = len(response.content)
    return _Said(is_marked, gains, may, size)


def _varied(headers: Headers) -> Headers:
    """With Vary, also where a header of that name says something else."""
    for name, value in headers:
        if name.lower() == b"vary" and (b"*" in value or _ACCEPT in value.lower()):
            return headers
    return (*headers, (b"Vary", b"Accept-Encoding"))


def _coded_headers(headers: Headers, coding: str) -> Headers:
    """Those of the coded form; a strong tag names the plain one. Source: RFC 9110 section 8.8.1."""
    kept: list[tuple[bytes, bytes]] = []
    for name, value in _varied(headers):
        lower = name.lower()
        if lower == b"etag" and not value.startswith(b"W/"):
            kept.append((name, b"W/" + value))
        elif lower not in (b"content-length", b"accept-ranges"):
            kept.append((name, value))
    return (*kept, (b"Content-Encoding", coding.encode("ascii")))
