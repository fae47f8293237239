"""Accepts the connections of one listening socket, a few at a time so that several processes share
them evenly, and makes their transports.

Who may come in is decided by `admission.py`; what is spoken then, by the factory.
"""

import errno
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet import main, tcp
from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Factory, connectionDone
from twisted.python.failure import Failure

from interface_server.listening.admission import ADDRESS_FULL, FULL, Admission
from interface_server.listening.opening import OpenSocket
from shared.logs import get_logger

BATCH = 16
"""Connections accepted in one turn of the reactor by a process that has the socket for itself.

Processes that share one take one each turn: by 16, one of two got 53 of 64 (decision 9)."""

UNSENT = 128 * 1024
"""Bytes that the kernel may hold for a connection besides those under way. What it holds empties
unseen, so with its megabytes a reader who is only slow looks like one who takes nothing; ours."""

NO_FILES_PAUSE_S = 0.5
"""How long nothing is accepted when the system has no file left for one more connection."""

_NO_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_ONE_LESS = (
    *(errno.ECONNABORTED, errno.EPERM, errno.EPROTO, errno.EINTR, errno.ENOPROTOOPT),
    *(errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EOPNOTSUPP),
    errno.ENONET,
)
"""Errors of the connection that waited, not of the socket. Source: accept(2), "Error handling"."""

_MAPPED = "::ffff:"

_log = get_logger("interface_server.listening")


@dataclass(frozen=True, slots=True)
class Unknown:
    """The end of a connection whose address a proxy does not tell."""


End = IPv4Address | IPv6Address | UNIXAddress | Unknown
"""One end of a connection."""


class Wire(tcp.Server):
    """The transport of one connection.

    What a PROXY protocol header says about its two ends may take the place of the socket's own.
    """

    logstr = "connection"

    def __init__(
        self,
        accepted: socket.socket,
        protocol: Any,
        peer: End,
        door: "Door",
        reactor: Any,
        key: str = "",
    ) -> None:
        # Connection's: Server's makes strings of the address that nobody here reads.
        tcp.Connection.__init__(self, accepted, protocol, reactor)
        self._door = door
        self._peer = peer
        if accepted.family != socket.AF_UNIX:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)
        self._host: End | None = None
        self._key = key
        self._is_in = True
        reactor.addReader(self)
        self.connected = 1

    def __repr__(self) -> str:
        return f"<connection at {self._door.name}>"

    def getPeer(self) -> End:  # noqa: N802  the interface's name
        """The other end."""
        return self._peer

    def getHost(self) -> End:  # noqa: N802
        """This end."""
        if self._host is None:
            self._host = _address(self.socket.getsockname())
        return self._host

    def writeSomeData(self, data: bytes) -> int | ConnectionLost:  # noqa: N802
        """Give bytes to the kernel; how many it took.

        The inherited one repeats interrupted calls itself, which Python does (PEP 475): it takes
        twice as long.
        """
        # More at once would fill the kernel's buffer, which empties unseen: a slow reader stalls.
        piece = data if len(data) <= self.SEND_LIMIT else memoryview(data)[: self.SEND_LIMIT]
        try:
            return self.socket.send(piece)
        except BlockingIOError:
            return 0
        except OSError as error:
            return 0 if error.errno == errno.ENOBUFS else main.CONNECTION_LOST

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802
        """Send small writes at once; UNIX sockets always do."""
        if self.socket.family != socket.AF_UNIX:
            super().setTcpNoDelay(enabled)

    def setTcpKeepAlive(self, enabled: bool) -> None:  # noqa: N802
        """Probe a silent peer; that of a UNIX socket cannot vanish."""
        if self.socket.family != socket.AF_UNIX:
            super().setTcpKeepAlive(enabled)

    def is_said_to_be(self, peer: End, host: End) -> bool:
        """Take the word of a proxy for both ends; False when `peer` has too many connections."""
        admission = self._door.admission
        key = admission.enter_from(getattr(peer, "host", None))
        if key is None:
            self._door.refused(ADDRESS_FULL)
            return False
        admission.leave_from(self._key)
        self._key = key
        self._peer, self._host = peer, host
        return True

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802
        """It is over; the reactor may say so twice, and the protocol may fail at it."""
        try:
            super().connectionLost(reason)
        finally:
            if self._is_in:
                self._is_in = False
                self._door.admission.leave()
                self._door.admission.leave_from(self._key)


