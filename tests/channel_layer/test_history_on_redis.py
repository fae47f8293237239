"""Histories of groups where Redis itself matters: lost data, life of keys, what a server reads."""

from dataclasses import replace

import pytest
import redis
from pytest_twisted import ensureDeferred

from channel_layer import entries
from channel_layer.layer import History, Join, Kind, Position, Replay, SendGroup
from channel_layer.redis_blocking import RedisLayer
from channel_layer.redis_keys import RedisKeys
from channel_layer.redis_twisted import TwistedLayer
from shared.settings import LayerSettings
from tests.channel_layer.facts import wait_for

INBOX = "server.P!"
ONE = INBOX + "1"
KEPT = History(10, 60_000)
FROM_NOW = Position("", 0)


def replays(layer: RedisLayer) -> list[Replay]:
    """The replays in the inbox, which are taken out."""
    taken = layer.take("reader", [INBOX], 100)
    return [entries.replay(entry) for entry in taken if entry.kind is Kind.REPLAY]


def last_position(layer: RedisLayer) -> Position:
    layer.perform([Join("g", ONE, since=FROM_NOW)])
    return replays(layer)[-1].position


def test_another_epoch_is_a_gap(
    blocking: RedisLayer, settings: LayerSettings, broker: "redis.Redis[bytes]"
) -> None:
    """When Redis may have lost something, every history begins anew and all before it is a gap."""
    blocking.perform([SendGroup("g", b"%d" % n, history=KEPT) for n in range(3)])
    before = last_position(blocking)
    assert before.offset == 3
    broker.set(RedisKeys(settings.prefix).epoch, "another")
    blocking.perform([Join("g", ONE, since=before), SendGroup("g", b"new", history=KEPT)])
    (told,) = replays(blocking)
    assert (told.is_gap, told.is_end, told.messages, told.position.offset) == (True, True, (), 0)
    assert told.position.epoch.startswith("another.")
    blocking.perform([Join("g", ONE, since=told.position)])
    (told,) = replays(blocking)
    assert (told.is_gap, told.messages) == (False, ((1, b"new"),))


def test_a_lost_list_of_messages_is_a_gap(
    blocking: RedisLayer, settings: LayerSettings, broker: "redis.Redis[bytes]"
) -> None:
    """Where the messages are gone and their number is known, offsets go on behind the gap."""
    blocking.perform([SendGroup("g", b"%d" % n, history=KEPT) for n in range(3)])
    position = last_position(blocking)
    broker.delete(RedisKeys(settings.prefix).base + "log:g")
    blocking.perform([SendGroup("g", b"next", history=KEPT)])
    blocking.perform([Join("g", ONE, since=position._replace(offset=2))])
    assert replays(blocking)[0].is_gap
    blocking.perform([Join("g", ONE, since=position)])
    assert replays(blocking)[0].messages == ((4, b"next"),)


def test_a_history_has_eight_megabytes(
    plain: RedisLayer, prefix: str, broker: "redis.Redis[bytes]"
) -> None:
    """However many messages it may hold, it is bounded in bytes, which empty ones take too."""
    log = RedisKeys(prefix).base + "log:g"
    kept = History(1_000_000, 60_000)
    for _ in range(80):
        plain.perform([SendGroup("g", b"x" * 1000, history=kept)] * 100)
    assert broker.llen(log) == 8 * 2**20 // 1064
    plain.perform([SendGroup("g", b"", history=kept)] * 150)
    assert broker.llen(log) == 8 * 2**20 // 1064 + 150 - 9


def test_replays_of_one_call_are_bounded(
    plain: RedisLayer, prefix: str, broker: "redis.Redis[bytes]"
) -> None:
    """One call replays some 4 MiB in all, whoever asks for what: all else is a gap.

    So nobody else waits for long.
    """
    for _ in range(60):
        plain.perform([SendGroup("g", b"x" * 500, history=History(6000, 60_000))] * 100)
    at = last_position(plain)
    joins = [
        Join("g", f"server.{n}!1", since=at._replace(offset=at.offset - 1500)) for n in range(32)
    ]
    plain.perform(joins)
    told = []
    for n in range(32):
        _, entry = plain.take("reader", [f"server.{n}!"], 9)
        told.append(entries.replay(entry))
    assert [len(one.messages) for one in told] == [*[1500] * 4, *[0] * 28]
    assert [one.is_gap for one in told] == [*[False] * 4, *[True] * 28]


def test_a_forgotten_history_begins_anew(settings: LayerSettings) -> None:
    """Past the group's expiry without use a history has another epoch, so nobody is misled."""
    layer = RedisLayer(replace(settings, group_expiry_s=1))
    layer.perform([SendGroup("g", b"1", history=KEPT)])
    first = last_position(layer)
    keys = RedisKeys(settings.prefix)
    with redis.Redis.from_url(settings.url) as broker:
        assert 0 < broker.pttl(keys.base + "logmeta:g") <= 61_000
        broker.pexpire(keys.base + "logmeta:g", 1)
        wait_for(lambda: not broker.exists(keys.base + "logmeta:g"))
    second = last_position(layer)
    assert (first.offset, second.offset) == (1, 0)
    assert first.epoch != second.epoch
    layer.close()


@pytest.mark.parametrize("offset", [-1, 2**53 + 1, 2**70])
def test_a_position_that_cannot_be(blocking: RedisLayer, offset: int) -> None:
    """Whatever a client says it knows, the answer is a gap at worst."""
    blocking.perform([SendGroup("g", b"1", history=KEPT)])
    epoch = last_position(blocking).epoch
    for since in (Position(epoch, offset), Position("ü" * 500, 0), Position("\ud800", 1)):
        blocking.perform([Join("g", ONE, since=since)])
        (told,) = replays(blocking)
        assert (told.is_gap, told.position) == (True, Position(epoch, 1))


@ensureDeferred
async def test_an_inbox_has_the_position_of_each_message(
    twisted: TwistedLayer, blocking: RedisLayer
) -> None:
    """A server reads epoch, offset and who is left out with each message of a kept group."""
    await twisted.read_inbox(INBOX, 0, 100)
    await twisted.perform(Join("g", ONE, is_known=True, since=FROM_NOW))
    await twisted.perform(Join("g", INBOX + "2", is_known=True))
    blocking.send_group("g", {"text": "kept"}, exclude=(ONE, "other"), history=(5, 60))
    blocking.send_group("g", {"text": "plain"})
    batch = await twisted.read_inbox(INBOX, 0, 100)
    kinds = [entry.kind for entry in batch.entries]
    assert kinds == [Kind.REPLAY, Kind.GROUP_MORE, Kind.GROUP]
    start = entries.replay(batch.entries[0]).position
    message = entries.group_message(batch.entries[1])
    assert message.position == Position(start.epoch, 1)
    assert message.exclude == {ONE}
    assert start.epoch.split(".")[0] == batch.epoch.split(".")[0]
