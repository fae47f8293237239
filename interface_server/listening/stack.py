"""What a new connection goes through at each listener, from the socket up to the protocol.

The order: accepted by a door, PROXY protocol, TLS, choice of protocol, HTTP. Listens nowhere.
"""

from twisted.internet.protocol import Factory

from interface_server.http1 import HttpFactory
from interface_server.http_parts import HttpParts
from interface_server.listening.opening import Listener


class Stack:
    """Makes the factory of each listener; `parts` is what all its connections share."""

    def __init__(self, parts: HttpParts) -> None:
        self._parts = parts

    def factory(self, listener: Listener) -> Factory:
        """The outermost factory for connections that come in at `listener`."""
        return HttpFactory(self._parts, self.scheme(listener))

    def scheme(self, listener: Listener) -> str:
        """What the addresses of this listener begin with."""
        return "https" if listener.is_tls else "http"
