"""How a setting is written down once: default, type, help, flag and environment variable together.

Reads no environment and opens nothing; the settings themselves stand in the other modules here.
"""

import functools
import inspect
import ipaddress
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from shared.errors import ConfigurationError
from shared.settings import FiniteRange

KIB = 1024
MIB = 1024 * 1024
SECONDS = FiniteRange(min=0.001)
COUNT = click.IntRange(min=1)
MAX_PROCESSES = 256

_UNITS = {"": 1, "k": KIB, "m": MIB, "g": 1024 * MIB}
_SIZE_TEXT = re.compile(r"([0-9]+)([kmg]?)(?:i?b)?")
_OPTION = "option"


@dataclass(frozen=True, slots=True)
class Mount:
    """A folder whose files answer below `prefix` (`/static`, no slash at its end)."""

    prefix: str
    folder: Path


class SectionedOption(click.Option):
    """An option that stands below a heading in `--help`."""

    def __init__(self, *args: Any, section: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section


class SectionedCommand(click.Command):
    """A command whose `--help` puts options below the headings of their sections."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections in the order in which they first come; the rest stands last."""
        sections: dict[str, list[tuple[str, str]]] = {}
        rest: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, SectionedOption):
                sections.setdefault(parameter.section, []).append(record)
            elif record is not None:
                rest.append(record)
        for title, records in (*sections.items(), ("Channel layer, logs", rest)):
            with formatter.section(title):
                formatter.write_dl(records)


def setting(
    default: Any,
    type_: Any,
    help_: str,
    *,
    flags: Sequence[str] = (),
    environment: str | Sequence[str] = "",
    **more: Any,
) -> Any:
    """A dataclass field that is also an option; `more` goes to click.

    Without `flags` and `environment` they follow from the field's name: `stall_timeout_s` is
    `--stall-timeout` and `CHANNELS_STALL_TIMEOUT`. A tuple as default is a repeatable option.
    """
    option = {"type": type_, "help": help_, "flags": flags, "environment": environment, **more}
    return field(default=default, metadata={_OPTION: option})


def options_of(settings: type, argument: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator for click commands, which then receive one `argument` of the class `settings`.

    Each base of the class that has a `SECTION` is a section of the command's help.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def with_settings(*args: Any, **kwargs: Any) -> Any:
            values = {each.name: kwargs.pop(each.name) for each in fields(settings)}
            try:
                made = settings(**values)
            except ConfigurationError as error:
                raise click.UsageError(str(error)) from error
            return command(*args, **{argument: made}, **kwargs)

        decorated: Callable[..., Any] = with_settings
        for option in reversed(_options(settings)):
            decorated = option(decorated)
        return decorated

    return decorate


def mount(value: str | Mount) -> Mount:
    """The mount in `/PREFIX=DIR`. Raises: click.BadParameter."""
    if isinstance(value, Mount):
        return value
    prefix, _, folder = value.partition("=")
    prefix = prefix.rstrip("/")
    if not folder or not prefix.startswith("/") or "//" in prefix:
        raise click.BadParameter(f"expected /PREFIX=DIR such as /static=./static, got {value!r}")
    path = Path(folder).expanduser().resolve()
    if not path.is_dir():
        raise click.BadParameter(f"{prefix}: there is no folder {str(path)!r}")
    return Mount(prefix, path)


def network(value: str) -> str:
    """An address or network in CIDR form, or `unix`. Raises: click.BadParameter."""
    if value == "unix":
        return value
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError as error:
        raise click.BadParameter(
            f"expected an IP address, a network or unix, got {value!r}"
        ) from error


def size(value: str | int) -> int:
    """Bytes in `65536`, `64k`, `16m` or `16MiB`. Raises: click.BadParameter."""
    if isinstance(value, int):
        return value
    match = _SIZE_TEXT.fullmatch(value.strip().lower())
    if match is None:
        raise click.BadParameter(f"expected bytes such as 65536, 64k or 16m, got {value!r}")
    return int(match[1]) * _UNITS[match[2] or ""]


def processes(value: str | int) -> int:
    """A number of processes; `auto` is the number of cores. Raises: click.BadParameter."""
    if value == "auto":
        return len(os.sched_getaffinity(0))
    if not (str(value).isdecimal() and 1 <= int(value) <= MAX_PROCESSES):
        raise click.BadParameter(f"expected 1 to {MAX_PROCESSES} or auto, got {value!r}")
    return int(value)


def root_path(value: str) -> str:
    """A path without a slash at its end. Raises: click.BadParameter."""
    path = value.rstrip("/")
    if path and not path.startswith("/"):
        raise click.BadParameter(f"expected a path that begins with '/', got {value!r}")
    return path


def origin(value: str) -> str:
    """`any`, `same`, `null` or an origin as browsers write it. Raises: click.BadParameter."""
    text = value.strip().lower()
    try:
        parts = urlsplit(text)
    except ValueError:  # brackets around what is no IPv6 address
        parts = urlsplit("")
    is_origin = parts.scheme in ("http", "https") and text == f"{parts.scheme}://{parts.netloc}"
    if text not in ("any", "same", "null") and not (is_origin and parts.netloc):
        raise click.BadParameter(
            f"expected any, same or an origin such as https://example.org, got {value!r}"
        )
    return text


def header_text(value: str) -> str:
    """Printable ASCII. Raises: click.BadParameter."""
    if value and not (value.isascii() and value.isprintable()):
        raise click.BadParameter(f"expected printable ASCII, got {value!r}")
    return value


def pattern(value: str) -> str:
    """A regular expression. Raises: click.BadParameter."""
    try:
        re.compile(value)
    except re.error as error:
        raise click.BadParameter(
            f"expected a regular expression, got {value!r}: {error}"
        ) from error
    return value


_METAVARS: dict[Any, str] = {
    mount: "/PREFIX=DIR",
    network: "ADDRESS|CIDR|unix",
    size: "BYTES",
    root_path: "/PATH",
    header_text: "TEXT",
    pattern: "REGEX",
    origin: "any|same|ORIGIN",
}


def _options(settings: type) -> list[Callable[..., Any]]:
    known = {each.name: each for each in fields(settings)}
    return [
        _click_option(name, known[name].default, base.__dict__["SECTION"], known[name].metadata)
        for base in settings.__mro__
        if "SECTION" in base.__dict__
        for name in inspect.get_annotations(base)
        if name in known
    ]


def _click_option(
    name: str, default: Any, section: str, metadata: Mapping[str, Any]
) -> Callable[..., Any]:
    more = dict(metadata[_OPTION])
    flags, environment = more.pop("flags"), more.pop("environment")
    if more["type"] in _METAVARS:
        more.setdefault("metavar", _METAVARS[more["type"]])
    bare = name.removesuffix("_s")
    if isinstance(default, tuple):
        more = {"multiple": True, "show_default": False, **more}
    return click.option(
        *(flags or ("--" + bare.replace("_", "-"),)),
        name,
        cls=SectionedOption,
        section=section,
        default=default,
        envvar=environment or "CHANNELS_" + bare.upper(),
        show_envvar=True,
        **{"show_default": True, **more},
    )
