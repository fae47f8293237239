"""All places where one process listens: opened together, closed together.

Builds the stack of protocols that a new connection goes through; serves none itself.
"""

from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory

from interface_server.settings import ServerSettings
from shared.errors import ConfigurationError


class Listeners:
    """Listens where `settings` say; connections are made by `factory`."""

    def __init__(self, reactor: Any, settings: ServerSettings, factory: Factory) -> None:
        self._reactor = reactor
        self._settings = settings
        self._factory = factory
        self._ports: list[Any] = []

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses as a person would open them."""
        return tuple(_url(port.getHost()) for port in self._ports)

    def start(self) -> None:
        """Listen. Raises: ConfigurationError when an address cannot be had."""
        host, port = self._settings.host, self._settings.port
        try:
            listening = self._reactor.listenTCP(port, self._factory, self._settings.backlog, host)
        except CannotListenError as error:
            raise ConfigurationError(
                f"cannot listen on {host}:{port}: {error.socketError}"
            ) from error
        self._ports.append(listening)

    def stop(self) -> Deferred[Any]:
        """Take no new connection; fires when every place is closed."""
        ports, self._ports = self._ports, []
        return gatherResults([port.stopListening() for port in ports])


def _url(address: Any) -> str:
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"http://{host}:{address.port}/"
