"""A worker that answers each request with what it was asked, for the conformance vectors.

/slow             its answer comes behind the one to the next request
/stream           two pieces; /stream/STATUS the same with that status
/status/STATUS    that status, with content
/length           announces a Content-Length that is not its content's
/hop              headers that mean one connection only
/inject/KIND      headers that would break the framing
"""

from typing import Any

from channel_layer.layer import Entry, Operation, Send, SendReceipt
from shared import codec
from shared.messages import Receipt
from tests.interface_server.conformance.vector import seen
from tests.interface_server.real_server import Handler, ToyWorker

_CONTENT = b"what no such answer may have"
_INJECTED: dict[str, list[bytes]] = {
    "/inject/value": [b"x-a", b"b\r\nx-evil: 1"],
    "/inject/lf": [b"x-a", b"b\nx-evil: 1"],
    "/inject/name": [b"x-a: b\r\nx-evil", b"1"],
    "/inject/nul": [b"x-a", b"b\x00c"],
}
_HOP = [
    [b"connection", b"upgrade"],
    [b"keep-alive", b"timeout=5"],
    [b"transfer-encoding", b"gzip"],
    [b"upgrade", b"h2c"],
    [b"trailer", b"x-a"],
]


class EchoWorker(ToyWorker):
    """Its `seen` are the entries of all vectors; `asked` finds one connection's."""

    def __init__(self, url: str, prefix: str) -> None:
        self._slow: list[Operation] = []
        handlers: dict[str, Handler] = {
            "http.request": self._request,
            "websocket.connect": lambda message, _: [_reply(message, accept=True)],
            "websocket.receive": lambda _, __: [],
            "websocket.disconnect": lambda _, __: [],
        }
        super().__init__(url, prefix, handlers, name="echo")

    def asked(self, port: int, since: int) -> list[dict[str, Any]]:
        """The requests and handshakes of the client that called from `port`, in their order.

        `since` is how many entries had been seen before it called: ports are used again.
        """
        return [
            message
            for channel, message in self.seen[since:]
            if channel in ("http.request", "websocket.connect") and message["client"][1] == port
        ]

    def _request(self, message: dict[str, Any], _: Entry) -> list[Operation]:
        replies: list[Operation] = list(_replies(message))
        if message["path"] == "/slow":
            self._slow = replies
            return []
        late, self._slow = self._slow, []
        return replies + late

    def _handle(self, entry: Entry) -> tuple[Operation, ...]:
        """The same as every toy worker, but what is held is not said to be done."""
        operations = super()._handle(entry)
        if not self._slow or codec.unpack(entry.payload).get("path") != "/slow":
            return operations
        later = codec.encode(Receipt("done", later=True))
        return (SendReceipt(entry.receipt or "", later, entry.order),)


def text_of(message: dict[str, Any]) -> str:
    """A request or handshake as `Vector.saw` writes it."""
    if "method" not in message:
        return seen("WS", message["path"], b"")
    return seen(message["method"], message["path"], message.get("body", b""))


def _reply(message: dict[str, Any], **content: Any) -> Send:
    return Send(message["reply_channel"], codec.pack(content))


def _replies(message: dict[str, Any]) -> list[Send]:
    path: str = message["path"]
    word, _, number = path[1:].partition("/")
    status = int(number) if number.isdigit() else 200
    if word == "stream":
        begin = _reply(message, status=status, content=b"one ", more_content=True)
        return [begin, _reply(message, content=b"two")]
    if path == "/length":
        return [_whole(message, [[b"content-length", b"99"]], text_of(message).encode())]
    if path == "/hop":
        return [_whole(message, _HOP, text_of(message).encode())]
    if path in _INJECTED:
        return [_whole(message, [_INJECTED[path]], b"")]
    content = _CONTENT if word == "status" else text_of(message).encode("latin-1", "replace")
    return [_reply(message, status=status, headers=[], content=content)]


def _whole(message: dict[str, Any], headers: list[list[bytes]], content: bytes) -> Send:
    return _reply(message, status=200, headers=headers, content=content)
