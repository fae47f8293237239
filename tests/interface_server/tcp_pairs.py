"""A connection over real TCP: a protocol on the reactor, and its other end as a plain socket."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater


@contextmanager
def connected(protocol: Callable[[], Protocol]) -> Iterator[socket.socket]:
    """The other end of one connection to what `protocol` makes; reading it never blocks."""
    factory = Factory.forProtocol(protocol)  # type: ignore[arg-type]
    factory.noisy = False
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")  # type: ignore[attr-defined]
    client = socket.create_connection(("127.0.0.1", port.getHost().port))
    client.setblocking(False)
    yield client
    client.close()
    port.stopListening()


async def read(client: socket.socket, size: int) -> bytes:
    """Exactly `size` bytes, read while the reactor runs."""
    got = b""
    while len(got) < size:
        try:
            part = client.recv(65536)
            assert part, f"ended after {len(got)} of {size}"
            got += part
        except BlockingIOError:
            await deferLater(reactor, 0.001)  # type: ignore[arg-type]
    return got
