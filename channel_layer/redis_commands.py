"""Commands as the bytes that Redis reads; sends none.

Source: Redis serialization protocol, "arrays".
"""

from collections.abc import Iterable
from typing import NamedTuple


class Arguments(NamedTuple):
    """What goes behind the key of a function's call: so many packed strings."""

    number: int
    packed: bytes


def packed(parts: Iterable[bytes]) -> bytes:
    """One command."""
    strings = [b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]
    return b"*%d\r\n%b" % (len(strings), b"".join(strings))


def packed_string(string: bytes) -> bytes:
    """One string of a command."""
    return b"$%d\r\n%b\r\n" % (len(string), string)


def packed_call(function: bytes, key: bytes, arguments: Arguments) -> bytes:
    """The call of a function with one key."""
    return b"*%d\r\n$5\r\nFCALL\r\n$%d\r\n%b\r\n$1\r\n1\r\n$%d\r\n%b\r\n%b" % (
        *(4 + arguments.number, len(function), function, len(key), key, arguments.packed),
    )
