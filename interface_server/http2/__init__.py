"""HTTP/2: connections whose requests run through the same exchanges as HTTP/1.1's.

Frames and HPACK are the `h2` library's, an extra; nothing here is imported where it is missing.
"""

from collections.abc import Callable
from importlib.util import find_spec

from twisted.internet.protocol import Protocol

from interface_server.http_parts import HttpParts
from interface_server.settings import ServerSettings
from shared.errors import ConfigurationError

Maker = Callable[[HttpParts, str], Protocol]
"""Makes the protocol of one connection that came by a scheme, `http` or `https`."""


def is_installed() -> bool:
    """Whether the extra is there."""
    return find_spec("h2") is not None


def tls_maker(settings: ServerSettings) -> Maker | None:
    """What makes the connections that TLS agreed on; None where HTTP/2 is not to be offered."""
    return _connection if settings.http2 and is_installed() else None


def h2c_maker(settings: ServerSettings) -> Maker | None:
    """The same for connections without TLS, by `--h2c`. Raises: ConfigurationError."""
    if not settings.h2c:
        return None
    if not is_installed():
        raise ConfigurationError(
            "--h2c: expected the package h2, which is not installed; "
            "pip install 'channels-board[http2]'"
        )
    return _connection


def _connection(parts: HttpParts, scheme: str) -> Protocol:
    from interface_server.http2.connection import Http2Connection

    return Http2Connection(parts, scheme)
