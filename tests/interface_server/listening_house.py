"""A site behind real listeners; asserts nothing."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from twisted.internet import reactor
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    UNIXClientEndpoint,
    connectProtocol,
)

from interface_server.listening.listeners import Listeners
from interface_server.listening.stack import Stack
from interface_server.wires import wait
from shared.addresses import TcpPlace
from tests.interface_server.answering import Client, Site, page

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
ANY = TcpPlace("127.0.0.1", 0)


class House:
    """A site behind real listeners, and clients that end with it."""

    def __init__(self, **settings: Any) -> None:
        self.site = Site(page, **settings)
        self.listeners = Listeners(reactor, self.site.settings, Stack(self.site.parts))
        self.listeners.start()
        self.clients: list[Client] = []

    async def connect(self, number: int = 0) -> Client:
        """A client at the place of that number."""
        url = self.listeners.urls[number]
        if url.startswith("unix:"):
            endpoint: Any = UNIXClientEndpoint(reactor, url.removeprefix("unix:"))
        else:
            host, _, port = url.removeprefix("http://").rstrip("/").rpartition(":")
            kind = TCP6ClientEndpoint if "[" in host else TCP4ClientEndpoint
            endpoint = kind(reactor, host.strip("[]"), int(port))
        self.clients.append(await connectProtocol(endpoint, Client()))
        return self.clients[-1]

    async def end(self) -> None:
        await self.listeners.stop()
        for client in self.clients:
            if not client.is_closed:
                client.transport.abortConnection()
                await client.closed()
        await until(lambda: self.site.parts.connection_count == 0)


async def until(fact: Callable[[], bool]) -> None:
    """Wait for what nobody tells the site's gateway."""
    while not fact():
        await wait(reactor, 0.005)


@asynccontextmanager
async def listening(**settings: Any) -> AsyncIterator[House]:
    house = House(**settings)
    try:
        yield house
    finally:
        await house.end()
