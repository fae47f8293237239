"""Where a Redis server is, read from its URL; it opens nothing."""

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from shared.errors import ConfigurationError

_DEFAULT_PORT = 6379


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Host, port, database, and the credentials when the server asks for some."""

    host: str
    port: int
    database: int = 0
    user: str = ""
    password: str = ""

    @property
    def shown(self) -> str:
        """The address for log lines, without credentials."""
        return f"{self.host}:{self.port}/{self.database}"


def redis_address(url: str) -> RedisAddress:
    """The address in `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`.

    Raises: ConfigurationError, without the password.
    """
    try:
        parts = urlsplit(url)
        port = _DEFAULT_PORT if parts.port is None else parts.port
        database = int(parts.path.strip("/") or 0)
    except ValueError as error:
        raise ConfigurationError(f"{_EXPECTED}: {error}") from error
    if parts.scheme != "redis" or not parts.hostname or port == 0:
        raise ConfigurationError(f"{_EXPECTED}, got scheme {parts.scheme!r}, port {port}")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return RedisAddress(parts.hostname, port, database, user, password)


_EXPECTED = "expected redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]"
