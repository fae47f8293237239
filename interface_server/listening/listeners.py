"""All places where one process listens: opened together, closed together.

The sockets come from `opening.py`, what is done with connections from `stack.py`.
"""

import os
import resource
from collections import Counter
from collections.abc import Sequence
from typing import Any

from twisted.internet import tcp
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import serverFromString
from twisted.python.failure import Failure

from interface_server.listening.admission import CROWD, Admission
from interface_server.listening.doors import Door
from interface_server.listening.opening import Kind, Listener, OpenSocket, open_all
from interface_server.listening.stack import Stack
from interface_server.settings import ServerSettings
from interface_server.wires import Call
from shared.errors import ConfigurationError
from shared.logs import get_logger
from shared.opening import url_of
from shared.process_memory import return_freed

RESERVED_FILES = 100
"""Files of a process that are no connections of clients: log, broker, mounted files in hand."""

LINE_EVERY_S = 10.0
"""How often refused connections get a line in the log; what came between is counted in it."""

CLEAN_AFTER_S = 1.0
"""How long after a crowd began to leave the memory that it held is given back; ours."""

log = get_logger("interface_server.listening")


class Listeners:
    """Listens where `settings` say, or on the sockets in `opened`; `stack` makes the protocols."""

    def __init__(
        self,
        reactor: Any,
        settings: ServerSettings,
        stack: Stack,
        opened: Sequence[OpenSocket] | None = None,
    ) -> None:
        self._reactor = reactor
        self._settings = settings
        self._stack = stack
        self._opened = opened
        self._admission = Admission(
            settings.max_connections or most_connections(),
            settings.max_connections_per_address,
            settings.accept_rate,
            stack.proxies.is_trusted,
            self._crowd_left,
        )
        self._cleaning: Call | None = None
        self._doors: list[Door] = []
        self._refusals: Counter[str] = Counter()
        self._told_at: dict[str, float] = {}
        self._ports: list[Any] = []
        self._urls: list[str] = []

    @property
    def urls(self) -> tuple[str, ...]:
        """The addresses as a person would open them."""
        return tuple(self._urls)

    def start(self) -> None:
        """Listen. Raises: ConfigurationError when an address cannot be had."""
        opened = self._opened
        if opened is None:
            opened = open_all(self._settings, os.environ)
        for each in opened:
            self._open(each, self._stack.factory(each.listener))
        try:
            for text in self._settings.endpoint:
                self._listen_at(text)
        except ConfigurationError:
            self.stop()
            raise

    def stop(self) -> Deferred[Any]:
        """Take no new connection; fires when every place is closed."""
        doors, self._doors = self._doors, []
        for door in doors:
            door.close()
        if self._cleaning is not None:
            self._cleaning.cancel()
            self._cleaning = None
        ports, self._ports = self._ports, []
        return gatherResults([port.stopListening() for port in ports])

    def _refused(self, cause: str) -> None:
        """Count a connection that was closed at once; now and then tell how many there were."""
        self._stack.count(f"connections.{cause}")
        self._refusals[cause] += 1
        now = self._reactor.seconds()
        if now - self._told_at.get(cause, -LINE_EVERY_S) >= LINE_EVERY_S:
            self._told_at[cause] = now
            facts = {"cause": cause, "connections": self._admission.count}
            log.warning("connections_refused", refused=self._refusals.pop(cause), **facts)

    def _crowd_left(self) -> None:
        """Give back what it held, once for all who leave within a second."""
        if self._cleaning is None and self._doors:
            self._cleaning = self._reactor.callLater(CLEAN_AFTER_S, self._clean)

    def _clean(self) -> None:
        self._cleaning = None
        if self._admission.count < CROWD:
            return_freed()

    def _open(self, opened: OpenSocket, factory: Any) -> None:
        door = Door(
            self._reactor,
            opened,
            factory,
            self._admission,
            self._refused,
            self._settings.processes > 1,
        )
        door.open()
        self._doors.append(door)
        self._urls.append(url_of(opened.socket, self._stack.scheme(opened.listener)))

    def _listen_at(self, text: str) -> None:
        """Let Twisted open an endpoint and wrap our factory, then take its socket over."""
        listener = Listener(Kind.ENDPOINT, text, is_tls=text.startswith("ssl:"))
        failures: list[Failure] = []
        ports: list[Any] = []
        try:
            endpoint: Any = serverFromString(self._reactor, text)
            listening = endpoint.listen(self._stack.factory(listener))
        except ImportError as error:
            raise ConfigurationError(
                f"--endpoint {text}: needs {error.name!r}: install channels-board[tls]"
            ) from error
        except Exception as error:  # endpoints are anybody's plugins, and so is what they raise
            reason = str(error) or type(error).__name__
            raise ConfigurationError(f"--endpoint {text}: {reason}") from error
        listening.addCallbacks(ports.append, failures.append)
        if failures:
            raise ConfigurationError(f"cannot listen at {text}: {failures[0].getErrorMessage()}")
        if not ports or not isinstance(ports[0], tcp.Port):
            raise ConfigurationError(f"--endpoint {text}: expected one that opens a stream socket")
        taken = ports[0].socket.dup()
        taken.setblocking(False)
        self._open(OpenSocket(listener, taken), ports[0].factory)
        ports[0].stopReading()
        self._ports.append(ports[0])


def most_connections() -> int:
    """How many connections the system's limit on open files leaves this process."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(RESERVED_FILES, most - RESERVED_FILES)
