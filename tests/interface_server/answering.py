"""An HTTP server on a free port whose workers are a function of the test, and a bare client.

The gateway is the other side of the seam: it keeps the order of what it is told and says what a
layer would say. It needs no broker; what goes over a real one is tested in tests/system.
"""

import io
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import h11
from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone

from channel_layer.answers import Outcome, Verdict
from channel_layer.layer import Drop, Entry, Kind, Operation, Send
from interface_server.coalescing import Coalescer
from interface_server.gateway import Receiver
from interface_server.http1 import HttpFactory
from interface_server.http_parts import HttpParts
from interface_server.proxies import Peer
from interface_server.seeing.figures import Figures
from interface_server.settings import ServerSettings
from interface_server.static_files import StaticFiles
from shared import codec
from shared.access_log import AccessLog
from shared.messages import BodyChunk, HttpRequest, Receipt

Worker = Callable[["Site", HttpRequest], None]


class Site:
    """A Gateway whose requests go to `worker(site, request)`."""

    def __init__(self, worker: Worker, **settings: Any) -> None:
        self.settings = ServerSettings(**settings)
        self.lines = io.StringIO()
        self.access_log = AccessLog(self.lines, True, time.time)
        self.coalescer = Coalescer()
        given = self.settings.static or self.settings.media
        self.static = StaticFiles(self.settings.static, self.settings.media) if given else None
        self.figures = Figures()
        self.unready: str | None = None
        self.requests: list[HttpRequest] = []
        self.operations: list[Operation] = []
        self.counters: Counter[str] = Counter()
        self.receivers: dict[str, Receiver] = {}
        self.held: set[Any] = set()
        self.upgrades: list[tuple[bytes, bytes]] = []
        self.bodies: dict[str, list[BodyChunk]] = {}
        self.verdicts: list[Verdict] = []
        self.failure: Exception | None = None
        self.parts = HttpParts(self, reactor)
        self._worker = worker
        self._numbers = itertools.count(1)
        self._waiting: list[tuple[Callable[[], bool], Deferred[None]]] = []

    def new_reply_channel(self) -> str:
        return f"server.response.test!{next(self._numbers)}"

    def register(self, channel: str, receiver: Receiver) -> None:
        self.receivers[channel] = receiver

    def unregister(self, channel: str) -> None:
        self.receivers.pop(channel, None)
        self._changed()

    def hold(self, held: Any) -> None:
        self.held.add(held)
        self._changed()

    def let_go(self, held: Any) -> None:
        self.held.discard(held)
        self._changed()

    def perform(self, operation: Operation) -> Deferred[Outcome]:
        if self.failure is not None:
            return fail(self.failure)
        self.operations.append(operation)
        verdict = self.verdicts.pop(0) if self.verdicts else Verdict.DONE
        if verdict is Verdict.DONE:
            self._take(operation)
        self._changed()
        return succeed(Outcome(verdict))

    def submit(self, operation: Operation, trouble: Callable[[Outcome | Exception], None]) -> None:
        def heard(outcome: Outcome) -> None:
            if outcome.verdict is not Verdict.DONE:
                trouble(outcome)

        self.perform(operation).addCallbacks(heard, lambda failure: trouble(failure.value))

    def _take(self, operation: Operation) -> None:
        if isinstance(operation, Drop):
            self.bodies.pop(operation.channel, None)
        elif isinstance(operation, Send) and operation.channel == "http.request":
            request = codec.decode_http_request(operation.payload)
            self.requests.append(request)
            reactor.callLater(0, self._worker, self, request)
        elif isinstance(operation, Send) and "?" in operation.channel:
            chunk = codec.decode_body_chunk(operation.payload)
            self.bodies.setdefault(operation.channel, []).append(chunk)

    def new_request_id(self) -> str:
        return f"id{next(self._numbers)}"

    def wall_clock(self) -> float:
        return time.time()

    def upgraded(self, transport: Any, head: bytes, rest: bytes, seen: Peer) -> Any:
        self.upgrades.append((head, rest))
        echo = Echo()
        echo.makeConnection(transport)
        if rest:
            echo.dataReceived(rest)
        return echo

    def unready_reason(self) -> str | None:
        return self.unready

    def count(self, what: str) -> None:
        self.counters[what] += 1
        self._changed()

    # what a test's worker says

    def reply(self, request: HttpRequest, message: dict[str, Any]) -> None:
        """Put a message on the request's reply channel."""
        self.raw_reply(request, codec.pack(message))

    def raw_reply(self, request: HttpRequest, payload: bytes) -> None:
        """The same with bytes of the test's own."""
        receiver = self.receivers.get(request.reply_channel)
        if receiver is not None:
            receiver.reply(Entry(1, Kind.MESSAGE, request.reply_channel, payload))

    def receipt(self, request: HttpRequest, kind: str, later: bool = False) -> None:
        """Say what became of the request."""
        receiver = self.receivers.get(request.reply_channel)
        if receiver is not None:
            payload = codec.encode(Receipt(kind, later))
            receiver.receipt(Entry(2, Kind.RECEIPT, request.reply_channel, payload))

    def until(self, fact: Callable[[], bool]) -> Deferred[None]:
        """Fire once `fact()` holds; looked at whenever this gateway is told something."""
        waiting: Deferred[None] = Deferred()
        self._waiting.append((fact, waiting))
        self._changed()
        return waiting

    def _changed(self) -> None:
        for fact, waiting in tuple(self._waiting):
            if fact():
                self._waiting.remove((fact, waiting))
                reactor.callLater(0, waiting.callback, None)


