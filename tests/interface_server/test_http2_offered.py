"""When HTTP/2 is offered, and what is said where it cannot be."""

from importlib import util

import click
import pytest

from interface_server import http2
from interface_server.settings import ServerSettings
from interface_server.settings.http2 import window
from shared.errors import ConfigurationError


def test_it_is_offered_over_tls_unless_switched_off() -> None:
    """And without TLS only where the operator asks for it."""
    assert http2.tls_maker(ServerSettings()) is not None
    assert http2.tls_maker(ServerSettings(http2=False)) is None
    assert http2.h2c_maker(ServerSettings()) is None
    assert http2.h2c_maker(ServerSettings(h2c=True)) is not None


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """--h2c cannot be had without it; over TLS HTTP/1.1 is spoken then."""
    monkeypatch.setattr(http2, "find_spec", lambda name: None)
    assert util.find_spec("h2") is not None
    assert http2.tls_maker(ServerSettings()) is None
    with pytest.raises(ConfigurationError, match=r"channels-board\[http2\]"):
        http2.h2c_maker(ServerSettings(h2c=True))


@pytest.mark.parametrize("value", ["1k", "2g", "x"])
def test_a_window_has_bounds(value: str) -> None:
    """Those of HTTP/2, and enough for a frame."""
    with pytest.raises(click.BadParameter):
        window(value)
