"""Autobahn echoing in its own process: the line that an echo through the hop is compared with.

`python -m bench.echo PORT`. It limits nothing; it is no server to use.
"""

import sys
from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet import epollreactor

_Protocol: Any = WebSocketServerProtocol


class Echo(_Protocol):  # type: ignore[misc]  # its base is untyped on purpose
    """Sends back what came."""

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803
        """Echo."""
        self.sendMessage(payload, isBinary)


def main() -> None:
    """Serve until the process is ended."""
    epollreactor.install()
    from twisted.internet import reactor

    factory: Any = WebSocketServerFactory()
    factory.protocol = Echo
    listen: Any = reactor
    listen.listenTCP(int(sys.argv[1]), factory, backlog=8192, interface="127.0.0.1")
    listen.run()


if __name__ == "__main__":
    main()
