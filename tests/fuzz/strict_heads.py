"""A second reader of request heads and chunked bodies: slow, strict, by the grammar alone.

It shares no line with the server's: what the server accepts must be the same here. Source: RFC
9112 sections 3, 5, 6 and 7.1; RFC 9110 sections 5.5 and 5.6.2.
"""

import re
from typing import NamedTuple
from urllib.parse import unquote

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_LINE = re.compile(rb"(%b) ([\x21\x22\x24-\x7e]+) HTTP/1\.([01])" % TOKEN)
_FIELD = re.compile(
    rb"(%b):[ \t]*((?:[\x21-\x7e\x80-\xff](?:[\x20\t\x21-\x7e\x80-\xff]*"
    rb"[\x21-\x7e\x80-\xff])?)?)[ \t]*" % TOKEN
)
_NUMBER = re.compile(rb"[0-9]+")
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[^\[\]:@/?#\\\s]*)(:[0-9]*)?")
_ABSOLUTE = re.compile(rb"https?://([^/?]+)(.*)", re.IGNORECASE)


class Strict(NamedTuple):
    """A head by the grammar; `fields` with names in lower case, all of them, in their order."""

    method: str
    path: str
    query: bytes
    version: str
    fields: tuple[tuple[bytes, bytes], ...]
    length: int
    is_chunked: bool


class NotStrict(AssertionError):
    """What is no head by the grammar."""


def strict_head(raw: bytes) -> Strict:
    """The head in `raw`, blank line included. Raises: NotStrict."""
    if not raw.endswith(b"\r\n\r\n"):
        raise NotStrict("no blank line at the end")
    line, *lines = raw[:-4].split(b"\r\n")
    started = _LINE.fullmatch(line)
    if started is None:
        raise NotStrict(f"no request line: {line!r}")
    fields = tuple(_field(each) for each in lines)
    method, target, minor = started[1].decode(), started[2], started[3]
    hosts = [value for name, value in fields if name == b"host"]
    if len(hosts) > 1 or (not hosts and minor == b"1"):
        raise NotStrict(f"{len(hosts)} hosts")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise NotStrict(f"no host: {hosts[0]!r}")
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is not None:
        rest = absolute[2]
        target = rest if rest.startswith(b"/") else b"/" + rest
        fields = ((b"host", absolute[1]), *(pair for pair in fields if pair[0] != b"host"))
    elif not target.startswith(b"/") and (target != b"*" or method != "OPTIONS"):
        raise NotStrict(f"no target: {target!r}")
    path, _, query = target.partition(b"?")
    length, is_chunked = _framing(fields, minor)
    decoded = unquote(path.decode("ascii"), errors="strict")
    return Strict(method, decoded, query, f"1.{minor.decode()}", fields, length, is_chunked)


def strict_chunks(given: bytes) -> tuple[bytes, int] | None:
    """Content and size of the chunked body at the start; None when it is none, or not whole."""
    content, at = b"", 0
    while True:
        end = given.find(b"\r\n", at)
        size = re.match(rb"[0-9A-Fa-f]+(?=[ \t]*(?:;|\Z))", given[at:end]) if end >= 0 else None
        if size is None:
            return None
        at, count = end + 2, int(size[0], 16)
        if count == 0:
            break
        content += given[at : at + count]
        at += count
        if given[at : at + 2] != b"\r\n":
            return None
        at += 2
    while not given.startswith(b"\r\n", at):
        end = given.find(b"\r\n", at)
        if end < 0 or not re.fullmatch(rb"%b:[^\r\n\x00]*" % TOKEN, given[at:end]):
            return None
        at = end + 2
    return content, at + 2


def _field(line: bytes) -> tuple[bytes, bytes]:
    found = _FIELD.fullmatch(line)
    if found is None:
        raise NotStrict(f"no field: {line!r}")
    return found[1].lower(), found[2]


def _framing(fields: tuple[tuple[bytes, bytes], ...], minor: bytes) -> tuple[int, bool]:
    lengths = [value for name, value in fields if name == b"content-length"]
    codings = [value for name, value in fields if name == b"transfer-encoding"]
    if len(lengths) + len(codings) > 1:
        raise NotStrict("a length said twice")
    if codings:
        if codings[0].lower() != b"chunked" or minor == b"0":
            raise NotStrict(f"a coding {codings[0]!r}")
        return 0, True
    if lengths and not _NUMBER.fullmatch(lengths[0]):
        raise NotStrict(f"no length: {lengths[0]!r}")
    return int(lengths[0]) if lengths else 0, False
