"""WebSockets on the streams of one HTTP/2 connection, read in a blocking way; asserts nothing.

Frames of HTTP/2 are the library h2's, those of WebSocket the library websockets'.
"""

import contextlib
import socket
from typing import Any

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import ProtocolError
from websockets.frames import Frame
from websockets.protocol import CLIENT, OPEN, Protocol


class H2Sockets:
    """One connection; what comes stands in `heads`, `sockets`, `bodies`, `ended` and `resets`."""

    def __init__(self, address: str, window: int = 65535) -> None:
        host, port = address.rsplit(":", 1)
        self._wire = socket.create_connection((host, int(port)), timeout=10)
        self._h2 = H2Connection(H2Configuration(header_encoding="ascii"))
        self._h2.initiate_connection()
        self._h2.update_settings({4: window})
        self._is_closed = False
        self._unread = b""
        self.goaways = 0
        self.gives_window = True
        self.heads: dict[int, dict[str, str]] = {}
        self.bodies: dict[int, bytes] = {}
        self.sockets: dict[int, Protocol] = {}
        self.frames: dict[int, list[Frame]] = {}
        self.ended: set[int] = set()
        self.resets: dict[int, int] = {}
        self.settings: dict[int, int] = {}
        self._flush()
        self.until(lambda: bool(self.settings))

    def shake(self, path: str, **fields: str) -> int:
        """Ask for a socket; the stream's number."""
        stream = self._h2.get_next_available_stream_id()
        head = [
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "http"),
            (":authority", "x"),
            (":path", path),
            ("sec-websocket-version", "13"),
            *((name.replace("_", "-"), value) for name, value in fields.items()),
        ]
        self._h2.send_headers(stream, head)
        self._flush()
        return stream

    def open(self, path: str, **fields: str) -> int:
        """The same, and wait until it is open."""
        stream = self.shake(path, **fields)
        self.sockets[stream] = Protocol(CLIENT, state=OPEN)
        self.frames[stream] = []
        self.until(lambda: stream in self.heads)
        return stream

    def ask(self, path: str) -> int:
        """Ask for a page; the stream's number."""
        stream = self._h2.get_next_available_stream_id()
        head = [(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", path)]
        self._h2.send_headers(stream, head, end_stream=True)
        self._flush()
        return stream

    def get(self, path: str) -> int:
        """Ask for a page and read it; its status."""
        stream = self.ask(path)
        self.until(lambda: stream in self.ended)
        return int(self.heads[stream][":status"])

    def say(self, stream: int, text: str) -> None:
        """Send a text."""
        self.sockets[stream].send_text(text.encode())
        self._pass_on(stream)

    def raw(self, stream: int, data: bytes) -> None:
        """Send bytes that may be no frames of a socket at all."""
        self._h2.send_data(stream, data)
        self._flush()

    def close(self, stream: int, code: int = 1000) -> None:
        """Begin the closing handshake."""
        self.sockets[stream].send_close(code)
        self._pass_on(stream)

    def reset(self, stream: int) -> None:
        """Cut one stream."""
        self._h2.reset_stream(stream, 8)
        self._flush()

    def end(self, stream: int) -> None:
        """End this side of one stream."""
        self._h2.end_stream(stream)
        self._flush()

    def texts(self, stream: int) -> list[str]:
        """What was said on a socket."""
        return [frame.data.decode() for frame in self.frames[stream] if frame.opcode == 1]

    def until(self, fact: Any) -> None:
        """Read until `fact()` holds, or the connection's end."""
        while not fact() and not self._is_closed:
            received = self._wire.recv(65536)
            self._is_closed = not received
            for event in self._h2.receive_data(self._without_goaway(received)):
                self._happened(event)
            self._flush()
        assert fact(), (self.heads, self.resets, self.frames)

    def until_closed(self) -> None:
        """Read to the connection's end."""
        self.until(lambda: self._is_closed)

    def leave(self) -> None:
        """Close the connection."""
        self._wire.close()

    def _without_goaway(self, received: bytes) -> bytes:
        """The whole frames that came, but for GOAWAY: h2 would read nothing behind one."""
        self._unread += received
        kept, at = b"", 0
        while len(self._unread) >= at + 9:
            end = at + 9 + int.from_bytes(self._unread[at : at + 3], "big")
            if len(self._unread) < end:
                break
            if self._unread[at + 3] == 7:
                self.goaways += 1
            else:
                kept += self._unread[at:end]
            at = end
        self._unread = self._unread[at:]
        return kept

    def _happened(self, event: Any) -> None:
        if isinstance(event, events.RemoteSettingsChanged):
            self.settings = {code: each.new_value for code, each in event.changed_settings.items()}
        elif isinstance(event, events.ResponseReceived):
            self.heads[event.stream_id] = dict(event.headers)
        elif isinstance(event, events.StreamEnded):
            self.ended.add(event.stream_id)
        elif isinstance(event, events.StreamReset):
            self.resets[event.stream_id] = int(event.error_code)
        elif isinstance(event, events.DataReceived):
            stream = event.stream_id
            if self.gives_window:
                with contextlib.suppress(ProtocolError):
                    self._h2.acknowledge_received_data(event.flow_controlled_length, stream)
            wire = self.sockets.get(stream)
            if wire is None:
                self.bodies[stream] = self.bodies.get(stream, b"") + event.data
                return
            wire.receive_data(event.data)
            self.frames[stream] += wire.events_received()  # type: ignore[arg-type]
            if stream not in self.ended and stream not in self.resets:
                self._pass_on(stream)

    def _pass_on(self, stream: int) -> None:
        for data in self.sockets[stream].data_to_send():
            for at in range(0, len(data), 16384):
                with contextlib.suppress(ProtocolError):  # a pong on a stream that is over
                    self._h2.send_data(stream, data[at : at + 16384])
        self._flush()

    def _flush(self) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._wire.sendall(self._h2.data_to_send())
