"""Fuzzed: single headers that clients send, each against what it must come to; settings.

Ranges, conditions, codings, what a WebSocket handshake offers; proxies are in `targets_proxies.py`.
"""

import contextlib
import itertools
import zlib

import click
from autobahn.exception import PayloadCorruptError, PayloadExceededError

from interface_server.accepted_codings import IDENTITY, best_coding
from interface_server.file_conditions import condition_status, http_date, range_holds
from interface_server.file_ranges import MAX_RANGES, part_heads, wanted_spans
from interface_server.file_rules import safe_segments
from interface_server.http_messages import RequestHead, RequestRefused
from interface_server.proxies import Peer
from interface_server.settings import options
from interface_server.ws_deflate import agreed_window, deflated_frame, offered, terms
from interface_server.ws_frames import unmasked_frame
from interface_server.ws_handshake import canonical_head, check_handshake
from interface_server.ws_inflate import Inflater
from tests.fuzz.target import Target, cuts, expect

OFFERED = ("br", "zstd", "gzip")
LIMIT_BYTES = 1000
SETTINGS = (options.network, options.size, options.root_path, options.header_text, options.origin)


def lines_of(given: bytes) -> list[bytes]:
    """Values of headers: no line end is in one, nor blanks around it."""
    return [line.strip(b" \t\r") for line in given.split(b"\n")][:8]


def check_ranges(given: bytes) -> None:
    """Spans lie within the file, apart from each other, and never come to more than it."""
    for size in (0, 1, 50, 100_000, 10**12):
        for values in ([given], lines_of(given)):
            spans = wanted_spans(values, size)
            if spans is None:
                continue
            expect(len(spans) <= MAX_RANGES, spans)
            expect(all(0 <= span.start < span.end <= size for span in spans), spans, size)
            ordered = sorted(spans)
            for one, other in itertools.pairwise(ordered):
                expect(one.end < other.start, spans)
            expect(len(part_heads(spans, b"a/b", size, b"x")) == len(spans) + 1, spans)