class Door(FileDescriptor):
    """Accepts connections at `opened` for `factory`; `is_shared` with other processes.

    `refused` hears why a connection was closed at once.
    """

    def __init__(
        self,
        reactor: Any,
        opened: OpenSocket,
        factory: Factory,
        admission: Admission,
        refused: Callable[[str], object],
        is_shared: bool = False,
    ) -> None:
        super().__init__(reactor)
        self.admission = admission
        self.refused = refused
        self.name = opened.listener.name
        self._loop = reactor
        self._opened = opened
        self._socket = opened.socket
        self._factory: Any = factory
        self._pause: Any = None
        self._is_open = False
        self._batch = 1 if is_shared else BATCH

    def fileno(self) -> int:
        """The listening socket's."""
        return self._socket.fileno() if self._is_open else -1

    def logPrefix(self) -> str:  # noqa: N802
        """The name for Twisted's own log."""
        return f"door {self.name}"

    def open(self) -> None:
        """Take connections from now on."""
        self._is_open = True
        self._factory.doStart()
        self._loop.addReader(self)

    def close(self) -> None:
        """Take no more."""
        if not self._is_open:
            return
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        self._loop.removeReader(self)
        self._is_open = False
        self._opened.close()
        self._factory.doStop()

    def doRead(self) -> Failure | None:  # noqa: N802
        """Connections wait."""
        for _ in range(self._batch):
            if not self._is_open:
                return None
            wait_s = self.admission.wait_s(self._loop.seconds())
            if wait_s:
                self._wait(wait_s)
                return None
            try:
                accepted, name = self._socket.accept()
            except BlockingIOError:
                return None
            except OSError as error:
                if error.errno in _ONE_LESS:
                    continue
                if error.errno not in _NO_FILES:
                    raise
                self._wait_for_files()
                return None
            self.admission.accepted()
            self._admit(accepted, _address(name))
        return None

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """The reactor gives it up."""
        self.close()

    def _admit(self, accepted: socket.socket, peer: End) -> None:
        if not self.admission.enter():
            self.refused(FULL)
            accepted.close()
            return
        key = self.admission.enter_from(getattr(peer, "host", None))
        if key is None:
            self.refused(ADDRESS_FULL)
        elif self._begin(accepted, peer, key):
            return
        self.admission.leave()
        self.admission.leave_from(key or "")
        accepted.close()

    def _begin(self, accepted: socket.socket, peer: End, key: str) -> bool:
        """Whether the connection has a transport, which leaves by itself."""
        wire: Any = None
        try:
            protocol = self._factory.buildProtocol(peer)
            if protocol is not None:
                wire = Wire(accepted, protocol, peer, self, self._loop, key)
                protocol.makeConnection(wire)
        except Exception:  # past it the reactor would close this door for all who come later
            _log.exception("connection_not_begun", door=self.name)
            if wire is not None:
                wire.abortConnection()
        return wire is not None

    def _wait_for_files(self) -> None:
        self.refused("no_file_left")
        self._wait(NO_FILES_PAUSE_S)

    def _wait(self, seconds: float) -> None:
        """Leave the next connections in the row for so long."""
        self._loop.removeReader(self)
        self._pause = self._loop.callLater(seconds, self._go_on)

    def _go_on(self) -> None:
        self._pause = None
        self._loop.addReader(self)


def _address(name: Any) -> End:
    """The address of a socket's end; an IPv4 address in IPv6 form as what it is."""
    if not isinstance(name, tuple):
        return UNIXAddress(name or None)
    if len(name) == 2:
        return IPv4Address("TCP", *name)
    if name[0].startswith(_MAPPED) and "." in name[0]:
        return IPv4Address("TCP", name[0][len(_MAPPED) :], name[1])
    return IPv6Address("TCP", *name)