class NoSocket:
    """Stands for the socket of a handshake about which no worker was asked."""

    is_with_workers = False


class Echo(Protocol):
    """Stands for the protocol that a handshake is handed to."""

    socket = NoSocket()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self.transport.write(b"echo:" + data)


class Client(Protocol):
    """A client that sends bytes as they are and keeps all that comes."""

    def __init__(self) -> None:
        self.received = b""
        self.is_closed = False
        self._waiting: list[tuple[Callable[[], bool], Deferred[None]]] = []

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self.received += data
        self._changed()

    def connectionLost(self, reason: Any = connectionDone) -> None:  # noqa: N802
        self.is_closed = True
        self._changed()

    def send(self, data: bytes) -> None:
        self.transport.write(data)

    def until(self, fact: Callable[[], bool]) -> Deferred[None]:
        waiting: Deferred[None] = Deferred()
        self._waiting.append((fact, waiting))
        self._changed()
        return waiting

    def closed(self) -> Deferred[None]:
        return self.until(lambda: self.is_closed)

    async def ask(self, data: bytes, method: bytes = b"GET") -> "Response":
        """Send one request and take its response."""
        self.send(data)
        return await self.response(method)

    async def response(self, method: bytes = b"GET") -> "Response":
        """The next whole response; an incomplete one at the connection's end fails."""
        await self.until(lambda: self.is_closed or _parsed(self, method) is not None)
        parsed = _parsed(self, method)
        assert parsed is not None, self.received
        response, self.received = parsed
        return response

    def _changed(self) -> None:
        for fact, waiting in tuple(self._waiting):
            if fact():
                self._waiting.remove((fact, waiting))
                reactor.callLater(0, waiting.callback, None)


class Response:
    """A response as h11 reads it."""

    def __init__(self, head: Any, body: bytes) -> None:
        self.status: int = head.status_code
        self.headers: dict[bytes, bytes] = dict(head.headers)
        self.pairs = list(head.headers)
        self.body = body


def _parsed(client: Client, method: bytes) -> tuple[Response, bytes] | None:
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    reader.send(h11.EndOfMessage())
    if not client.received:
        return None
    reader.receive_data(client.received)
    if client.is_closed:
        reader.receive_data(b"")
    head, body = None, b""
    while True:
        event = reader.next_event()
        if event is h11.NEED_DATA or event is h11.PAUSED:
            return None
        if isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return Response(head, body), reader.trailing_data[0]
        elif isinstance(event, h11.ConnectionClosed):
            return None


def page(site: Site, request: HttpRequest) -> None:
    """A worker that answers with method and path."""
    site.reply(request, answer(f"{request.method} {request.path}".encode()))
    site.receipt(request, "done")


def answer(content: bytes, status: int = 200, **more: Any) -> dict[str, Any]:
    """A response message."""
    return {"status": status, "headers": [[b"x-worker", b"1"]], "content": content, **more}


@asynccontextmanager
async def serving(worker: Worker, **settings: Any) -> AsyncIterator[tuple[Site, Any]]:
    """A site that listens, and a function that gives a connected client."""
    site = Site(worker, **settings)
    async with clients_of(site, HttpFactory(site.parts), Client) as connect:
        yield site, connect


@asynccontextmanager
async def clients_of(
    site: Site, factory: Factory, make: Callable[..., Client]
) -> AsyncIterator[Any]:
    """A function that gives a connected client of what `factory` makes; all end with the block."""
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    clients: list[Client] = []

    async def connect(**more: Any) -> Client:
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
        clients.append(await connectProtocol(endpoint, make(**more)))
        return clients[-1]

    try:
        yield connect
    finally:
        await port.stopListening()
        for client in clients:
            if not client.is_closed:
                client.transport.abortConnection()
                await client.closed()
        if site.parts.connection_count:
            ended = site.parts.drain()
            site.parts.abort_all()
            await ended
