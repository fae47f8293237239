"""Servers that fall silent, come back, or end in order, as their inbox on Redis tells them."""

import redis
from pytest_twisted import ensureDeferred

from channel_layer.answers import InboxBatch, Verdict
from channel_layer.figures import unpacked_meta
from channel_layer.layer import CloseSocket, Done, Join, Kind, OpenSocket, Send, SendGroup
from channel_layer.redis_blocking import RedisLayer
from channel_layer.redis_keys import RedisKeys
from channel_layer.redis_twisted import TwistedLayer
from shared import codec
from shared.settings import LayerSettings
from tests.channel_layer.facts import wait_for
from tests.channel_layer.silence import Silence

INBOX = "server.P!"
ONE, TWO = INBOX + "1", INBOX + "2"
DISCONNECT, RECEIVE = "websocket.disconnect", "websocket.receive"


def farewells(layer: RedisLayer) -> list[bytes]:
    taken = layer.take("w", [DISCONNECT], 100)
    layer.commit("w", [Done(entry.id) for entry in taken])
    return [entry.payload for entry in taken]


async def read(layer: TwistedLayer, batch: InboxBatch | None = None) -> InboxBatch:
    """What lies in the inbox behind `batch`."""
    acknowledged = batch.entries[-1].id if batch and batch.entries else 0
    return await layer.read_inbox(INBOX, acknowledged, 100)


@ensureDeferred
async def test_reading_is_a_sign_of_life(
    twisted: TwistedLayer, blocking: RedisLayer, silence: Silence
) -> None:
    """Who reads its inbox lives, whatever the registry heard last; so does who sends heartbeats."""
    await twisted.perform(OpenSocket(ONE, b"bye"))
    await read(twisted)
    silence.of(INBOX)
    assert blocking.reap_servers().disconnects == 0
    silence.of_reading(INBOX)
    await twisted.heartbeat(INBOX)
    assert blocking.reap_servers().disconnects == 0
    silence.of_reading(INBOX)
    assert blocking.reap_servers().disconnects == 1


@ensureDeferred
async def test_a_server_that_comes_back_is_told(
    twisted: TwistedLayer, blocking: RedisLayer, silence: Silence
) -> None:
    """Who was taken for dead learns it with its next reading, once, and is registered anew."""
    first = await read(twisted)
    assert not first.is_reaped
    await twisted.perform(OpenSocket(ONE, b"bye"))
    await twisted.perform(Join("g", ONE, is_known=True))
    silence.of_reading(INBOX)
    assert blocking.reap_servers().servers == (INBOX,)
    blocking.perform([Join("g", ONE)])
    assert blocking.group_channels("g") == []
    second = await read(twisted)
    assert second.is_reaped
    assert second.epoch != first.epoch
    assert silence.is_known(INBOX)
    blocking.perform([Send(ONE, b"x"), Join("g", ONE)])
    assert blocking.group_channels("g") == [ONE]
    third = await read(twisted)
    assert (third.is_reaped, third.epoch) == (False, second.epoch)
    close = CloseSocket(ONE, Send(DISCONNECT, b"own", urgent=True), first.epoch)
    await twisted.perform(close)
    assert farewells(blocking) == [b"bye"]


@ensureDeferred
async def test_a_server_may_fall_silent_twice(
    twisted: TwistedLayer, blocking: RedisLayer, silence: Silence
) -> None:
    """Each time that it was taken for dead a server is told, also when a part of it waits."""
    await read(twisted)
    await twisted.perform(OpenSocket(TWO, b"waits"))
    await twisted.perform(Send(RECEIVE, b"event", TWO))
    epochs = set()
    for number in range(3):
        await twisted.perform(OpenSocket(ONE, b"bye %d" % number))
        silence.of(INBOX)
        silence.put_reading_back(INBOX)
        assert blocking.reap_servers().waiting == 1
        batch = await read(twisted)
        assert batch.is_reaped
        epochs.add(batch.epoch)
    assert len(epochs) == 3
    assert farewells(blocking) == [b"bye 0", b"bye 1", b"bye 2"]


