"""The commands about dead letters: list them, send them once more, forget them.

What a dead letter is and how it got there is no matter of this file; neither bodies nor cookies
are shown.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from channel_layer.answers import DeadLetter
from channel_layer.redis_blocking import RedisLayer
from shared import codec
from shared.errors import ConfigurationError, InvalidMessage, LayerError
from shared.logs import configure_logging
from shared.settings import LayerSettings, LogSettings, layer_options

_Command = TypeVar("_Command", bound=Callable[..., Any])

_MOST_SHOWN = 120
"""Characters of the keys in a line of the list."""

_UNREADABLE = "(unreadable)"


def _choice_options(command: _Command) -> _Command:
    options = (
        click.option(
            "--count",
            type=click.IntRange(min=1),
            default=100,
            show_default=True,
            help="At most so many, the oldest first.",
        ),
        click.option(
            "--channel",
            metavar="GLOB",
            default="*",
            show_default=True,
            help="Only those of channels whose name fits, as in 'board.*'.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def dead_letters() -> None:
    """Look at messages that were given up, and deal with them.

    A message is given up when its handler failed too often or when it killed too many workers.
    The newest 1,000 are kept.
    """


@dead_letters.command("list")
@_choice_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@layer_options
def list_command(count: int, channel: str, as_json: bool, layer: LayerSettings) -> None:
    """Show them: when, why, where, and which keys the message has; they stay where they are."""
    with _opened(layer) as opened:
        letters = opened.dead_letters(count, channel)
        number = opened.count_dead_letters()
    for letter in letters:
        click.echo(json.dumps(_facts(letter)) if as_json else _line(letter))
    click.echo(_summed(len(letters), number), err=True)


@dead_letters.command("replay")
@_choice_options
@layer_options
def replay_command(count: int, channel: str, layer: LayerSettings) -> None:
    """Send them once more, as if they were new, to the channels that they came from."""
    with _opened(layer) as opened:
        done = opened.replay_dead_letters(count, channel)
        left = opened.count_dead_letters()
    click.echo(f"{_counted(done)} sent once more, {left} left")


@dead_letters.command("drop")
@_choice_options
@layer_options
def drop_command(count: int, channel: str, layer: LayerSettings) -> None:
    """Forget them."""
    with _opened(layer) as opened:
        done = opened.drop_dead_letters(count, channel)
        left = opened.count_dead_letters()
    click.echo(f"{_counted(done)} dropped, {left} left")


@contextmanager
def _opened(settings: LayerSettings) -> Iterator[RedisLayer]:
    configure_logging(LogSettings())
    try:
        layer = RedisLayer(settings)
        try:
            yield layer
        finally:
            layer.close()
    except (ConfigurationError, LayerError) as error:
        raise click.ClickException(f"at {settings.public_url}: {error}") from error


def _facts(letter: DeadLetter) -> dict[str, Any]:
    """What is shown of a letter, as plain values."""
    entry = letter.entry
    return {
        "when": _time(letter.buried_ms),
        "reason": letter.reason,
        "list": letter.list_name,
        "channel": entry.channel,
        "attempt": entry.attempt,
        "size_bytes": len(entry.payload),
        "keys": _keys(entry.payload),
    }


def _line(letter: DeadLetter) -> str:
    facts = _facts(letter)
    keys = ", ".join(facts["keys"])
    shown = keys if len(keys) <= _MOST_SHOWN else f"{keys[: _MOST_SHOWN - 1]}…"
    own_list = "" if facts["list"] == facts["channel"] else f" list={facts['list']}"
    return (
        f"{facts['when']} {facts['channel']}{own_list} attempt={facts['attempt']} "
        f"size={facts['size_bytes']} reason={_one_line(facts['reason'])} keys={_one_line(shown)}"
    )


def _keys(payload: bytes) -> list[str]:
    try:
        return list(codec.unpack(payload))
    except InvalidMessage:
        return [_UNREADABLE]


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


def _one_line(text: str) -> str:
    """Quoted, and without anything that could pass for a line of its own or move the cursor."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _counted(number: int) -> str:
    return "1 dead letter" if number == 1 else f"{number} dead letters"


def _summed(shown: int, number: int) -> str:
    if number == 0:
        return "there are no dead letters"
    return f"{shown} of {_counted(number)} shown"
