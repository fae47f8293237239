"""Reads the header Forwarded of RFC 7239: what each proxy on the way says of who asked it.

Believes nobody; that is decided in `proxies.py`.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PAIR = re.compile(
    rb"[ \t]*+(" + _TOKEN + rb")=(?:(" + _TOKEN + rb')|"((?:[^"\\\x00-\x08\x0a-\x1f\x7f]|'
    rb'\\[\t -~])*+)")[ \t]*+([;,]|$)'
)
_ESCAPE = re.compile(rb"\\(.)")


class Hop(NamedTuple):
    """One element: the parameters that this server knows, empty where it does not have them."""

    node: bytes = b""
    proto: bytes = b""
    host: bytes = b""


def hops(values: Sequence[bytes]) -> list[Hop]:
    """The elements in order, the nearest proxy's last; none if anything is malformed or said
    twice. Source: RFC 7239 section 4."""
    text = b",".join(values)
    found: list[Hop] = []
    known: dict[bytes, bytes] = {}
    at = 0
    while True:
        match = _PAIR.match(text, at)
        if match is None:
            return []
        name = match[1].lower()
        if name in known:
            return []
        known[name] = match[2] if match[2] is not None else _ESCAPE.sub(rb"\1", match[3])
        at = match.end()
        if match[4] != b";":
            found.append(
                Hop(known.get(b"for", b""), known.get(b"proto", b""), known.get(b"host", b""))
            )
            known = {}
        if not match[4]:
            return found