@ensureDeferred
async def test_a_half_reaped_server_is_told(
    twisted: TwistedLayer, blocking: RedisLayer, silence: Silence
) -> None:
    """Also when some of its sockets wait for their events it hears so; they close as usual."""
    first = await read(twisted)
    await twisted.perform(OpenSocket(ONE, b"bye 1"))
    await twisted.perform(OpenSocket(TWO, b"bye 2"))
    await twisted.perform(Send(RECEIVE, b"event", TWO))
    silence.of_reading(INBOX)
    reaped = blocking.reap_servers()
    assert (reaped.servers, reaped.disconnects, reaped.waiting) == ((), 1, 1)
    second = await read(twisted)
    assert second.is_reaped
    for channel in (ONE, TWO):
        own = Send(DISCONNECT, b"own " + channel.encode(), urgent=True)
        await twisted.perform(CloseSocket(channel, own, first.epoch))
    assert farewells(blocking) == [b"bye 1", b"own server.P!2"]


@ensureDeferred
async def test_a_lost_answer_does_not_hide_it(
    twisted: TwistedLayer, blocking: RedisLayer, silence: Silence, settings: LayerSettings
) -> None:
    """Until the reader knows the new epoch, each reading says that it was taken for dead."""
    await read(twisted)
    await twisted.perform(OpenSocket(ONE, b"bye"))
    silence.of_reading(INBOX)
    blocking.reap_servers()
    other = TwistedLayer(twisted._reactor, settings)  # whose answers the first one never sees
    await other.start()
    assert (await read(other)).is_reaped
    await other.close()
    assert (await read(twisted)).is_reaped


@ensureDeferred
async def test_lost_registrations_are_no_excuse(
    twisted: TwistedLayer, blocking: RedisLayer, settings: LayerSettings
) -> None:
    """A socket whose registration went with lost data has its disconnect all the same, once."""
    first = await read(twisted)
    await twisted.perform(OpenSocket(ONE, b"bye"))
    close = CloseSocket(ONE, Send(DISCONNECT, b"own", urgent=True), first.epoch)
    blocking.flush()
    await twisted.perform(close)
    assert farewells(blocking) == [b"own"]
    now = await read(twisted)
    await twisted.perform(CloseSocket(ONE, close.disconnect, now.epoch))
    assert farewells(blocking) == []


@ensureDeferred
async def test_an_end_in_order(
    twisted: TwistedLayer, blocking: RedisLayer, silence: Silence, broker: "redis.Redis[bytes]"
) -> None:
    """Who retires leaves nothing behind, and a reading that still waits registers nothing."""
    await read(twisted)
    await twisted.perform(OpenSocket(ONE, b"bye"))
    reading = read(twisted)
    await twisted.perform(CloseSocket(ONE, Send(DISCONNECT, b"own", urgent=True)))
    await twisted.retire(INBOX)
    assert not silence.is_known(INBOX)
    assert blocking.channel_statistics(INBOX)["messages_count"] == 0
    blocking.perform([Join("g", ONE, user="ann"), Send(ONE, b"late")])  # which wakes the reader
    await reading
    assert (blocking.group_channels("g"), blocking.group_members("g")) == ([], {})
    assert not silence.is_known(INBOX)
    assert farewells(blocking) == [b"own"]


