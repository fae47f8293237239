"""Each option of the server: its default, its unit, its variable."""

from dataclasses import fields
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from interface_server.settings import Mount, ServerSettings, server_options
from shared.errors import ConfigurationError


def read(*arguments: str, **environment: str) -> ServerSettings:
    """The settings of a command that was called like this."""
    found: list[ServerSettings] = []

    @click.command()
    @server_options
    def command(server: ServerSettings) -> None:
        found.append(server)

    result = CliRunner().invoke(command, arguments, env=environment)
    if result.exit_code:
        raise click.UsageError(result.output)
    return found[0]


def test_without_options_the_defaults_hold() -> None:
    """The command's defaults are the class's."""
    assert read() == ServerSettings()


def test_every_field_has_an_option_that_is_explained() -> None:
    """--help names each with its variable."""

    @click.command()
    @server_options
    def command(server: ServerSettings) -> None:
        """Nothing."""

    shown = CliRunner().invoke(command, ["--help"]).output
    assert " ".join(shown.split()).count("env var:") == len(fields(ServerSettings))


def test_options_and_variables_are_read(tmp_path: Path) -> None:
    """Sizes with units, mounts, networks, switches."""
    settings = read(
        *("--max-body", "3m", "--max-head", "64KiB", "--max-output", "5"),
        *("--static", f"/static/={tmp_path}", "--media", f"/media={tmp_path}"),
        *("--trusted-proxy", "10.0.0.1", "--trusted-proxy", "::1"),
        *("--no-log-addresses", "--no-access-log"),
        CHANNELS_HTTP_TIMEOUT="7.5",
        PORT="81",
        CHANNELS_ROOT_PATH="/site/",
    )
    assert (settings.max_body, settings.max_head, settings.max_output) == (3 << 20, 65536, 5)
    assert settings.static == (Mount("/static", tmp_path.resolve()),)
    assert settings.media == (Mount("/media", tmp_path.resolve()),)
    assert settings.trusted_proxies == ("10.0.0.1/32", "::1/128")
    assert (settings.http_timeout_s, settings.port, settings.root_path) == (7.5, 81, "/site")
    assert not settings.log_addresses
    assert not settings.access_log


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--static", "static=/tmp"), "expected /PREFIX=DIR"),
        (("--static", "/=/tmp"), "expected /PREFIX=DIR"),
        (("--static", "/a"), "expected /PREFIX=DIR"),
        (("--static", "/a=/no/such/folder"), "there is no folder"),
        (("--trusted-proxy", "everyone"), "expected an IP address"),
        (("--max-body", "large"), "expected bytes"),
        (("--max-body", "-1"), "expected bytes"),
        (("--root-path", "site"), "begins with '/'"),
        (("--server-header", "a\r\nb"), "printable ASCII"),
        (("--inline-body", "2m"), "inline_body: expected at most"),
        (("--max-message", "17m"), "max_message: expected at most"),
    ],
)
def test_what_cannot_work_is_refused_with_what_was_expected(
    arguments: tuple[str, ...], said: str
) -> None:
    """The operator reads what came and what would do."""
    with pytest.raises(click.UsageError) as refused:
        read(*arguments)
    assert said in str(refused.value)


def test_a_size_that_no_message_carries_is_refused_in_code_too() -> None:
    """The class checks itself."""
    with pytest.raises(ConfigurationError):
        ServerSettings(inline_body=1 << 21)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("0.0.0.0", ("0.0.0.0", None)),
        ("localhost:81", ("localhost", 81)),
        ("[::1]:81", ("::1", 81)),
        ("[::1]", ("::1", None)),
        ("::", ("::", None)),
    ],
)
def test_an_address_to_listen_on_may_have_a_port(text: str, place: tuple[str, int | None]) -> None:
    """IPv6 stands in brackets where a port follows; --host is the older name."""
    assert read("-b", text).bind == (place,)
    assert read("--host", text, "-b", "x").bind == (place, ("x", None))
    assert read(CHANNELS_HOST=text).bind == (place,)


@pytest.mark.parametrize(
    "arguments",
    [
        ("-b", ":80"),
        ("-b", "a:70000"),
        ("-b", "a:"),
        ("-b", "[::1"),
        ("-b", "[::1]80"),
        ("-b", "1:2:3"),
        ("-b", "http://x"),
        ("-u", "x" * 108),
        ("--unix-mode", "888"),
        ("--unix-mode", "1777"),
        ("--processes", "0"),
        ("--processes", "many"),
        ("--processes", "2", "-e", "tcp:80"),
        ("--proxy-protocol",),
        ("--forwarded", "both"),
    ],
)
def test_a_place_that_cannot_be_is_refused(arguments: tuple[str, ...]) -> None:
    """With what was expected."""
    with pytest.raises(click.UsageError, match=r"expected|is not one of"):
        read(*arguments)
