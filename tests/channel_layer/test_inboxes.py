"""Inboxes: read in place, acknowledged, waited for, and honest about what was lost."""

import time

import redis
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater

from channel_layer.answers import InboxBatch, Verdict
from channel_layer.figures import META, unpacked_meta
from channel_layer.layer import Join, Kind, Leave, Send, SendGroup, SendReceipt
from channel_layer.redis_blocking import RedisLayer
from channel_layer.redis_keys import RedisKeys
from channel_layer.redis_twisted import TwistedLayer
from shared.settings import LayerSettings

INBOX = "server.P!"


async def begin(twisted: TwistedLayer) -> InboxBatch:
    """The first look at an inbox gives its epoch at once."""
    batch = await twisted.read_inbox(INBOX, 0, 100)
    assert batch.entries == ()
    return batch


def payloads(batch: InboxBatch) -> list[bytes]:
    return [entry.payload for entry in batch.entries]


@ensureDeferred
async def test_an_inbox_is_read_in_place(twisted: TwistedLayer, blocking: RedisLayer) -> None:
    """Entries stay until a later read acknowledges them, whatever their kind, in order."""
    first = await begin(twisted)
    channel = INBOX + "c"
    blocking.perform(
        [
            *(Send(channel, b"1"), Join("g", channel), SendGroup("g", b"2")),
            *(SendReceipt(channel, b"3", 9), Leave("g", channel)),
        ]
    )
    batch = await twisted.read_inbox(INBOX, 0, 100)
    assert batch.epoch == first.epoch
    kinds = [Kind.MESSAGE, Kind.JOIN, Kind.GROUP, Kind.RECEIPT, Kind.LEAVE]
    assert [entry.kind for entry in batch.entries] == kinds
    assert payloads(batch) == [b"1", b"g", b"2", b"3", b"g"]
    assert batch.entries[3].order == 9
    assert await twisted.read_inbox(INBOX, 0, 100) == batch
    rest = await twisted.read_inbox(INBOX, batch.entries[1].id, 2)
    assert rest.entries == batch.entries[2:4]
    last = await twisted.read_inbox(INBOX, rest.entries[-1].id, 100)
    assert last.entries == batch.entries[4:]
    blocking.perform([Send(channel, b"new")])
    assert payloads(await twisted.read_inbox(INBOX, last.entries[-1].id, 100)) == [b"new"]
    assert blocking.channel_statistics(INBOX)["messages_pending"] == 1


@ensureDeferred
async def test_a_waiting_read_wakes(twisted: TwistedLayer, blocking: RedisLayer) -> None:
    """A read of an empty inbox waits for the next entry, also when it is a delayed one."""
    await begin(twisted)
    reading = twisted.read_inbox(INBOX, 0, 100)
    await deferLater(reactor, 0.05)
    blocking.perform([Send(INBOX + "c", b"1")])
    batch = await reading
    assert payloads(batch) == [b"1"]
    reading = twisted.read_inbox(INBOX, batch.entries[-1].id, 100)
    blocking.perform([Send(INBOX + "c", b"2", delay_ms=100)])
    assert payloads(await reading) == [b"2"]


@ensureDeferred
async def test_acknowledged_bytes_make_room(
    twisted: TwistedLayer, blocking: RedisLayer, redis_url: str, settings: LayerSettings
) -> None:
    """What was acknowledged counts against no bound any more, however it was acknowledged."""
    await begin(twisted)
    sends = [Send(INBOX + "c", b"x" * 1000) for _ in range(20)]
    blocking.perform(sends)
    assert blocking.perform(sends[:1])[0].verdict is Verdict.FULL
    batch = await twisted.read_inbox(INBOX, 0, 8)
    batch = await twisted.read_inbox(INBOX, batch.entries[-1].id, 12)
    assert len(batch.entries) == 12
    batch = await twisted.read_inbox(INBOX, batch.entries[4].id, 5)
    assert len(batch.entries) == 5
    with redis.Redis.from_url(redis_url) as broker:
        keys = RedisKeys(settings.prefix)
        stored = sum(map(len, broker.lrange(keys.list(INBOX), 0, -1)))
        assert unpacked_meta(broker.get(keys.meta(INBOX)))["bytes"] == stored
    assert [outcome.verdict for outcome in blocking.perform(sends[:13])] == [Verdict.DONE] * 13


@ensureDeferred
async def test_expired_entries_are_skipped(twisted: TwistedLayer, blocking: RedisLayer) -> None:
    """What died in the inbox before it was read is not given out when it stands in front."""
    await begin(twisted)
    blocking.perform([Send(INBOX + "c", b"short", ttl_ms=10), Send(INBOX + "c", b"long")])
    await deferLater(reactor, 0.03)
    assert payloads(await twisted.read_inbox(INBOX, 0, 100)) == [b"long"]


@ensureDeferred
async def test_a_batch_is_bounded_in_bytes(twisted: TwistedLayer, blocking: RedisLayer) -> None:
    """A read gives a mebibyte at most, or one entry that is larger; the next one goes on."""
    await begin(twisted)
    sizes = [300_000, 300_000, 300_000, 300_000, 1_100_000, 10]
    for n, size in enumerate(sizes):
        blocking.perform([Send(INBOX + "c", b"%d" % n + b"x" * size, urgent=True)])
    numbers, acknowledged = [], 0
    while sum(map(len, numbers)) < len(sizes):
        batch = await twisted.read_inbox(INBOX, acknowledged, 100)
        numbers.append([int(entry.payload[:1]) for entry in batch.entries])
        acknowledged = batch.entries[-1].id
    assert numbers == [[0, 1, 2], [3], [4], [5]]


