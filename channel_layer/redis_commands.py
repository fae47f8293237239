"""Commands as the bytes that Redis reads; sends none.

Source: Redis serialization protocol, "arrays".
"""

from collections.abc import Iterable


def packed(parts: Iterable[bytes]) -> bytes:
    """One command."""
    strings = [b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]
    return b"*%d\r\n%b" % (len(strings), b"".join(strings))
