"""The scripts as the broker knows them."""

import subprocess
import sys

import redis

from channel_layer.lua_scripts import all_scripts, script


def test_the_broker_names_them_alike(redis_url: str) -> None:
    """Every script compiles, and its hash is the one that the broker gives it."""
    with redis.Redis.from_url(redis_url) as broker:
        for one in all_scripts():
            sha = broker.script_load(one.text.decode())
            assert (sha.decode() if isinstance(sha, bytes) else sha) == one.sha


def test_they_are_read_once() -> None:
    """A script is the same object each time; each says at its own head what its arguments are."""
    assert script("send") is script("send")
    for one in all_scripts():
        assert b"-- [5] " in one.text


def test_importing_the_package_loads_no_client() -> None:
    """A program that only wants `connect` pays for the client library when it connects."""
    code = "import channel_layer, sys; sys.exit('redis' in sys.modules or 'twisted' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