@ensureDeferred
async def test_many_small_entries_come_together(
    twisted: TwistedLayer, blocking: RedisLayer
) -> None:
    """Up to the number asked for comes in one read, past the script's own portions."""
    await begin(twisted)
    for _ in range(3):
        blocking.perform([Send(INBOX + "c", b"", urgent=True) for _ in range(70)])
    batch = await twisted.read_inbox(INBOX, 0, 200)
    assert len(batch.entries) == 200
    assert len((await twisted.read_inbox(INBOX, batch.entries[-1].id, 200)).entries) == 10


@ensureDeferred
async def test_what_is_no_entry_is_passed_over(
    twisted: TwistedLayer, blocking: RedisLayer, redis_url: str, settings: LayerSettings
) -> None:
    """Foreign bytes in an inbox stop nobody: what stands around them is read, once."""
    await begin(twisted)
    garbage = [b"", b"short", b"\xff" * 36, b"\xff" * 200, b"\0" * 34 + b"\x09" * 91]
    with redis.Redis.from_url(redis_url) as broker:
        for number, foreign in enumerate(garbage):
            broker.rpush(RedisKeys(settings.prefix).list(INBOX), foreign)
            blocking.perform([Send(INBOX + "c", b"%d" % number)])
        broker.rpush(RedisKeys(settings.prefix).list(INBOX), b"\xff" * 300)
    batch = await twisted.read_inbox(INBOX, 0, 100)
    assert payloads(batch) == [b"0", b"1", b"2", b"3", b"4"]
    blocking.perform([Send(INBOX + "c", b"last")])
    batch = await twisted.read_inbox(INBOX, batch.entries[-1].id, 100)
    assert payloads(batch) == [b"last"]


@ensureDeferred
async def test_a_flush_changes_the_epoch(twisted: TwistedLayer, blocking: RedisLayer) -> None:
    """A waiting reader learns at its next look that all was lost, and misses nothing new."""
    first = await begin(twisted)
    blocking.perform([Send(INBOX + "c", b"old")])
    old = await twisted.read_inbox(INBOX, 0, 100)
    blocking.flush()
    blocking.perform([Send(INBOX + "c", b"new")])
    batch = await twisted.read_inbox(INBOX, old.entries[-1].id, 100)
    assert payloads(batch) == [b"new"]
    assert batch.epoch != first.epoch
    assert batch.entries[0].id > old.entries[-1].id


@ensureDeferred
async def test_a_clock_that_fell_behind(twisted: TwistedLayer, blocking: RedisLayer) -> None:
    """Data lost and the clock put back: one reading changes the epoch, then all goes on as ever."""
    await begin(twisted)
    acknowledged = int(time.time() * 1e6) + 20_000_000  # an id of the life before, 20 s ahead
    batch = await twisted.read_inbox(INBOX, acknowledged, 100)
    epochs, got = set(), []
    for number in range(3):
        blocking.perform([Send(INBOX + "c", b"%d" % number)])
        batch = await twisted.read_inbox(INBOX, acknowledged, 100)
        epochs.add(batch.epoch)
        got += payloads(batch)
        acknowledged = batch.entries[-1].id
    assert got == [b"0", b"1", b"2"]
    assert len(epochs) == 1


@ensureDeferred
async def test_a_long_absence_changes_the_epoch(
    twisted: TwistedLayer, blocking: RedisLayer, redis_url: str, settings: LayerSettings
) -> None:
    """An inbox unread for longer than entries live is out of its groups, and is told so.

    The time of the last read is put back by hand, a minute and more, and the broker's start too.
    """
    first = await begin(twisted)
    blocking.perform([Join("g", INBOX + "c"), Join("h", INBOX + "c")])
    meta = RedisKeys(settings.prefix).meta(INBOX)
    with redis.Redis.from_url(redis_url) as broker:
        kept = unpacked_meta(broker.get(meta))
        kept["read"] -= 100_000
        broker.set(meta, META.pack(*kept.values()))
        broker.set(RedisKeys(settings.prefix).up_since, kept["read"])
    lost = [SendGroup("g", b"lost")] * 2
    assert [outcome.dropped for outcome in blocking.perform(lost)] == [1, 0]
    assert blocking.group_channels("g") == []
    batch = await twisted.read_inbox(INBOX, 0, 100)
    assert batch.epoch != first.epoch
    assert [entry.kind for entry in batch.entries] == [Kind.JOIN, Kind.JOIN]
    blocking.perform([Join("g", INBOX + "c"), SendGroup("g", b"1"), SendGroup("h", b"2")])
    batch = await twisted.read_inbox(INBOX, batch.entries[-1].id, 100)
    assert payloads(batch) == [b"g", b"1", b"2"]


@ensureDeferred
async def test_killed_connections_lose_and_double_nothing(
    twisted: TwistedLayer, blocking: RedisLayer, redis_url: str
) -> None:
    """With connections killed all the time, all sends arrive once, in order, through an inbox."""
    await begin(twisted)
    total, got, acknowledged = 1500, [], 0
    answers = []
    with redis.Redis.from_url(redis_url) as broker:
        for number in range(total):
            answers.append(twisted.perform(Send(INBOX + "c", b"%d" % number, urgent=True)))
            if number % 5 == 0:
                await deferLater(reactor, 0)
            if number % 150 == 75:
                broker.client_kill_filter(_type="normal", skipme=True)
        while len(got) < total:
            batch = await twisted.read_inbox(INBOX, acknowledged, 100)
            got.extend(payloads(batch))
            acknowledged = batch.entries[-1].id if batch.entries else acknowledged
            if len(got) in range(300, 400):
                broker.client_kill_filter(_type="normal", skipme=True)
    assert got == [b"%d" % number for number in range(total)]
    assert {outcome.verdict for outcome in await gatherResults(answers)} == {Verdict.DONE}
    assert twisted.buffered_bytes == 0
