"""A TCP relay whose connections can be cut, as when a phone loses its network. Knows no HTTP."""

import contextlib
import socket
import threading
from types import TracebackType

CHUNK = 65536


class Relay:
    """Carries connections from its own port to `target` on the loopback."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._is_cut = False
        self._passes = threading.Event()
        self.refused = 0
        self.port = int(self._listener.getsockname()[1])
        self._passes.set()

    @property
    def url(self) -> str:
        """Where the target answers through this relay."""
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """End all connections and refuse new ones."""
        with self._lock:
            self._is_cut = True
            for pair in self._pairs:
                for end in pair:
                    _close(end)
            self._pairs.clear()

    def mend(self) -> None:
        """Carry connections again."""
        with self._lock:
            self._is_cut = False

    def strand(self) -> None:
        """Carry nothing over the connections that there are, without ending them; new ones work.

        So a phone finds its connections when it woke in another network.
        """
        with self._lock:
            self._passes.clear()
            self._passes = threading.Event()
            self._passes.set()

    def __enter__(self) -> "Relay":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cut()
        _close(self._listener)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._is_cut:
                    self.refused += 1
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._target))
                self._pairs.append((near, far))
                passes = self._passes
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=_carry, args=(one, other, passes), daemon=True).start()


def _carry(source: socket.socket, target: socket.socket, passes: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(CHUNK):
            if passes.is_set():
                target.sendall(piece)
    _close(target)
    _close(source)


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
