"""Redis addresses from URLs."""

import pytest

from channel_layer.redis_address import RedisAddress, redis_address
from shared.errors import ConfigurationError


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://localhost", RedisAddress("localhost", 6379)),
        ("redis://127.0.0.1:7000/3", RedisAddress("127.0.0.1", 7000, 3)),
        ("redis://[::1]:7000", RedisAddress("::1", 7000)),
        ("redis://:p%40ss@h/", RedisAddress("h", 6379, 0, "", "p@ss")),
        ("redis://me:secret@h:1/2", RedisAddress("h", 1, 2, "me", "secret")),
    ],
)
def test_addresses(url: str, address: RedisAddress) -> None:
    """Host, port, database and credentials come out of the URL; log lines show none of the last."""
    assert redis_address(url) == address
    assert "ss" not in address.shown
    assert "secret" not in address.shown


@pytest.mark.parametrize("url", ["", "http://h", "redis://", "redis://h:x", "redis://:s3cret@h/a"])
def test_what_is_no_address(url: str) -> None:
    """Another scheme, no host or a wrong number is a ConfigurationError that tells no password."""
    with pytest.raises(ConfigurationError) as caught:
        redis_address(url)
    assert "s3cret" not in str(caught.value)
