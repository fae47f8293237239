"""A bare Twisted + httptools responder: the line that the hop is compared with.

`python -m bench.bare PORT ready|rendered`: the page made beforehand, or rendered for each request.
It checks nothing and limits nothing; it is no server to use.
"""

import sys
from collections.abc import Callable

from twisted.internet import epollreactor, protocol

from bench.page import page


class Responder(protocol.Protocol):
    """Answers every request of a connection with the page."""

    def __init__(self, content: Callable[[], bytes], parser: type) -> None:
        self._content = content
        self._parser = parser(self)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Feed the parser."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Answer; called by the parser."""
        content = self._content()
        assert self.transport is not None
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(content), content)
        )


def main() -> None:
    """Serve until the process is ended."""
    epollreactor.install()
    import httptools
    from twisted.internet import reactor

    port, kind = int(sys.argv[1]), sys.argv[2]
    ready = page()
    content = page if kind == "rendered" else lambda: ready

    class Site(protocol.Factory):
        noisy = False

        def buildProtocol(self, _: object) -> Responder:  # noqa: N802
            return Responder(content, httptools.HttpRequestParser)

    reactor.listenTCP(port, Site(), backlog=1024, interface="127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main()
