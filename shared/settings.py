"""Flags and environment variables of both kinds of process, as small frozen classes.

Each setting is defined once: its flag, its variable, its default and its unit. What only one kind
of process needs stands with that process; nothing here opens a connection.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlsplit

import click

from shared.errors import ConfigurationError
from shared.fault_rules import RULE_FORM, FaultRule, fault_rule

_Command = TypeVar("_Command", bound=Callable[..., Any])

DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"
LOG_LEVELS = ("debug", "info", "warning", "error")


class FiniteRange(click.FloatRange):
    """Numbers within bounds, of which "nan" and "inf" are none."""

    name = "number"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number. Raises: click.BadParameter."""
        number: float = super().convert(value, param, ctx)
        if not isfinite(number):
            self.fail(f"expected a number, got {value!r}", param, ctx)
        return number


@dataclass(frozen=True, slots=True)
class LayerSettings:
    """Where the channel layer lives and the bounds of its lists.

    `channel_capacity` holds (glob of channel names, messages); the first that fits wins over
    `capacity`. `faults` are injected on purpose, to see how a site bears them.
    """

    url: str
    prefix: str = "channels"
    expiry_s: int = 60
    group_expiry_s: int = 86_400
    capacity: int = 5_000
    capacity_bytes: int = 64 * 2**20
    channel_capacity: tuple[tuple[str, int], ...] = ()
    faults: tuple[FaultRule, ...] = ()

    @property
    def public_url(self) -> str:
        """The address without user and password: the form for log lines."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return parts._replace(netloc=host, query="").geturl()


@dataclass(frozen=True, slots=True)
class LogSettings:
    """How much is logged and in which form; `json` gives one JSON object a line."""

    level: str = "info"
    json: bool = False


def redis_url(value: str) -> str:
    """The value itself when it is `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`.

    Raises: click.BadParameter, without the password.
    """
    if not _is_redis_url(value):
        public = LayerSettings(value).public_url
        raise click.BadParameter(f"expected redis://HOST:PORT/DATABASE, got {public!r}")
    return value


def channel_capacity(value: str) -> tuple[str, int]:
    """The pair (glob of channel names, messages) in a value of the form `GLOB=N`.

    Raises: click.BadParameter.
    """
    glob, mark, number = value.rpartition("=")
    if not mark or not glob or not number.isdecimal() or int(number) < 1:
        raise click.BadParameter(f"expected GLOB=N with N of at least 1, got {value!r}")
    return glob, int(number)


def fault(value: str) -> FaultRule:
    """The fault in a value of the form that `fault_rules.py` tells. Raises: click.BadParameter."""
    try:
        return fault_rule(value)
    except ConfigurationError as error:
        raise click.BadParameter(str(error)) from error


_LAYER_OPTIONS = (
    click.option(
        "--redis-url",
        envvar="REDIS_URL",
        type=redis_url,
        metavar="URL",
        default=DEFAULT_REDIS_URL,
        show_default=True,
        show_envvar=True,
        help="Address of the Redis 7+ or Valkey server that carries the channels. All servers "
        "and workers of one site use the same one.",
    ),
    click.option(
        "--prefix",
        envvar="CHANNELS_PREFIX",
        default="channels",
        show_default=True,
        show_envvar=True,
        help="First part of every key. Sites that share one Redis need different prefixes.",
    ),
    click.option(
        "--expiry",
        "expiry_s",
        envvar="CHANNELS_EXPIRY",
        type=click.IntRange(min=1),
        default=60,
        show_default=True,
        show_envvar=True,
        help="Seconds after which a message that no one read is dropped.",
    ),
    click.option(
        "--group-expiry",
        "group_expiry_s",
        envvar="CHANNELS_GROUP_EXPIRY",
        type=click.IntRange(min=1),
        default=86_400,
        show_default=True,
        show_envvar=True,
        help="Seconds after which a group's member that was not added again is dropped.",
    ),
    click.option(
        "--capacity",
        envvar="CHANNELS_CAPACITY",
        type=click.IntRange(min=1),
        default=5_000,
        show_default=True,
        show_envvar=True,
        help="Messages that one channel holds before senders are told that it is full.",
    ),
    click.option(
        "--capacity-bytes",
        envvar="CHANNELS_CAPACITY_BYTES",
        type=click.IntRange(min=2 * 2**20),
        default=64 * 2**20,
        show_default=True,
        show_envvar=True,
        help="Bytes that one channel holds before senders are told that it is full.",
    ),
    click.option(
        "--channel-capacity",
        envvar="CHANNELS_CHANNEL_CAPACITY",
        type=channel_capacity,
        multiple=True,
        metavar="GLOB=N",
        show_envvar=True,
        help="Another --capacity for channels whose name fits GLOB, as in 'http.request=500'. "
        "May be given several times (in the variable: separated by blanks); the first that "
        "fits wins.",
    ),
    click.option(
        "--fault",
        "faults",
        envvar="CHANNELS_FAULT",
        type=fault,
        multiple=True,
        metavar=RULE_FORM,
        show_envvar=True,
        help="For tests: do harm on purpose to messages that this process sends to channels whose "
        "name fits GLOB. A share P of them is lost, or refused as if the channel were full; all "
        "arrive late by TIME. As in 'http.request:drop=0.1,delay=50ms'. May be given several "
        "times (in the variable: separated by blanks); the first that fits counts.",
    ),
)

_LOG_OPTIONS = (
    click.option(
        "--log-level",
        envvar="LOG_LEVEL",
        type=click.Choice(LOG_LEVELS, case_sensitive=False),
        default="info",
        show_default=True,
        show_envvar=True,
        help="The least grave kind of line that is logged to standard error.",
    ),
    click.option(
        "--log-json/--log-text",
        envvar="LOG_JSON",
        default=False,
        show_envvar=True,
        help="Log one JSON object a line instead of readable text.",
    ),
)


def layer_options(command: _Command) -> _Command:
    """Give a click command the options of the channel layer.

    The command receives them as one keyword argument, `layer`, a LayerSettings.
    """

    def gathered(values: dict[str, Any]) -> dict[str, Any]:
        settings = LayerSettings(
            url=values.pop("redis_url"),
            prefix=values.pop("prefix"),
            expiry_s=values.pop("expiry_s"),
            group_expiry_s=values.pop("group_expiry_s"),
            capacity=values.pop("capacity"),
            capacity_bytes=values.pop("capacity_bytes"),
            channel_capacity=tuple(values.pop("channel_capacity")),
            faults=tuple(values.pop("faults")),
        )
        return {**values, "layer": settings}

    return _with_options(command, _LAYER_OPTIONS, gathered)


def log_options(command: _Command) -> _Command:
    """Give a click command the options of its log.

    The command receives them as one keyword argument, `logs`, a LogSettings.
    """

    def gathered(values: dict[str, Any]) -> dict[str, Any]:
        settings = LogSettings(level=values.pop("log_level"), json=values.pop("log_json"))
        return {**values, "logs": settings}

    return _with_options(command, _LOG_OPTIONS, gathered)


def _with_options(
    command: _Command,
    options: tuple[Callable[[_Command], _Command], ...],
    gathered: Callable[[dict[str, Any]], dict[str, Any]],
) -> _Command:
    @functools.wraps(command)
    def wrapper(*args: Any, **values: Any) -> Any:
        return command(*args, **gathered(values))

    wrapped: Any = wrapper
    for option in reversed(options):
        wrapped = option(wrapped)
    result: _Command = wrapped
    return result


def _is_redis_url(value: str) -> bool:
    try:
        parts: SplitResult = urlsplit(value)
        port = parts.port
    except ValueError:
        return False
    database = parts.path.strip("/")
    return (
        parts.scheme == "redis"
        and bool(parts.hostname)
        and port != 0
        and (not database or database.isdecimal())
    )
