"""One lean WebSocket client of the crowd: its bytes, its frames, its numbers.

It waits for nothing (`crowd.py` does), and it knows only what our server sends: no fragments, no
extensions.
"""

import socket
from dataclasses import dataclass, field
from typing import NamedTuple

_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10

_HEAD = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\nOrigin: http://127.0.0.1:{port}\r\n\r\n"
)


class Frame(NamedTuple):
    """One message that came: its text without position line, and that line's parts.

    `at`: seconds since 1970. Without a position `epoch` is empty and `offset` 0; `word` is
    `joined`, `gap` or empty.
    """

    at: float
    text: str
    epoch: str = ""
    offset: int = 0
    word: str = ""


@dataclass(slots=True)
class Life:
    """One socket of a client. Times are seconds since 1970, 0 for what did not happen.

    `code`: of the server's close frame, 0 when there was none.
    """

    name: str
    port: int
    began: float
    opened: float = 0.0
    ended: float = 0.0
    code: int = 0
    frames: list[Frame] = field(default_factory=list)


class Client:
    """A client with its present socket, None between two lives.

    With `frames` it sends the texts "0", "1", … once `is_sending`, `window` unanswered at a time.
    What was unanswered when a socket ended is given up; the next socket goes on behind it.
    """

    __slots__ = (
        "_before",
        "_buffer",
        "_output",
        "close_code",
        "frames",
        "index",
        "is_sending",
        "lives",
        "sent",
        "since",
        "socket",
        "to_send",
        "window",
    )

    def __init__(self, index: int, frames: int = 0, window: int = 8) -> None:
        self.index = index
        self.to_send = frames
        self.window = window
        self.sent = 0
        self.frames = 0
        self.since = ":0"
        self.is_sending = False
        self.close_code = 0
        self.lives: list[Life] = []
        self.socket: socket.socket | None = None
        self._before = 0
        self._buffer = bytearray()
        self._output = bytearray()

    @property
    def has_output(self) -> bool:
        """Whether bytes wait to be written."""
        return bool(self._output)

    def begin(self, connection: socket.socket, port: int, name: str, path: str, now: float) -> None:
        """Take a socket that is being connected; ask for its upgrade."""
        self.socket = connection
        self.close_code = 0
        self._before = self.sent
        self.lives.append(Life(name, port, now))
        self._buffer.clear()
        self._output[:] = _HEAD.format(path=path, port=port).encode()

    def finish(self, code: int, now: float) -> None:
        """Give the socket up; a close frame goes first when none came."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None
        self.lives[-1].code = code
        self.lives[-1].ended = now

    def write(self) -> None:
        """Write what the socket takes. Raises: OSError."""
        assert self.socket is not None
        if self._output:
            try:
                del self._output[: self.socket.send(self._output)]
            except BlockingIOError:
                return

    def read(self, now: float) -> None:
        """Take what came. Raises: OSError, EOFError at the end."""
        assert self.socket is not None
        read = self.socket.recv(262_144)
        self._buffer += read
        if not self.lives[-1].opened and not self._take_head(now):
            if not read:
                raise EOFError
            return
        self._take_frames(now)
        if not read:
            raise EOFError
        self.send_more()

    def send_more(self) -> None:
        """Send the next numbered frames, as many as may be unanswered."""
        if not self.is_sending or self.socket is None or not self.lives[-1].opened:
            return
        answered = self._before + len(self.lives[-1].frames)
        while self.sent < self.to_send and self.sent - answered < self.window:
            self._put(_TEXT, str(self.sent).encode())
            self.sent += 1
        if self._output:
            self.write()

    def _take_head(self, now: float) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        if not self._buffer.startswith(b"HTTP/1.1 101"):
            raise EOFError
        del self._buffer[: end + 4]
        self.lives[-1].opened = now
        return True

    def _take_frames(self, now: float) -> None:
        buffer, at = self._buffer, 0
        while len(buffer) - at >= 2:
            size, begin = buffer[at + 1], at + 2
            if size == 126:
                size, begin = int.from_bytes(buffer[at + 2 : at + 4]), at + 4
            elif size == 127:
                size, begin = int.from_bytes(buffer[at + 2 : at + 10]), at + 10
            if len(buffer) < begin + size:
                break
            self._take(buffer[at] & 15, bytes(buffer[begin : begin + size]), now)
            at = begin + size
        del buffer[:at]

    def _take(self, opcode: int, content: bytes, now: float) -> None:
        if opcode in (_TEXT, _BINARY):
            self.frames += 1
            frame = _frame(content.decode(), now)
            if frame.epoch:
                self.since = f"{frame.epoch}:{frame.offset}"
            self.lives[-1].frames.append(frame)
        elif opcode == _PING:
            self._put(_PONG, content)
            self.write()
        elif opcode == _CLOSE:
            self.close_code = int.from_bytes(content[:2]) if content else 1005
            self._put(_CLOSE, content[:2])
            self.write()

    def _put(self, opcode: int, content: bytes) -> None:
        """A masked frame; a mask of zeros leaves the payload as it is, which is legal."""
        self._output += bytes((0x80 | opcode, 0x80 | len(content), 0, 0, 0, 0)) + content


def _frame(text: str, now: float) -> Frame:
    line, mark, rest = text.partition("\n")
    if not mark:
        return Frame(now, text)
    _, epoch, offset, *word = line.split(" ")
    return Frame(now, rest, epoch, int(offset), word[0] if word else "")
