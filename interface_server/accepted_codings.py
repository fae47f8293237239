"""Which content coding a client likes best among those at hand.

Reads Accept-Encoding; encodes nothing (`content_coding.py`) and looks for no file.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

IDENTITY = "identity"

MAX_REMEMBERED = 200
"""Bytes of a header that is remembered with what it means; browsers send some 25. Ours."""

_ELEMENT = re.compile(
    rb"[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*"
    rb"(?:;[ \t]*[qQ]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*)?"
)
_ALIASES = {"x-gzip": "gzip"}
"""Source: RFC 9110 section 8.4.1.3."""

_UNSAID = 0.0001
"""The weight of plain content where the header does not speak of it: below every other."""


def best_coding(values: Sequence[bytes], offered: Iterable[str]) -> str | None:
    """One of `offered` or IDENTITY; None when the client accepts neither.

    `values` are the Accept-Encoding headers; without one plain content is meant. Where weights
    are equal the first in `offered` counts, and plain content last.
    Source: RFC 9110 section 12.5.3.
    """
    if not values:
        return IDENTITY
    weights = _weights(values)
    rest = weights.get("*", 0.0)
    best, most = IDENTITY, weights.get(IDENTITY, weights.get("*", _UNSAID))
    is_plain = True
    for coding in offered:
        weight = weights.get(coding, rest)
        if weight > most or (is_plain and weight and weight == most):
            best, most, is_plain = coding, weight, False
    return best if most else None


def _weights(values: Sequence[bytes]) -> Mapping[str, float]:
    said = values[0] if len(values) == 1 else b",".join(values)
    return _remembered(said) if len(said) <= MAX_REMEMBERED else _read(said)


def _read(said: bytes) -> Mapping[str, float]:
    """Weight by coding, in lower case; an element that cannot be read counts for nothing."""
    weights: dict[str, float] = {}
    for element in said.split(b","):
        match = _ELEMENT.fullmatch(element)
        if match is not None:
            coding = match[1].decode("ascii").lower()
            weight = 1.0 if match[2] is None else float(match[2])
            weights.setdefault(_ALIASES.get(coding, coding), weight)
    return weights


_remembered = lru_cache(maxsize=256)(_read)
