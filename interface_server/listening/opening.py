"""Opens the sockets on which a server listens, or takes those that it was given, before any
connection can come.

Accepts nothing; that is `doors.py`. What cannot be opened is told with its reason.
"""

import contextlib
import enum
import errno
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from interface_server.settings import ServerSettings
from shared.addresses import TcpPlace
from shared.errors import ConfigurationError
from shared.opening import open_tcp, open_unix, url_of

DEFAULT_HOST = "127.0.0.1"
FIRST_PASSED_FD = 3
"""Source: sd_listen_fds(3)."""

_ALL_IPV4 = "0.0.0.0"  # noqa: S104  compared with, never chosen


class Kind(enum.Enum):
    """How a place to listen was named."""

    TCP = "--bind"
    UNIX = "--unix-socket"
    FD = "--fd"
    ENDPOINT = "--endpoint"
    REDIRECT = "--redirect-port"


@dataclass(frozen=True, slots=True)
class Listener:
    """One place to listen: how its connections are to be taken.

    `name` is the place as it was written. `has_addresses` is False where peers have none (UNIX
    sockets).
    """

    kind: Kind
    name: str
    has_addresses: bool = True
    is_tls: bool = False
    has_proxy_header: bool = False


@dataclass(frozen=True, slots=True)
class OpenSocket:
    """A listening socket; `path` is the file that goes with it, if we made one."""

    listener: Listener
    socket: socket.socket
    path: str | None = None

    def url(self, scheme: str) -> str:
        """The address as a person would open it."""
        return url_of(self.socket, scheme)

    def close(self) -> None:
        """Listen no more, and take the file away."""
        if self.path is not None:
            with contextlib.suppress(OSError):
                os.unlink(self.path)
        self.socket.close()


def open_all(settings: ServerSettings, environment: Mapping[str, str]) -> list[OpenSocket]:
    """Everything but endpoints, which need a reactor. Raises: ConfigurationError."""
    opened: list[OpenSocket] = []
    has_tls = bool(settings.tls_cert)
    has_header = settings.proxy_protocol
    try:
        for descriptor in (*settings.fd, *passed_descriptors(environment, os.getpid())):
            opened.append(_adopted(descriptor, settings))
        for path in settings.unix_socket:
            listening = open_unix(path, settings.unix_mode, settings.backlog)
            listener = Listener(Kind.UNIX, path, has_addresses=False, has_proxy_header=has_header)
            opened.append(OpenSocket(listener, listening, path))
        binds = settings.bind
        if not binds and not opened and not settings.endpoint:
            binds = (TcpPlace(DEFAULT_HOST),)
        for place in binds:
            port = settings.port if place.port is None else place.port
            both = any(other.host == _ALL_IPV4 for other in binds if other is not place)
            listening = open_tcp(place.host, port, settings.backlog, only_ipv6=both)
            listener = Listener(
                Kind.TCP,
                str(TcpPlace(place.host, port)),
                is_tls=has_tls,
                has_proxy_header=has_header,
            )
            opened.append(OpenSocket(listener, listening))
        hosts = [place.host for place in binds] or [DEFAULT_HOST]
        for place in settings.redirect_port:
            for host in [place.host] if place.host else hosts:
                listening = open_tcp(
                    host, place.port or 0, settings.backlog, flags=Kind.REDIRECT.value
                )
                listener = Listener(Kind.REDIRECT, str(TcpPlace(host, place.port)))
                opened.append(OpenSocket(listener, listening))
    except ConfigurationError:
        for each in opened:
            each.close()
        raise
    return opened


def passed_descriptors(environment: Mapping[str, str], own_pid: int) -> range:
    """The listening sockets that systemd or another parent passes. Source: sd_listen_fds(3).

    Raises: ConfigurationError for a number that is none.
    """
    if environment.get("LISTEN_PID") != str(own_pid):
        return range(0)
    count = environment.get("LISTEN_FDS", "")
    if not (count.isascii() and count.isdecimal()) or int(count) > 1000:
        raise ConfigurationError(f"LISTEN_FDS: expected a number of sockets, got {count!r}")
    return range(FIRST_PASSED_FD, FIRST_PASSED_FD + int(count))


def _adopted(descriptor: int, settings: ServerSettings) -> OpenSocket:
    try:
        listening = socket.socket(fileno=os.dup(descriptor))
    except OSError as error:
        reason = "no such descriptor" if error.errno == errno.EBADF else "no socket"
        raise ConfigurationError(f"--fd {descriptor}: {reason}") from error
    is_listening = listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if listening.type != socket.SOCK_STREAM or not is_listening:
        listening.close()
        raise ConfigurationError(f"--fd {descriptor}: expected a stream socket that listens")
    listening.setblocking(False)
    is_unix = listening.family == socket.AF_UNIX
    has_tls = bool(settings.tls_cert) and not is_unix
    listener = Listener(
        Kind.FD,
        f"fd {descriptor}",
        has_addresses=not is_unix,
        is_tls=has_tls,
        has_proxy_header=settings.proxy_protocol,
    )
    return OpenSocket(listener, listening)
