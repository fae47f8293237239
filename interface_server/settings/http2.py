"""Whether HTTP/2 is spoken, and its bounds; those of requests and answers are HTTP/1.1's."""

from dataclasses import dataclass
from typing import ClassVar

import click

from interface_server.settings.options import KIB, setting, size


def window(value: str | int) -> int:
    """A size that HTTP/2 has windows of. Raises: click.BadParameter."""
    number = size(value)
    if not 16 * KIB <= number < 2**31:
        raise click.BadParameter(f"expected 16k to 2147483647 bytes, got {value!r}")
    return number


@dataclass(frozen=True)
class Http2Settings:
    """Sizes in bytes."""

    SECTION: ClassVar[str] = "HTTP/2"

    http2: bool = setting(
        True,
        bool,
        "Offer HTTP/2 over TLS, where the extra [http2] is installed.",
        flags=("--http2/--no-http2",),
    )
    h2c: bool = setting(
        False,
        bool,
        "Speak HTTP/2 without TLS to clients that begin with its preface (prior knowledge).",
        flags=("--h2c/--no-h2c",),
    )
    http2_streams: int = setting(
        100,
        click.IntRange(1, 1000),
        "Requests of one HTTP/2 connection in hand at a time, cancelled ones that workers still "
        "have included.",
    )
    http2_window: int = setting(
        256 * KIB,
        window,
        "Bytes of one request's body that a client may send ahead of the layer.",
        metavar="BYTES",
    )
