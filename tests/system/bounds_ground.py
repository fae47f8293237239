"""A server and a worker under fire, their processes, and the books that must balance.

It throws nothing by itself; `test_never_stops.py` does.
"""

import contextlib
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import redis

import channel_layer
from channel_layer.layer import Operation, Send, SendReceipt
from tests.parts import children_of
from tests.system.bounds_clients import RawSocket, eventually, plain, until_closed, vitals
from tests.system.bounds_house import LOW_LIMITS, Book, bounds_stack
from tests.system.bounds_relay import Relay
from tests.system.bounds_throws import packed_entry

BASE = "{channels}:"
PATIENCE_S = 30.0
"""How long the parts may take to go on as if nothing had happened."""

ANSWER_S = 6
"""The server's own limits for an answer and for an event."""

_ENDED = re.compile(
    r"redis_link_ended|answer_mishandled|thread_died|child_died|child_stuck|reaper_died"
    r"|Unhandled|app_failed|never retrieved"
)
"""What is logged when something ended that must go on."""


class Ground:
    """Both parts with a relay between them and Redis; one for many examples."""

    def __init__(self, folder: Path) -> None:
        self.relay = Relay()
        limits = ("--http-timeout", str(ANSWER_S), "--websocket-event-timeout", str(ANSWER_S))
        self.stack = bounds_stack(
            folder,
            server_options=(*LOW_LIMITS, *limits),
            env={"REDIS_URL": self.relay.url},
        )
        self.relay.target = self.stack.redis_port
        self.book = Book(folder)
        self.inbox = ""
        self.channel_of_room = ""
        self.statuses: Counter[int] = Counter()
        self.thrown: list[str] = []
        self.failure: Exception | None = None
        self._parked = 0
        self._processes: list[int] = []

    def __enter__(self) -> "Ground":
        try:
            self.stack.__enter__()
        except BaseException:
            self.relay.close()
            raise
        self.layer = channel_layer.connect(self.stack.redis_url)
        self._redis = redis.Redis(port=self.stack.redis_port)
        self._processes = self._found_processes()
        return self

    def __exit__(self, *error: object) -> None:
        self.layer.close()
        self._redis.close()
        self.relay.forget()
        try:
            self.stack.__exit__(*error)  # type: ignore[arg-type]
        finally:
            self.relay.close()

    # Clients

    def get(self) -> int:
        """The status of a page; it is answered within its limit, whatever was thrown."""
        said = len(self._log())
        status = httpx.get(self.stack.url + "/who", timeout=2.5 * ANSWER_S).status_code
        self.statuses[status] += 1
        assert status in (200, 500, 503), status
        if status != 200:
            eventually(lambda: re.search(r"\[?(warning|error)", self._log()[said:]), 5)
        return status

    def new_socket(self, path: str) -> RawSocket:
        """A socket that was accepted, and answers."""

        def accepted() -> RawSocket | None:
            socket = RawSocket(self.stack.port, path)
            if socket.is_open:
                try:
                    socket.send("whoami")
                    channel = socket.text()
                    while not channel.startswith("server.response."):
                        channel = socket.text()
                    self.inbox = channel[: channel.index("!") + 1]
                    if path == "/room":
                        self.channel_of_room = channel
                    return socket
                except (EOFError, OSError):
                    pass
            socket.wire.close()
            return None

        found: RawSocket = eventually(accepted, PATIENCE_S)
        return found

    def throw_bytes(self, sent: bytes) -> None:
        """Send bytes, hear what the server says, leave."""
        with plain(self.stack.port) as client, contextlib.suppress(ConnectionError, TimeoutError):
            client.sendall(sent)
            client.shutdown(1)
            until_closed(client)

    @contextlib.contextmanager
    def parked(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """A request that nobody has answered yet: its reply channel, and how to see its end."""
        self._parked += 1
        name, ended = f"p{self._parked}", threading.Event()
        faults: list[str] = []

        def ask() -> None:
            try:
                answer = httpx.get(f"{self.stack.url}/park/{name}", timeout=2.5 * ANSWER_S)
                self.statuses[answer.status_code] += 1
            except httpx.TimeoutException as error:
                faults.append(repr(error))
            except httpx.TransportError:
                self.statuses[0] += 1  # cut in the middle of a response, which the client sees
            ended.set()

        asking = threading.Thread(target=ask)
        asking.start()

        def wait() -> None:
            assert ended.wait(3 * ANSWER_S), "a request hangs"
            assert not faults, faults

        try:
            channel = eventually(lambda: self.book.parked(name) or ended.is_set(), PATIENCE_S)
            yield (channel if isinstance(channel, str) else f"{self.inbox}gone"), wait
        finally:
            asking.join()

    def answer_parked(
        self, kind: type[Send] | type[SendReceipt], payload: bytes, order: int = 0
    ) -> None:
        """Answer a request with this first, then in order; the client must come to an end."""
        with self.parked() as (channel, wait):
            thrown = (
                Send(channel, payload) if kind is Send else SendReceipt(channel, payload, order)
            )
            self.perform(thrown)
            self.layer.send(channel, {"content": b"more", "more_content": True})
            self.layer.send(channel, {"status": 200, "content": b"good"})
            self.layer.send(channel, {"content": b""})
            wait()

    def throw_frames(self, frames: bytes) -> None:
        """Send bytes on an open socket, then leave without a word."""
        socket = self.new_socket("/echo")
        try:
            socket.wire.sendall(frames)
        finally:
            socket.wire.close()

    # The broker

    def perform(self, *operations: Operation) -> None:
        """Place something as a worker would."""
        self.layer.perform(operations)

    def forget_scripts(self) -> None:
        """Let Redis know no script any more."""
        self._redis.script_flush()

    def spoil(self, name: str, is_text: bool) -> None:
        """Ask for a page while a key is spoilt."""
        with self.spoilt(name, is_text):
            self.get()

    def push(self, name: str, packed: bytes) -> None:
        """Put bytes on a list behind the layer's back, and wake its reader."""
        self._redis.rpush(f"{BASE}list:{name}", packed)
        self._redis.rpush(f"{BASE}wake:{name}", "1")

    def push_entry(
        self,
        name: str,
        channel: str,
        kind: int,
        flags: int,
        payload: bytes,
        order: int,
        receipt: str,
    ) -> None:
        """Put an entry with the next id on a list behind the layer's back."""
        now_us = int(time.time() * 1_000_000)
        entry_id = max(int(self._redis.get(f"{BASE}id") or 0), now_us) + 1
        self._redis.set(f"{BASE}id", entry_id)
        self.push(name, packed_entry(entry_id, channel, kind, flags, payload, order, receipt))

    @contextlib.contextmanager
    def spoilt(self, name: str, is_text: bool) -> Iterator[None]:
        """A key holds another type meanwhile; then it is what it was."""
        key = BASE + name.replace("INBOX", self.inbox)
        kept = self._redis.rename(key, key + ".kept") if self._redis.exists(key) else None
        # A string where another type is expected, another type where a string is.
        if is_text and name not in ("id", "epoch", "run", "up_since"):
            self._redis.set(key, "no list")
        else:
            self._redis.geoadd(key, (1.0, 1.0, "x")) if name != "delayed" else self._redis.hset(
                key, "a", "b"
            )
        try:
            yield
        finally:
            self._redis.delete(key)
            if kept:
                self._redis.renamenx(key + ".kept", key)
                self._redis.delete(key + ".kept")

    # What must hold

    def still_goes(self) -> None:
        """A page is answered and a new socket echoes; no process has ended."""
        eventually(lambda: self.get() == 200, PATIENCE_S)
        socket = self.new_socket("/echo")
        socket.leave()
        self.nothing_ended()

    def nothing_ended(self) -> None:
        """The processes are those of the beginning, and none says that a loop of its ended."""
        ended = _ENDED.search(self._log())
        assert ended is None, f"{ended[0]!r} in the log:\n{self._log()[-4000:]}"
        assert self._found_processes() == self._processes, "a process ended"

    def balance(self) -> None:
        """Each accepted socket has one disconnect; nothing waits or is held any more."""
        self.relay.forget()
        self.still_goes()
        eventually(lambda: self.book.accepted() <= set(self.book.ended()), PATIENCE_S)
        twice = {channel for channel, count in self.book.ended().items() if count != 1}
        assert not twice, f"more than one disconnect: {twice}"
        eventually(lambda: vitals(self.stack)["exchanges"] == 0, PATIENCE_S)
        eventually(lambda: vitals(self.stack)["sockets"] == 0, PATIENCE_S)
        eventually(lambda: not list(self._redis.scan_iter(f"{BASE}lease:*")), PATIENCE_S)

    def raise_failure(self) -> None:
        """Raise what went wrong at first, with what was thrown before."""
        if self.failure is not None:
            last = "\n    ".join(self.thrown[-8:])
            raise AssertionError(
                f"after {len(self.thrown)} throws, the last being\n    {last}"
            ) from (self.failure)

    def summary(self) -> str:
        """The balance in one line."""
        accepted, ended = len(self.book.accepted()), len(self.book.ended())
        return (
            f"{len(self.thrown)} throws; answers by status {dict(self.statuses)}; "
            f"sockets accepted {accepted}, ended {ended}; "
            f"answers of Redis replaced {self.relay.injected}"
        )

    def _found_processes(self) -> list[int]:
        assert self.stack.server is not None
        (worker,) = self.stack.workers
        return [self.stack.server.pid, worker.pid, *children_of(worker.pid)]

    def _log(self) -> str:
        assert self.stack.server is not None
        return self.stack.server.text + self.stack.workers[0].text
