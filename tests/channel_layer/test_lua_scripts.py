"""The library of functions as the broker knows it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from pytest_twisted import ensureDeferred
from twisted.internet import reactor

from channel_layer.embedded import EmbeddedValkey
from channel_layer.layer import Send
from channel_layer.lua_scripts import library
from channel_layer.redis_blocking import RedisLayer
from channel_layer.redis_twisted import TwistedLayer
from shared.errors import ConfigurationError
from shared.settings import LayerSettings

STEPS = {"hello", "send", "commit", "receive", "inbox", "reclaim", "replay", "members", "reap"}


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A Valkey of this test's own, whose functions and users are changed."""
    made = EmbeddedValkey(tmp_path / "valkey")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def broker(valkey: EmbeddedValkey) -> Iterator["redis.Redis[bytes]"]:
    """A client of that Valkey."""
    with redis.Redis.from_url(valkey.url) as client:
        yield client


def functions(broker: "redis.Redis[bytes]") -> dict[str, list[bytes]]:
    """The flags of the functions of our library, by the names of the steps."""
    (found,) = broker.function_list(library=library().name)
    made = dict(zip(found[::2], found[1::2], strict=True))[b"functions"]
    facts = [dict(zip(one[::2], one[1::2], strict=True)) for one in made]
    start = len(library().name) + 1
    return {one[b"name"].decode()[start:]: one[b"flags"] for one in facts}


def test_each_version_is_a_library_of_its_own(
    valkey: EmbeddedValkey, broker: "redis.Redis[bytes]"
) -> None:
    """It is named after its text, loaded once by whoever comes first, and leaves others alone."""
    broker.function_load(
        b"#!lua name=channels_before\nredis.register_function('f', function() end)"
    )
    for _ in range(2):
        layer = RedisLayer(LayerSettings(valkey.url))
        layer.perform([Send("a", b"1")])
        layer.close()
    assert set(functions(broker)) == {*STEPS, "find_lost"}
    assert library() is library()
    assert len(broker.function_list(library="channels_*")) == 2


def test_a_full_broker_is_still_read(valkey: EmbeddedValkey, broker: "redis.Redis[bytes]") -> None:
    """What makes room runs without memory: only sending and greeting do not."""
    layer = RedisLayer(LayerSettings(valkey.url))
    layer.perform([Send("a", b"1")])
    refused = {name for name, flags in functions(broker).items() if b"allow-oom" not in flags}
    assert refused == {"send", "hello"}
    broker.config_set("maxmemory", 1)
    assert [entry.payload for entry in layer.take("w", ["a"], 1)] == [b"1"]
    broker.config_set("maxmemory", 0)
    layer.close()


@ensureDeferred
async def test_it_comes_back(valkey: EmbeddedValkey, broker: "redis.Redis[bytes]") -> None:
    """Who finds its functions gone loads them again; nothing is lost and nothing done twice."""
    blocking, twisted = (
        RedisLayer(LayerSettings(valkey.url)),
        TwistedLayer(reactor, LayerSettings(valkey.url)),
    )
    await twisted.start()
    for number in range(3):
        broker.function_flush()
        await twisted.perform(Send("a", b"%d" % number))
        broker.function_flush()
        blocking.perform([Send("a", b"%d" % number)])
    taken = [entry.payload for entry in blocking.take("w", ["a"], 10)]
    assert taken == [b"0", b"0", b"1", b"1", b"2", b"2"]
    await twisted.close()
    blocking.close()


def test_a_user_who_may_not_load_it(valkey: EmbeddedValkey, broker: "redis.Redis[bytes]") -> None:
    """The rights that are missing are named."""
    rights = ("on", ">secret", "~*", "&*", "+@all", "-function")
    broker.execute_command("ACL", "SETUSER", "site", *rights)
    url = valkey.url.replace("redis://", "redis://site:secret@")
    layer = RedisLayer(LayerSettings(url))
    with pytest.raises(ConfigurationError, match=r"\+fcall \+function\|load"):
        layer.perform([Send("a", b"1")])
    layer.close()


def test_each_step_tells_of_its_arguments() -> None:
    """In front of each function stands what it is given."""
    for part in (f"-- {text}" for text in ("[5] worker", "[5] client", "[5] list; [6] ack")):
        assert part.encode() in library().text


def test_importing_the_package_loads_no_client() -> None:
    """A program that only wants `connect` pays for the client library when it connects."""
    code = "import channel_layer, sys; sys.exit('redis' in sys.modules or 'twisted' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