@ensureDeferred
async def test_a_late_reading_moves_nothing(
    twisted: TwistedLayer,
    blocking: RedisLayer,
    broker: "redis.Redis[bytes]",
    settings: LayerSettings,
) -> None:
    """A reading behind the end leaves delayed entries to others: no count is lost with it."""
    await read(twisted)
    await twisted.retire(INBOX)
    blocking.perform([Send("later", b"", delay_ms=1)] * 10)
    broker_ms = broker.zrange(RedisKeys(settings.prefix).base + "delayed", -1, -1, withscores=True)
    wait_for(lambda: int(broker.time()[0] * 1000 + broker.time()[1] // 1000) > broker_ms[0][1])
    await read(twisted)
    assert len(blocking.take("w", ["later"], 100)) == 10
    kept = unpacked_meta(broker.get(RedisKeys(settings.prefix).meta("later")))
    assert (kept["waiting"], kept["waiting_bytes"]) == (0, 0)


@ensureDeferred
async def test_what_is_left_at_the_end_is_reaped(
    twisted: TwistedLayer, blocking: RedisLayer, silence: Silence
) -> None:
    """Sockets and members that a retired server left are reaped at once, as by death."""
    await read(twisted)
    await twisted.perform(OpenSocket(ONE, b"bye"))
    await twisted.perform(Join("g", TWO, is_known=True))
    silence.of("other!")  # so that the broker has been up for long
    await twisted.retire(INBOX)
    assert blocking.reap_servers().servers == (INBOX, "other!")
    assert farewells(blocking) == [b"bye"]
    assert blocking.group_channels("g") == []


@ensureDeferred
async def test_a_refused_connect_registers_nothing(
    twisted: TwistedLayer, blocking: RedisLayer, silence: Silence
) -> None:
    """A connect that finds no room takes its registration along; the next one is not concerned."""
    for _ in range(2):
        await twisted.perform(Send("tight.connect", b""))
    both = [Send("tight.connect", b"", ONE), OpenSocket(ONE, b"bye 1")]
    outcome = await twisted.perform_together(both)
    assert (outcome.verdict, outcome.channel) == (Verdict.FULL, "tight.connect")
    both = [Send("roomy", b"", TWO), OpenSocket(TWO, b"bye 2")]
    assert (await twisted.perform_together(both)).verdict is Verdict.DONE
    taken = blocking.take("w", ["roomy"], 1)
    blocking.commit("w", [Done(taken[0].id)])
    silence.of(INBOX)
    assert blocking.reap_servers().disconnects == 1
    assert farewells(blocking) == [b"bye 2"]


def test_a_large_server_with_devices(plain: RedisLayer, silence: Silence) -> None:
    """Thousands of sockets and devices are reaped in bounded steps; each user is counted down."""
    total = 1200
    for first in range(0, total, 300):
        members = [f"{INBOX}{n}" for n in range(first, first + 300)]
        plain.perform([OpenSocket(channel, b"bye") for channel in members])
        plain.perform(
            [
                Join("g", channel, user=f"u{n % 600}", presence="presence")
                for n, channel in enumerate(members, first)
            ]
        )
    plain.perform([Join("g", "server.Q!1", user="u7", presence="presence")])
    plain.take("drain", ["presence"], 10_000)
    silence.of(INBOX)
    reaped = plain.reap_servers()
    assert (reaped.servers, reaped.disconnects, reaped.waiting) == ((INBOX,), total, 0)
    assert plain.group_members("g") == {"u7": 1}
    left = [codec.unpack(entry.payload) for entry in plain.take("w", ["presence"], 10_000)]
    assert {one["event"] for one in left} == {"leave"}
    assert sorted(one["user"] for one in left) == sorted(f"u{n}" for n in range(600) if n != 7)


def test_old_devices_are_counted_down_by_the_reaper(
    settings: LayerSettings, blocking: RedisLayer
) -> None:
    """A membership whose time is over ends, with a word of it, though nothing is sent to its group.

    Only a reaper looks.
    """
    quick = RedisLayer(LayerSettings(settings.url, settings.prefix, group_expiry_s=1))
    quick.perform([Join("g", ONE, user="ann", presence="presence")])

    def events() -> list[str]:
        quick.reap_servers(10**9)
        taken = blocking.take("w", ["presence"], 10)
        return [codec.unpack(entry.payload)["event"] for entry in taken]

    assert events() == ["join"]
    wait_for(lambda: events() == ["leave"])
    assert quick.group_members("g") == {}
    assert [entry.kind for entry in blocking.take("w", [INBOX], 10)] == [Kind.JOIN, Kind.LEAVE]
    quick.close()


def test_groups_forget_the_dead_at_once(blocking: RedisLayer, silence: Silence) -> None:
    """With the reaping no broadcast is placed for a dead server any more, nor counted as lost."""
    blocking.perform([Join("g", ONE), Join("g", "other"), OpenSocket(ONE, b"bye")])
    silence.of(INBOX)
    blocking.reap_servers()
    before = blocking.channel_statistics(INBOX)["messages_pending"]
    assert blocking.perform([SendGroup("g", b"x")])[0].dropped == 0
    assert blocking.channel_statistics(INBOX)["messages_pending"] == before
