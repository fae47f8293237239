"""What typed messages have in common: their kind, values by type, headers, close codes.

Knows no message; which keys there are says `messages.py`.
"""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from shared.errors import InvalidMessage


class Message(Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """A message, or a part of one; its fields are the keys on the wire."""


Headers = tuple[tuple[bytes, bytes], ...]
"""(name, value) pairs, names in lower case, order and duplicates kept."""

_HEADER_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_KNOWN_NAMES: set[bytes] = set()
"""Names that were found to be tokens: a site has few of them, and each response has some."""

_MAX_KNOWN_NAMES, _LONGEST_KNOWN = 256, 64
"""So many of them, each of so many bytes at most; ours."""

_KNOWN_HEADERS: dict[Headers, Headers] = {}
"""Headers of whole responses that were found to be good: most responses of a site have one of a
few sets of them."""

_MAX_KNOWN_HEADERS, _LONGEST_HEADERS = 256, 512
"""So many sets, each of so many bytes at most, then all are forgotten; ours."""

_SECRETS = frozenset({b"set-cookie"})
"""Names of headers that are not kept longer than their response takes."""

_HEADER_VALUE = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f]*")


def check_headers(pairs: Any) -> Headers:
    """The pairs as a tuple when each is (token, bytes without control characters).

    Raises: InvalidMessage with key `headers`.
    """
    try:
        return _KNOWN_HEADERS[pairs]
    except (KeyError, TypeError):  # new, or a list
        pass
    headers = tuple([_header(pair) for pair in pairs])
    if may_be_kept(headers):
        if len(_KNOWN_HEADERS) >= _MAX_KNOWN_HEADERS:
            _KNOWN_HEADERS.clear()
        _KNOWN_HEADERS[headers] = headers
    return headers


def may_be_kept(headers: Headers) -> bool:
    """Whether something may be remembered of these: they are short and hold no secret."""
    size_bytes = sum([len(name) + len(value) for name, value in headers])
    return size_bytes <= _LONGEST_HEADERS and _SECRETS.isdisjoint([name for name, _ in headers])


def _header(pair: Any) -> tuple[bytes, bytes]:
    if not isinstance(pair, (list, tuple)) or len(pair) != 2:
        raise InvalidMessage("headers", "pairs of [name bytes, value bytes]", pair)
    name, value = pair
    if not isinstance(name, bytes) or not isinstance(value, bytes):
        raise InvalidMessage("headers", "pairs of [name bytes, value bytes]", pair)
    if name not in _KNOWN_NAMES:
        if not _HEADER_NAME.fullmatch(name):
            raise InvalidMessage("headers", "a token as name (RFC 9110 section 5.6.2)", pair)
        if len(_KNOWN_NAMES) < _MAX_KNOWN_NAMES and len(name) <= _LONGEST_KNOWN:
            _KNOWN_NAMES.add(name)
    if not _HEADER_VALUE.fullmatch(value):
        raise InvalidMessage("headers", "a value without control characters", pair)
    return name, value


def close_code(value: bool | int | None) -> int | None:
    """The close code asked for, None when no end is. Raises: InvalidMessage."""
    if value is None or value is False or value == 0:
        return None
    if value is True:
        return 1000
    if value == 1000 or 3000 <= value <= 4999:
        return value
    raise InvalidMessage("close", "True, 1000 or 3000 to 4999", value)


def value_of(
    message: Mapping[str, Any],
    key: str,
    kinds: type | tuple[type, ...],
    expected: str,
    default: Any,
) -> Any:
    """The key's value, the default when absent or None.

    Raises: InvalidMessage when it is not of `kinds`.
    """
    value = message.get(key)
    if value is None:
        return default
    if not isinstance(value, kinds):
        raise InvalidMessage(key, expected, value)
    return value


def no_others(message: Mapping[str, Any], known: frozenset[str]) -> None:
    """Refuse keys that mean nothing here. Raises: InvalidMessage."""
    if not known.issuperset(message):
        key = next(key for key in message if key not in known)
        raise InvalidMessage(str(key), f"one of {sorted(known)}", message[key])
