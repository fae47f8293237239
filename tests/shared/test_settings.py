"""Holds shared/settings.py: flags, variables, and the frozen classes made of them."""

import click
import pytest
from click.testing import CliRunner, Result

from shared.fault_rules import FaultRule
from shared.settings import LayerSettings, LogSettings, layer_options, log_options


@click.command()
@layer_options
@log_options
@click.argument("word", default="none")
def command(layer: LayerSettings, logs: LogSettings, word: str) -> None:
    click.echo(repr((layer, logs, word)))


def run(*args: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(command, list(args), env=env)


def test_defaults_are_those_of_the_classes() -> None:
    """Without flags and variables a command gets exactly the classes' own defaults."""
    expected = (LayerSettings("redis://127.0.0.1:6379/0"), LogSettings(), "none")
    assert run().output.strip() == repr(expected)


def test_flags_reach_the_command() -> None:
    """Every flag arrives in its field, with repeated ones in order."""
    result = run(
        *("--redis-url", "redis://example:7000/3", "--prefix", "p", "--expiry", "5"),
        *("--group-expiry", "6", "--capacity", "7", "--capacity-bytes", "3000000"),
        *("--channel-capacity", "http.*=8", "--channel-capacity", "*=9"),
        *("--fault", "a:drop=0.1", "--fault", "b:delay=5ms"),
        *("--log-level", "debug", "--log-json", "word"),
    )
    layer = LayerSettings(
        *("redis://example:7000/3", "p", 5, 6, 7, 3_000_000, (("http.*", 8), ("*", 9))),
        faults=(FaultRule("a", 0.1), FaultRule("b", delay_ms=5)),
    )
    assert result.output.strip() == repr((layer, LogSettings("debug", True), "word"))


def test_variables_stand_for_flags() -> None:
    """Every flag may be given as an environment variable; several globs part at blanks."""
    result = run(
        env={
            "REDIS_URL": "redis://example",
            "CHANNELS_PREFIX": "p",
            "CHANNELS_EXPIRY": "5",
            "CHANNELS_GROUP_EXPIRY": "6",
            "CHANNELS_CAPACITY": "7",
            "CHANNELS_CAPACITY_BYTES": "3000000",
            "CHANNELS_CHANNEL_CAPACITY": "http.*=8 *=9",
            "CHANNELS_FAULT": "a:drop=0.1,delay=5ms *:full=1",
            "LOG_LEVEL": "error",
            "LOG_JSON": "1",
        }
    )
    layer = LayerSettings(
        *("redis://example", "p", 5, 6, 7, 3_000_000, (("http.*", 8), ("*", 9))),
        faults=(FaultRule("a", 0.1, 5), FaultRule("*", full=1.0)),
    )
    assert result.output.strip() == repr((layer, LogSettings("error", True), "none"))


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--redis-url", "http://host/"),
        ("--redis-url", "redis:///0"),
        ("--redis-url", "redis://host:port/"),
        ("--redis-url", "redis://host:0/"),
        ("--redis-url", "redis://host/zero"),
        ("--channel-capacity", "http.request"),
        ("--channel-capacity", "=5"),
        ("--channel-capacity", "a=0"),
        ("--channel-capacity", "a=-1"),
        ("--fault", "a"),
        ("--fault", "a:drop=2"),
        ("--expiry", "0"),
        ("--capacity-bytes", "10"),
        ("--log-level", "loud"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(flag: str, value: str) -> None:
    """A wrong value ends the command with status 2 and names the flag."""
    result = run(flag, value)
    assert result.exit_code == 2
    assert flag in result.output


def test_a_wrong_address_is_refused_without_its_password() -> None:
    """The error about a wrong address does not repeat the password in it."""
    result = run("--redis-url", "http://me:secret@host/")
    assert "host" in result.output
    assert "secret" not in result.output


def test_the_public_address_has_no_password() -> None:
    """The form of the address for log lines keeps host, port and database only."""
    settings = LayerSettings("redis://me:secret@host:6380/2?password=secret")
    assert settings.public_url == "redis://host:6380/2"


def test_help_teaches() -> None:
    """The help names each variable's meaning with its unit and its default."""
    text = run("--help").output
    for word in (
        "Seconds after which",
        "Bytes that one channel",
        "default: 5000",
        "GLOB=N",
        "GLOB:drop=",
    ):
        assert word in text
