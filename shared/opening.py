"""Opens listening sockets at addresses, and says why where one cannot be had.

Accepts nothing, and knows nothing of what is served there.
"""

import errno
import os
import socket
import stat

from shared.addresses import TcpPlace
from shared.errors import ConfigurationError


def open_tcp(
    host: str,
    port: int,
    backlog: int,
    *,
    only_ipv6: bool = False,
    flags: str = "--port or --bind",
) -> socket.socket:
    """A listening TCP socket at the first address of `host`.

    `flags`: where a user would name another place. Raises: ConfigurationError.
    """
    place = TcpPlace(host, port)
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )
    except (socket.gaierror, UnicodeError) as error:
        raise ConfigurationError(f"cannot listen on {place}: {host!r} has no address") from error
    family, kind, protocol, _, address = found[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and only_ipv6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
        listening.listen(backlog)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        reason = _reason(error, port, flags)
        raise ConfigurationError(f"cannot listen on {place}: {reason}") from error
    return listening


def open_unix(path: str, mode: int, backlog: int) -> socket.socket:
    """A listening UNIX socket that nobody but those whom `mode` allows could ever connect to.

    A socket file on which nobody listens any more is replaced. Raises: ConfigurationError.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _clear(path)
        listening.bind(path)
        # Nobody can connect before listen().
        os.chmod(path, mode)
        listening.listen(backlog)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise ConfigurationError(f"cannot listen on {path}: {error.strerror or error}") from error
    except ConfigurationError:
        listening.close()
        raise
    return listening


def url_of(listening: socket.socket, scheme: str) -> str:
    """The address of a listening socket as a person would open it."""
    name = listening.getsockname()
    if listening.family == socket.AF_UNIX:
        shown = name if isinstance(name, str) else "@" + name[1:].decode(errors="replace")
        return f"unix:{shown}"
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"{scheme}://{host}:{name[1]}/"


def _clear(path: str) -> None:
    """Take a socket file away on which nobody listens."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise ConfigurationError(f"cannot listen on {path}: the file there is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            pass  # somebody listens whose row is full
    raise ConfigurationError(f"cannot listen on {path}: another process listens there")


def _reason(error: OSError, port: int, flags: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"another process listens there (choose another with {flags})"
    if error.errno == errno.EACCES:
        return f"no right to use ports below 1024 such as {port}"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine has no such address"
    return error.strerror or str(error)
