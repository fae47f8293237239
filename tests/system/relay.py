"""A TCP relay between two parts, on which a test can do what a bad network does.

It understands no protocol and decides nothing: when to delay, drop or cut is the test's part.
"""

import collections
import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any

from tests.system.relay_flow import Flow, reset, shut

_CHUNK_BYTES = 256 * 1024
_MOST_WAITING_BYTES = 1024 * 1024
"""One direction holds so much before its sender is no longer read."""


class Relay:
    """Forwards connections on `port` to `target_port` of the loopback, in a thread of its own.

    Every call takes effect before it returns.
    """

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._selector = selectors.DefaultSelector()
        self._flows: dict[socket.socket, Flow] = {}
        """By the socket that a flow reads."""
        self._delayed: set[Flow] = set()
        self._delay_s = 0.0
        self._drops = False
        self._orders: collections.deque[tuple[Callable[[], Any], Future[Any]]] = collections.deque()
        self._alarm, self._ear = socket.socketpair()
        self._ear.setblocking(False)
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._listener: socket.socket | None = None
        self.port = 0
        self._listen()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()

    @property
    def redis_url(self) -> str:
        """The address of a Redis behind this relay."""
        return f"redis://127.0.0.1:{self.port}/0"

    def delay(self, seconds: float) -> None:
        """Pass on later what comes from now on; 0 ends it."""

        def order() -> None:
            self._delay_s = seconds

        self._do(order)

    def drop(self) -> None:
        """Swallow all bytes until `heal` or `cut`, without a word to either side."""

        def order() -> None:
            self._drops = True
            self._delayed.clear()
            for flow in self._flows.values():
                flow.lose()

        self._do(order)

    def half_close(self) -> int:
        """End each connection's way towards the target; the way back stays. Returns how many."""

        def order() -> int:
            towards = [flow for flow in self._flows.values() if flow.is_towards_target]
            for flow in towards:
                flow.is_broken = True
                shut(flow.sink)
            return len(towards)

        return int(self._do(order))

    def cut(self) -> int:
        """Reset all connections; new ones are taken. Returns how many there were."""
        return int(self._do(lambda: self._cut(lambda _: True)))

    def refuse(self) -> None:
        """Take no new connections: they are refused, as if nobody listened."""

        def order() -> None:
            if self._listener is not None:
                self._selector.unregister(self._listener)
                self._listener.close()
                self._listener = None

        self._do(order)

    def heal(self) -> None:
        """Be a good network again; connections of which bytes were dropped are reset."""

        def order() -> None:
            self._delay_s, self._drops = 0.0, False
            self._cut(lambda flow: flow.is_broken)
            if self._listener is None:
                self._listen()

        self._do(order)

    @property
    def connections(self) -> int:
        """How many connections it carries."""
        return len(self._flows) // 2

    def close(self) -> None:
        """Reset all connections and end; nothing when it has ended."""
        if self._thread.is_alive():
            with contextlib.suppress(OSError):
                self._do(self._end)
            self._thread.join(5)
        self._alarm.close()

    def __enter__(self) -> "Relay":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _do(self, order: Callable[[], Any]) -> Any:
        done: Future[Any] = Future()
        self._orders.append((order, done))
        self._alarm.send(b"!")
        return done.result(10)

    def _run(self) -> None:
        while not self._is_over:
            for key, ready in self._selector.select(self._patience_s()):
                if key.fileobj is self._ear:
                    self._obey()
                elif key.fileobj is self._listener:
                    self._accept()
                else:
                    self._serve(key.fileobj, ready)  # type: ignore[arg-type]
            now = time.monotonic()
            for flow in [flow for flow in self._delayed if flow.chunks[0][0] <= now]:
                self._delayed.discard(flow)
                self._write(flow)
        self._selector.close()
        self._ear.close()

    def _patience_s(self) -> float | None:
        if not self._delayed:
            return None
        return max(0.0, min(flow.chunks[0][0] for flow in self._delayed) - time.monotonic())

    def _obey(self) -> None:
        self._ear.recv(4096)
        while self._orders:
            order, done = self._orders.popleft()
            try:
                done.set_result(order())
            except OSError as error:
                done.set_exception(error)

    def _end(self) -> None:
        self._cut(lambda _: True)
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
        self._is_over = True

    def _listen(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(4096)
        listener.setblocking(False)
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._selector.register(listener, selectors.EVENT_READ)

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            near = self._listener.accept()[0]
        except OSError:
            return  # it was gone before we looked
        try:
            far = socket.create_connection(self._target, 5)
        except OSError:
            reset(near)
            return
        there, back = Flow(near, far, True), Flow(far, near, False)
        there.other, back.other = back, there
        for flow in (there, back):
            flow.is_broken = self._drops
            flow.source.setblocking(False)
            flow.source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._flows[flow.source] = flow
            self._selector.register(flow.source, selectors.EVENT_READ)

    def _serve(self, which: socket.socket, ready: int) -> None:
        flow = self._flows.get(which)
        if flow is not None and ready & selectors.EVENT_READ:
            self._read(flow)
        flow = self._flows.get(which)
        if flow is not None and ready & selectors.EVENT_WRITE:
            self._write(flow.other)

    def _read(self, flow: Flow) -> None:
        try:
            read = flow.source.recv(_CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self._forget(flow)
            return
        if not read:
            flow.has_ended = True
        elif not flow.is_broken:
            flow.put(read, time.monotonic() + self._delay_s)
        self._write(flow)

    def _write(self, flow: Flow) -> None:
        self._delayed.discard(flow)
        if flow.source not in self._flows:
            return
        try:
            is_delayed = flow.write(time.monotonic())
        except OSError:
            self._forget(flow)
            return
        if is_delayed:
            self._delayed.add(flow)
        if flow.is_over and flow.other.is_over:
            self._forget(flow)
            return
        self._watch(flow.source)
        self._watch(flow.sink)

    def _watch(self, which: socket.socket) -> None:
        flow = self._flows[which]
        may_read = not flow.has_ended and flow.waiting < _MOST_WAITING_BYTES
        must_write = bool(flow.other.chunks) and flow.other not in self._delayed
        wanted = selectors.EVENT_READ * may_read | selectors.EVENT_WRITE * must_write
        known = self._selector.get_map().get(which)
        if known is None:
            if wanted:
                self._selector.register(which, wanted)
        elif not wanted:
            self._selector.unregister(which)
        elif known.events != wanted:
            self._selector.modify(which, wanted)

    def _cut(self, is_meant: Callable[[Flow], bool]) -> int:
        meant = [flow for flow in self._flows.values() if is_meant(flow)]
        for flow in meant:
            self._forget(flow)
        return (len(meant) + 1) // 2

    def _forget(self, flow: Flow) -> None:
        for one in (flow, flow.other):
            if self._flows.pop(one.source, None) is None:
                continue
            self._delayed.discard(one)
            if one.source in self._selector.get_map():
                self._selector.unregister(one.source)
            reset(one.source)