def check_conditions(given: bytes) -> None:
    """Any condition comes to an answer; one that names the tag holds."""
    tag, values = b'"1-2"', lines_of(given)
    names = (b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since")
    asked = {name: [value] for name, value in zip(names, values, strict=False) if value}
    expect(condition_status(asked, tag, 1_000_000) in (200, 304, 412), asked)
    for value in values:
        expect(isinstance(range_holds([value], tag, 1_000_000), bool), value)
        seconds = http_date(value)
        expect(seconds is None or isinstance(seconds, int), value)
        named = {b"if-none-match": [value, tag]}
        if value == b"" or value.strip(b", \t") == b"":
            expect(condition_status(named, tag, 0) == 304, value)


def check_codings(given: bytes) -> None:
    """One of what is offered, never one that the client refuses in so many words."""
    values = lines_of(given)
    chosen = best_coding(values, OFFERED)
    expect(chosen in (None, IDENTITY, *OFFERED), chosen)
    if chosen in OFFERED:
        said = b",".join(values).lower()
        expect(str(chosen).encode() in said or b"*" in said, chosen, said)
    expect(best_coding([b"br;q=0," + given], ("br",)) != "br", given)


def check_paths(given: bytes) -> None:
    """Names of files lead nowhere but into their folder."""
    segments = safe_segments(given.decode("utf-8", "replace"))
    for segment in segments or ():
        expect(segment not in ("", ".", "..") and not set(segment) & set("/\\\0"), segments)


def check_offers(given: bytes) -> None:
    """A handshake's lists are read or refused; what is answered is what the RFC allows."""
    names = (
        *(b"sec-websocket-extensions", b"sec-websocket-protocol", b"origin"),
        *(b"host", b"upgrade", b"connection", b"sec-websocket-key"),
    )
    headers = tuple((names[line[0] % len(names)], line[1:].strip())
                    for line in lines_of(given) if line)  # fmt: skip
    head = RequestHead("GET", "/", b"", "1.1", headers)
    try:
        check_handshake(head, Peer(("192.0.2.9", 7), scheme="https"), ("same", "null"))
        list(offered(head))
        window = agreed_window(head)
    except RequestRefused as refused:
        expect(refused.status in (400, 403), refused)
        return
    expect(window == 0 or 8 <= window <= 15, window)
    if window:
        expect(terms(window).isascii(), window)
        _check_deflate(given, window)
    raw = canonical_head(head)
    expect(raw.count(b"\r\n\r\n") == 1 and raw.endswith(b"\r\n\r\n"), raw)


def _check_deflate(given: bytes, window: int) -> None:
    content = given * 40
    frame = deflated_frame(unmasked_frame(2, content), window)
    if frame[0] & 0x40:
        start = {126: 4, 127: 10}.get(frame[1], 2)
        stream = zlib.decompressobj(-max(window, 9))
        expect(stream.decompress(frame[start:] + b"\0\0\xff\xff") == content, window)


def check_inflate(given: bytes) -> None:
    """A compressed message is whole or refused, within its bound, however it is cut."""
    verdicts = []
    for pieces in cuts(given):
        inflater, content = Inflater(LIMIT_BYTES), b""
        try:
            inflater.start_decompress_message()
            for piece in pieces:
                content += inflater.decompress_message_data(piece)
            inflater.end_decompress_message()
            verdicts.append(content)
        except (PayloadCorruptError, PayloadExceededError):
            verdicts.append(None)
        expect(len(content) <= LIMIT_BYTES, len(content))
    expect(verdicts.count(verdicts[0]) == len(verdicts), verdicts)


def check_settings(given: bytes) -> None:
    """Any text for a setting is taken or refused with a word that says what was expected."""
    text = given.decode("utf-8", "replace")
    for read in SETTINGS:
        with contextlib.suppress(click.BadParameter):
            expect(isinstance(read(text), str | int), read, text)


def _packed(content: bytes) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (stream.compress(content) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]


_OFFER = b"permessage-deflate; client_max_window_bits; server_max_window_bits=10"
_MARKS = (b",", b";", b"=", b'"', b"-", b":", b"[", b"]", b"*", b"\n", b" ", b"\t", b"\\", b"/")

TARGETS = (
    Target(
        "ranges",
        check_ranges,
        [b"bytes=0-0", b"bytes=-5", b"bytes=9500-", b"bytes=0-1,300-400, 9-20", b"bytes=1-2,,-1"],
        (*_MARKS, b"bytes=", b"0-", b"-1", b"999999999999999999", b"0-49"),
    ),
    Target(
        "conditions",
        check_conditions,
        [
            b'"1-2", W/"3"\n*\nSun, 06 Nov 1994 08:49:37 GMT\nSunday, 06-Nov-94 08:49:37 GMT',
            b'W/"1-2"\n"a,b"\nSun Nov  6 08:49:37 1994\nSun, 06 Nov 1994 08:49:37 +9999',
        ],
        (*_MARKS, b'W/"', b'"1-2"', b"GMT", b"1994", b"99999", b"Nov", b"+9999", b"-2359", b"0001"),
    ),
    Target(
        "codings",
        check_codings,
        [b"gzip, br;q=0.5, *;q=0", b"identity;q=0", b"x-gzip;Q=1.000\nzstd", b""],
        (*_MARKS, b"q=0", b"q=0.001", b"q=1.", b"gzip", b"br", b"identity", b"*"),
    ),
    Target(
        "paths",
        check_paths,
        [b"a/b.css", b"../../etc/passwd", b"a//b", b".hidden", b"a/%2e%2e/b"],
        (*_MARKS, b"..", b"/", b".", b"\x00", "․．∕".encode()),
    ),
    Target(
        "offers",
        check_offers,
        [
            b"\x00" + _OFFER + b"\n\x01chat, superchat\n\x02https://a\n\x03a",
            b"\x00x; a=\"b\"\n\x02null",
        ],
        (*_MARKS, _OFFER, b"\n\x00", b"\n\x02https://", b"\x02http://[", b"permessage-deflate"),
    ),
    Target(
        "inflate",
        check_inflate,
        [_packed(b"hello"), _packed(b"a" * 900), _packed(b"a" * 5000), b"", b"\x03\x00", b"\x00"],
        (b"\x00", b"\x00\x00\xff\xff", b"\x03\x00", b"\x01\x00\x00\xff\xff", b"\xff", b"\x02"),
    ),
    Target(
        "settings",
        check_settings,
        [b"10.0.0.0/8", b"64k", b"/board/", b"https://example.org", b"http://[", b"16MiB"],
        (*_MARKS, b"k", b"http://", b"null", b"::1/128", b"\xd9\xa3", b"any"),
    ),
)  # fmt: skip
