"""A real interface server process and a tiny worker for tests over real Valkey; asserts nothing."""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import httpx

import channel_layer
from channel_layer.layer import Done, Entry, Operation, Send, SendReceipt
from shared import codec
from shared.messages import Receipt
from tests.parts import Part

Handler = Callable[[dict[str, Any], Entry], Sequence[Operation]]

SOCKET_CHANNELS = ("websocket.connect", "websocket.receive", "websocket.disconnect")


def reply(message: dict[str, Any], **content: Any) -> Send:
    """A reply to the event or request `message`."""
    return Send(message["reply_channel"], codec.pack(content))


def accept(message: dict[str, Any], _: Entry) -> list[Operation]:
    """Let every socket in."""
    return [reply(message, accept=True)]


def echo(message: dict[str, Any], _: Entry) -> list[Operation]:
    """Send a frame back."""
    if message.get("text") is not None:
        return [reply(message, text=message["text"])]
    return [reply(message, bytes=message["bytes"])]


def nothing(message: dict[str, Any], _: Entry) -> list[Operation]:
    """Do nothing."""
    return []


class ToyWorker(threading.Thread):
    """Takes entries, calls the handler of their channel, commits what it gives with a receipt.

    What it saw stands in `seen`, in order; `state` goes back with each receipt when it is set.
    """

    def __init__(self, url: str, prefix: str, handlers: dict[str, Handler], name: str = "w1"):
        super().__init__(daemon=True, name=name)
        self.layer = channel_layer.connect(url, prefix=prefix)
        self.handlers = handlers
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self.state: bytes | None = None
        self._changed = threading.Condition()
        self._ending = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._ending.is_set():
            entries = self.layer.take(self.name, tuple(self.handlers), 20, 2000)
            done = [Done(entry.id, self._handle(entry)) for entry in entries]
            if done:
                self.layer.commit(self.name, done)

    def _handle(self, entry: Entry) -> tuple[Operation, ...]:
        message = codec.unpack(entry.payload)
        operations = list(self.handlers[entry.channel](message, entry))
        with self._changed:
            self.seen.append((entry.channel, message))
            self._changed.notify_all()
        if entry.receipt:
            receipt = codec.encode(Receipt("done", state=self.state))
            operations.append(SendReceipt(entry.receipt, receipt, entry.order))
        return tuple(operations)

    def of(self, channel: str) -> list[dict[str, Any]]:
        """What it saw on one channel."""
        return [message for name, message in list(self.seen) if name == channel]

    def wait_for(self, fact: Callable[["ToyWorker"], bool], timeout_s: float = 10.0) -> None:
        """Return when `fact` holds, which is looked at after each entry."""
        with self._changed:
            assert self._changed.wait_for(lambda: fact(self), timeout_s), f"saw {self.seen}"

    def stop(self) -> None:
        """End after what is in hand."""
        self._ending.set()
        self.layer.unblock()
        self.join(10)
        self.layer.close()


class ServerProcess:
    """`python -m interface_server` on a free port."""

    module = "interface_server"

    def __init__(self, url: str, prefix: str, *options: str) -> None:
        environment = {"REDIS_URL": url, "CHANNELS_PREFIX": prefix}
        given = ("--port", "0", "--metrics", "0", *options)
        self.part = Part.module(self.module, *given, env=environment)
        listens = self.part.wait_for(r"listens on http(s?)://([^/]+)/")
        self._s, self.address = listens[1], listens[2]
        self.metrics = self.part.wait_for(r"metrics at (http://[^/]+)/metrics")[1]

    @property
    def http(self) -> str:
        """The address of pages."""
        return f"http{self._s}://{self.address}"

    @property
    def ws(self) -> str:
        """The address of sockets."""
        return f"ws{self._s}://{self.address}"

    @property
    def log(self) -> str:
        """Everything that it wrote."""
        return self.part.text

    def health(self) -> dict[str, Any]:
        """What /healthz says beside the metrics."""
        said: dict[str, Any] = httpx.get(self.metrics + "/healthz").json()
        return said

    def wait_for_health(self, fact: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """What /healthz says once `fact` holds of it."""
        for _ in range(500):
            said = self.health()
            if fact(said):
                return said
            threading.Event().wait(0.02)
        raise AssertionError(said)


def start_server(started: ExitStack, url: str, prefix: str, *options: str) -> ServerProcess:
    """A server that ends with `started`."""
    server = ServerProcess(url, prefix, *options)
    started.callback(server.part.stop)
    return server


def start_worker(
    started: ExitStack, url: str, prefix: str, handlers: dict[str, Handler], name: str = "w1"
) -> ToyWorker:
    """A worker that ends with `started`."""
    worker = ToyWorker(url, prefix, handlers, name)
    started.callback(worker.stop)
    return worker
