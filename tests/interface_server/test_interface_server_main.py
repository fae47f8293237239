"""The command line of the interface server."""

import click
import pytest
from click.testing import CliRunner

from interface_server.__main__ import main


def test_help_teaches_every_option_with_its_variable() -> None:
    """What can be set is told, with unit or form, default and environment variable."""
    result = CliRunner().invoke(main, ["--help"], terminal_width=100)
    assert result.exit_code == 0
    for text in ("--redis-url", "REDIS_URL", "--static /PREFIX=DIR", "--http-timeout", "SIGTERM"):
        assert text in result.output
    words = " ".join(result.output.split())
    named = [option for option in main.params if isinstance(option, click.Option)]
    assert len(named) > 35
    assert [option.name for option in named if not option.envvar or not option.help] == []
    assert words.count("env var: ") == len(named)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--port", "70000"], "70000"),
        (["--static", "static"], "expected /PREFIX=DIR"),
        (["--redis-url", "http://user:secret@x"], "expected redis://"),
        (["--max-body", "many"], "expected bytes such as"),
        (["--trusted-proxy", "everyone"], "expected an IP address, a network or unix"),
        (["--tls-cert", "a.pem"], "expected as many --tls-key as --tls-cert, got 0 and 1"),
        (["--redirect-port", "host"], "expected [HOST:]PORT"),
        (["--accept-rate", "nan"], "expected a number"),
        (["--grace", "inf"], "expected a number"),
        (["--nonsense"], "No such option"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(arguments: list[str], told: str) -> None:
    """The message says what was expected; passwords stay out; the status is 2."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert told in result.output
    assert "secret" not in result.output
