"""A relay in front of Redis that answers chosen errors in place of Redis, or cuts.

Knows the protocol so far that it can tell commands and answers apart; it changes none. One thread
for each direction of each connection.
"""

import contextlib
import queue
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType

_CUT = b""
"""In a row of answers: end the connection here."""

_PASS = b"+"
"""In a row of answers: the broker's own."""


class Relay:
    """Listens from the start; `target` is the broker's port, which may be set later."""

    def __init__(self, target: int = 0) -> None:
        self.target = target
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._listening.getsockname()[1])
        self._lock = threading.Lock()
        self._errors: list[tuple[str, frozenset[bytes]]] = []
        self._cuts = 0
        self._pairs: set[_Pair] = set()
        self._is_closed = False
        self.injected = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The broker's address as the parts see it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def answer(self, error: str, count: int = 1, commands: tuple[str, ...] = ("FCALL",)) -> None:
        """Answer the next `count` of these commands with `error`; the broker never sees them."""
        names = frozenset(name.encode() for name in commands)
        with self._lock:
            self._errors.extend([(error, names)] * count)

    def lose_answers(self, count: int = 1) -> None:
        """Cut the connection in place of the answers to the next scripts, which are performed."""
        with self._lock:
            self._cuts += count

    def reset(self) -> None:
        """End every connection at once, with a reset."""
        with self._lock:
            pairs = tuple(self._pairs)
        for pair in pairs:
            pair.reset()

    def forget(self) -> None:
        """Inject nothing of what was asked for and did not happen yet."""
        with self._lock:
            self._errors.clear()
            self._cuts = 0

    @property
    def has_pending(self) -> bool:
        """Whether something that was asked for did not happen yet."""
        with self._lock:
            return bool(self._errors or self._cuts)

    def verdict(self, name: bytes) -> bytes | None:
        """What is to be done with a command: an answer for it, None to pass it on."""
        with self._lock:
            for at, (error, names) in enumerate(self._errors):
                if name in names:
                    del self._errors[at]
                    self.injected += 1
                    return f"-{error}\r\n".encode()
            if self._cuts and name == b"FCALL":
                self._cuts -= 1
                self.injected += 1
                return _CUT
        return None

    def close(self) -> None:
        """End everything."""
        self._is_closed = True
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.reset()

    def forget_pair(self, pair: "_Pair") -> None:
        """The connection is over."""
        with self._lock:
            self._pairs.discard(pair)

    def __enter__(self) -> "Relay":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            try:
                broker = socket.create_connection(("127.0.0.1", self.target), 5)
            except OSError:
                client.close()
                continue
            broker.settimeout(None)
            pair = _Pair(self, client, broker)
            with self._lock:
                self._pairs.add(pair)
            pair.start()


class _Pair:
    """One connection of a part and its own one to the broker."""

    def __init__(self, relay: Relay, client: socket.socket, broker: socket.socket) -> None:
        self._relay = relay
        self._client = client
        self._broker = broker
        self._row: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._readers: list[_Reader] = []
        self._left = 2
        self._lock = threading.Lock()

    def start(self) -> None:
        for run in (self._commands, self._answers):
            threading.Thread(target=self._until_over, args=(run,), daemon=True).start()

    def reset(self) -> None:
        """End both sides at once; the client sees a reset."""
        with contextlib.suppress(OSError):
            linger = struct.pack("ii", 1, 0)
            self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._row.put(None)
        for one in (self._client, self._broker):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _until_over(self, run: Callable[[], None]) -> None:
        try:
            with contextlib.suppress(OSError, EOFError):  # how connections end
                run()
        finally:
            self.reset()
            with self._lock:
                self._left -= 1
                is_last = self._left == 0
            if is_last:
                for reader in self._readers:
                    reader.close()
                self._client.close()
                self._broker.close()
                self._relay.forget_pair(self)

    def _reader(self, wire: socket.socket) -> "_Reader":
        reader = _Reader(wire)
        self._readers.append(reader)
        return reader

    def _commands(self) -> None:
        reader = self._reader(self._client)
        while True:
            packed, name = reader.command()
            verdict = self._relay.verdict(name)
            if verdict is None:
                self._row.put(_PASS)
                self._broker.sendall(packed)
            elif verdict == _CUT:
                self._broker.sendall(packed)
                self._row.put(_CUT)
            else:
                self._row.put(verdict)

    def _answers(self) -> None:
        reader = self._reader(self._broker)
        while True:
            expected = self._row.get()
            if expected is None:
                return
            if expected == _PASS:
                self._client.sendall(reader.value())
            elif expected == _CUT:
                reader.value()  # the broker has performed it
                return
            else:
                self._client.sendall(expected)


class _Reader:
    """Takes whole values of the protocol from a socket. Source: RESP2."""

    def __init__(self, wire: socket.socket) -> None:
        self._file = wire.makefile("rb")

    def close(self) -> None:
        """Let go of the socket."""
        self._file.close()

    def command(self) -> tuple[bytes, bytes]:
        """The next command's bytes and its name. Raises: EOFError."""
        packed = self.value()
        size_end = packed.index(b"\r\n", packed.index(b"$")) + 2
        return packed, packed[size_end : packed.index(b"\r\n", size_end)].upper()

    def value(self) -> bytes:
        """The next value, whole. Raises: EOFError."""
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError
        size = int(line[1:]) if line[:1] in b"$*" else 0
        if line[:1] == b"$" and size >= 0:
            content = self._file.read(size + 2)
            if len(content) < size + 2:
                raise EOFError
            return line + content
        if line[:1] == b"*" and size > 0:
            return line + b"".join([self.value() for _ in range(size)])
        return line
