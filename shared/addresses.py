"""Addresses as people write them on a command line: hosts with ports, UNIX sockets, file modes.

Reads text only; whether an address can be had is found out by `opening.py`.
"""

import ipaddress
from typing import NamedTuple

import click

_MAX_PORT = 65535
MAX_UNIX_PATH = 107
"""Bytes that the kernel has room for, the closing zero taken off. Source: unix(7)."""


class TcpPlace(NamedTuple):
    """A host with a port; None as port stands for the one of `--port`."""

    host: str
    port: int | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


class UnixPlace(NamedTuple):
    """A path of the file system."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


def bind(value: str | TcpPlace) -> TcpPlace:
    """The place in `HOST[:PORT]`; an IPv6 address with a port stands in brackets.

    Raises: click.BadParameter.
    """
    if isinstance(value, TcpPlace):
        return value
    host, port = _split(value)
    if not host or any(mark in host for mark in " /@[]"):
        raise click.BadParameter(
            f"expected HOST[:PORT] such as 0.0.0.0:8000, [::1]:8000 or localhost, got {value!r}"
        )
    return TcpPlace(host, None if port is None else _port(port, value))


def port_place(value: str | TcpPlace | UnixPlace) -> TcpPlace | UnixPlace:
    """The place in `[HOST:]PORT` (the loopback without a host) or `unix:PATH`.

    Raises: click.BadParameter.
    """
    if isinstance(value, TcpPlace | UnixPlace):
        return value
    if value.startswith("unix:"):
        return UnixPlace(unix_path(value.removeprefix("unix:")))
    if value.isdecimal():
        return TcpPlace("127.0.0.1", _port(value, value))
    place = bind(value)
    if place.port is None:
        raise click.BadParameter(f"expected [HOST:]PORT or unix:PATH, got {value!r}")
    return place


def unix_path(value: str) -> str:
    """A path that fits a socket's address. Raises: click.BadParameter."""
    if not value or "\0" in value:
        raise click.BadParameter(f"expected the path of a socket, got {value!r}")
    length = len(value.encode("utf-8", "surrogateescape"))
    if length > MAX_UNIX_PATH:
        raise click.BadParameter(
            f"expected a path of at most {MAX_UNIX_PATH} bytes, got {length}: {value!r}"
        )
    return value


def file_mode(value: str | int) -> int:
    """Permission bits in octal digits, as for chmod. Raises: click.BadParameter."""
    if isinstance(value, int):
        return value
    digits = value.removeprefix("0o")
    if not digits or len(digits) > 4 or any(each not in "01234567" for each in digits):
        raise click.BadParameter(f"expected octal digits such as 660, got {value!r}")
    mode = int(digits, 8)
    if mode > 0o777:
        raise click.BadParameter(f"expected permission bits up to 777, got {value!r}")
    return mode


def _split(value: str) -> tuple[str, str | None]:
    if value.startswith("["):
        host, mark, rest = value[1:].partition("]")
        if not mark or not _is_ipv6(host) or (rest and not rest.startswith(":")):
            return "", None
        return host, rest[1:] if rest else None
    if value.count(":") > 1:
        return (value, None) if _is_ipv6(value) else ("", None)
    host, mark, port = value.partition(":")
    return host, port if mark else None


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _port(text: str, value: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > 5 or int(text) > _MAX_PORT:
        raise click.BadParameter(f"expected a port from 0 to {_MAX_PORT}, got {value!r}")
    return int(text)
