"""The names of keys: under one hash tag, and those that the scripts really make."""

import re

import pytest
import redis

from channel_layer.layer import Done, History, Join, OpenSocket, Retry, Send, SendGroup
from channel_layer.redis_blocking import RedisLayer
from channel_layer.redis_keys import RedisKeys
from shared.errors import ConfigurationError
from shared.settings import LayerSettings
from tests.channel_layer.facts import wait_for


def test_names_stand_under_one_tag() -> None:
    """Every key begins with the prefix in braces, so that all lie on one shard of a cluster."""
    keys = RedisKeys("site:1")
    names = [
        *(
            keys.list("a"),
            keys.meta("a"),
            keys.wake("a"),
            keys.lease("w"),
            keys.members("g", "a"),
            keys.servers("g"),
        ),
        *(keys.poke("c"), keys.dead, keys.epoch, keys.stat, keys.totals, keys.everything),
    ]
    assert all(name.startswith("{site:1}:") for name in names)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("prefix", ["", "a b", "a{b}", "ö", "a*", "x" * 61])
def test_a_prefix_that_cannot_work(prefix: str) -> None:
    """A prefix that would break the tag or a pattern is a ConfigurationError."""
    with pytest.raises(ConfigurationError):
        RedisKeys(prefix)


def test_the_table_of_keys_is_whole(
    blocking: RedisLayer, settings: LayerSettings, redis_url: str
) -> None:
    """A layer in use has keys of the table only, and all but a few of them end by themselves."""
    exercise(blocking)
    table = RedisKeys.__module__ and __import__(RedisKeys.__module__, fromlist=["x"]).__doc__
    known = set(re.findall(r"^    ([a-z_]+)(?::[A-Z])* ", table or "", re.MULTILINE)) - {"key"}
    with redis.Redis.from_url(redis_url) as client:
        found = {
            key.decode().removeprefix(RedisKeys(settings.prefix).base): client.ttl(key)
            for key in client.scan_iter(RedisKeys(settings.prefix).everything)
        }
    kinds = {name.partition(":")[0] for name in found}
    assert kinds <= known
    assert {"list", "meta", "wake", "lease", "members", "servers", "delayed", "batch"} <= kinds
    assert {"groups", "users", "devices", "log", "logmeta", "reaped"} <= kinds
    lasting = {name.partition(":")[0] for name, ttl in found.items() if ttl == -1}
    settled = {"epoch", "run", "up_since", "format", "totals", "stat"}
    assert lasting == settled | {"lease", "workers", "dead", "servers", "sockets", "present"}


def exercise(layer: RedisLayer) -> None:
    """Use every kind of key once."""
    layer.perform(
        [
            *(Send("work", b"x"), Send("work", b"x"), Send("work", b"x"), Send("work", b"x")),
            Send("work", b"later", delay_ms=5000),
            *(Join("g", "P!c"), Join("g", "other"), Send("b?1", b"x")),
        ]
    )
    one, two, _ = layer.take("w", ["work"], 3)
    layer.commit("w", [Done(one.id), Retry(two.id, 0, 1, "no")])
    layer.perform(
        [
            *(OpenSocket("D!1", b"x"), OpenSocket("P!1", b"x"), Join("g", "D!1", user="u")),
            SendGroup("g", b"x", history=History(1, 60_000)),
        ]
    )
    wait_for(lambda: "D!" in layer.reap_servers(silent_ms=0).servers)
    layer.perform([OpenSocket("E!1", b"x"), Join("g", "E!1", user="u")])


@pytest.mark.parametrize("refresh", [Join("g", "P!c", True), Join("g", "P!c", is_refresh=True)])
def test_who_is_present_lives_as_long_as_the_members(
    blocking: RedisLayer, settings: LayerSettings, redis_url: str, refresh: Join
) -> None:
    """A refreshed membership keeps its user too, who need not be told each time."""
    blocking.perform([Join("g", "P!c", user="ann")])
    base = RedisKeys(settings.prefix).base
    kept = [base + name for name in ("users:g", "devices:g", "members:g:P!", "servers:g")]
    with redis.Redis.from_url(redis_url) as client:
        for key in kept:
            assert client.pexpire(key, 60_000)
        blocking.perform([refresh])
        assert all(client.ttl(key) >= 2 * settings.group_expiry_s for key in kept)
    assert blocking.group_members("g") == {"ann": 1}
