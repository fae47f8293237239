"""What a new connection goes through at each listener, from the socket up to the protocol.

The order: accepted by a door, PROXY protocol, TLS, choice of protocol, HTTP. Listens nowhere.
"""

import time

from twisted.internet.protocol import Factory

from interface_server.http1 import HttpFactory
from interface_server.http2 import h2c_maker, tls_maker
from interface_server.http_parts import HttpParts
from interface_server.listening.opening import Kind, Listener
from interface_server.listening.protocol_choice import ChoiceFactory, HttpProtocols
from interface_server.listening.proxy_protocol import ProxyHeaderFactory
from interface_server.listening.redirects import RedirectParts
from interface_server.listening.tls_handshake import TlsFactory
from interface_server.listening.tls_pairs import Pair, TlsContexts
from interface_server.proxies import TrustedProxies


class Stack:
    """Makes the factory of each listener; `parts` is what all its connections share.

    Raises: ConfigurationError when the certificates cannot be used, or an extra is missing.
    """

    def __init__(self, parts: HttpParts) -> None:
        settings = parts.gateway.settings
        self._parts = parts
        self._redirects = RedirectParts(parts)
        self._https = HttpProtocols(parts, "https", tls_maker(settings))
        self._h2c = h2c_maker(settings)
        self._contexts: TlsContexts | None = None
        if settings.tls_cert:
            pairs = tuple(map(Pair, settings.tls_cert, settings.tls_key))
            self._contexts = TlsContexts(
                pairs, settings.tls_min_version, self._https.alpn, time.time
            )

    def factory(self, listener: Listener) -> Factory:
        """The outermost factory for connections that come in at `listener`."""
        if listener.kind is Kind.REDIRECT:
            return HttpFactory(self._redirects)
        inner = self._spoken(listener)
        return ProxyHeaderFactory(self._parts, inner) if listener.has_proxy_header else inner

    @property
    def proxies(self) -> TrustedProxies:
        """Who may speak for others."""
        return self._parts.proxies

    def count(self, what: str) -> None:
        """Raise a counter of the process."""
        self._parts.gateway.count(what)

    def _spoken(self, listener: Listener) -> Factory:
        """TLS and what is above it."""
        if listener.is_tls and listener.kind is Kind.ENDPOINT:
            return ChoiceFactory(self._https)
        if listener.is_tls and self._contexts is not None:
            return TlsFactory(self._contexts, self._https)
        if self._h2c is not None:
            http = HttpProtocols(self._parts, "http", self._h2c)
            return ChoiceFactory(http, by_first_bytes=True)
        return HttpFactory(self._parts)

    def reload(self) -> None:
        """Read the certificates again; connections keep theirs, and broken files change nothing."""
        if self._contexts is not None:
            self._contexts.reload()

    def scheme(self, listener: Listener) -> str:
        """What the addresses of this listener begin with."""
        return "https" if listener.is_tls else "http"
