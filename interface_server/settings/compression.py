"""Whether workers' responses are sent compressed."""

from dataclasses import dataclass
from typing import ClassVar

import click

from interface_server.content_coding import CODINGS
from interface_server.settings.options import setting


def codings(value: str | tuple[str, ...]) -> tuple[str, ...]:
    """The names in `br,gzip`, each once. Raises: click.BadParameter."""
    if isinstance(value, tuple):
        return value
    names = tuple(name.strip().lower() for name in value.split(",") if name.strip())
    if len(set(names)) < len(names) or not set(names) <= set(CODINGS):
        raise click.BadParameter(f"expected some of {','.join(CODINGS)}, got {value!r}")
    return names


@dataclass(frozen=True)
class CompressionSettings:
    """The codings that may be used."""

    SECTION: ClassVar[str] = "Compression"

    compress: tuple[str, ...] = setting(
        (),
        codings,
        "Send workers' responses compressed to those who accept it: names out of gzip, br and "
        "zstd, the one you like best first, as in zstd,br,gzip. Only responses with the header "
        "`X-Compress: yes` are: a page that carries a secret and repeats what its reader sent must "
        "not be (BREACH). Off by default; mounted files need no flag.",
        multiple=False,
        metavar="CODING,…",
    )
