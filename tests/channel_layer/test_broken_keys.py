"""Keys of another type in the place of a list: they are set aside and stop nobody."""

import pytest
import redis

from channel_layer.layer import Done, Kind, OpenSocket, Send, SendGroup
from channel_layer.redis_blocking import RedisLayer
from channel_layer.redis_keys import RedisKeys
from shared.settings import LayerSettings
from tests.channel_layer.facts import wait_for


class Breaker:
    """Puts keys of the wrong type in places of the layer's."""

    def __init__(self, broker: "redis.Redis[bytes]", base: str) -> None:
        self._broker = broker
        self._base = base

    def spoil(self, *names: str) -> None:
        for name in names:
            self._broker.delete(self._base + name)
            self._broker.hset(self._base + name, "not", "ours")

    def kept(self, *names: str) -> bool:
        """Whether these lie aside as they were, for some time."""
        asides = [f"{self._base}broken:{name}" for name in names]
        return all(self._broker.hgetall(one) == {b"not": b"ours"} for one in asides) and all(
            0 < self._broker.ttl(one) <= 86_400 for one in asides
        )

    def counted(self) -> int:
        return int(self._broker.hget(self._base + "stat", "broken") or 0)


@pytest.fixture
def breaker(broker: "redis.Redis[bytes]", settings: LayerSettings) -> Breaker:
    return Breaker(broker, RedisKeys(settings.prefix).base)


def test_a_broken_list_does_not_stop_the_others(blocking: RedisLayer, breaker: Breaker) -> None:
    """A worker goes on taking from all its channels, also from the one that was broken."""
    blocking.perform([Send("good", b"1"), Send("bad", b"lost")])
    breaker.spoil("list:bad", "meta:good")
    (entry,) = blocking.take("w", ["bad", "good"], 10)
    assert (entry.kind, entry.payload) == (Kind.MESSAGE, b"1")
    assert breaker.kept("list:bad", "meta:good")
    assert breaker.counted() == 2
    blocking.commit("w", [Done(entry.id, (Send("bad", b"2"),))])
    assert [one.payload for one in blocking.take("w", ["bad", "good"], 10)] == [b"2"]


def test_a_broken_list_can_be_sent_to(blocking: RedisLayer, breaker: Breaker) -> None:
    """Sending and plain receiving find an empty list in its place."""
    breaker.spoil("list:bad", "meta:bad")
    assert blocking.receive(["bad"]) == (None, None)
    breaker.spoil("list:bad")
    blocking.send("bad", {"text": "new"})
    assert blocking.receive(["bad"]) == ("bad", {"text": "new"})
    assert breaker.kept("list:bad", "meta:bad")


def test_a_broken_inbox_keeps_no_group_from_hearing(blocking: RedisLayer, breaker: Breaker) -> None:
    """The other members of a group get its messages, and the broken one those that follow."""
    for channel in ("s.P!1", "s.Q!1"):
        blocking.group_add("g", channel)
    breaker.spoil("list:s.P!")
    blocking.perform([SendGroup("g", b"a")])
    kinds = [[one.kind for one in blocking.take("w", [inbox], 9)] for inbox in ("s.P!", "s.Q!")]
    assert kinds == [[Kind.GROUP], [Kind.JOIN, Kind.GROUP]]


def test_a_broken_list_of_events_stops_no_reaping(blocking: RedisLayer, breaker: Breaker) -> None:
    """The sockets of a dead server have their disconnects."""
    blocking.perform([OpenSocket("s.P!1", b"bye")])
    breaker.spoil("list:websocket.receive", "list:websocket.disconnect")
    wait_for(lambda: "s.P!" in blocking.reap_servers(silent_ms=0).servers)
    assert [one.payload for one in blocking.take("w", ["websocket.disconnect"], 9)] == [b"bye"]
