"""The pump over a real layer: order, strangers, broken receivers, loss of all data."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import redis
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

import channel_layer
from channel_layer.entries import pack_replay
from channel_layer.layer import (
    Entry,
    History,
    Join,
    Kind,
    Leave,
    Position,
    Replay,
    Send,
    SendGroup,
    SendReceipt,
)
from channel_layer.redis_blocking import RedisLayer
from channel_layer.redis_keys import RedisKeys
from channel_layer.redis_twisted import TwistedLayer
from interface_server.broadcasts import Broadcast
from interface_server.coalescing import Coalescer
from interface_server.reply_pump import ReplyPump
from shared import codec
from shared.messages import Receipt
from shared.settings import LayerSettings
from tests.interface_server.quiet import Untroubled

INBOX = "server.response.PUMP!"


class Ear(Untroubled):
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.fault: Exception | None = None

    def _hear(self, what: object) -> None:
        if self.fault is not None:
            raise self.fault
        self.heard.append(what)

    def reply(self, entry: Entry) -> None:
        self._hear(codec.unpack(entry.payload)["text"])

    def receipt(self, entry: Entry) -> None:
        self._hear(entry.order)

    def broadcast(self, broadcast: Broadcast) -> None:
        self._hear((broadcast.group, broadcast.ws_reply.text))

    def positioned(self, group: str, position: Position, word: str) -> None:
        self._hear((group, position.offset, word))


class Pumping:
    """A pump that runs over a real layer, and a blocking layer that plays the workers."""

    def __init__(self, url: str, prefix: str, refresh_s: float) -> None:
        self.counts: list[str] = []
        self.twisted = TwistedLayer(reactor, LayerSettings(url, prefix))
        self.workers: RedisLayer = channel_layer.connect(url, prefix=prefix)
        self.coalescer = Coalescer()
        clock: Any = reactor
        self.pump = ReplyPump(
            clock, self.twisted, INBOX, self.counts.append, refresh_s, self.coalescer
        )

    async def does(self, *operations: object) -> None:
        """The workers perform these."""
        await deferToThread(self.workers.perform, operations)

    async def until_members(self, group: str, channels: list[str]) -> None:
        """Returns when these are in the group by the layer's word."""
        for _ in range(1000):
            if await deferToThread(self.workers.group_channels, group) == channels:
                return
        raise AssertionError(f"{group} never had the members {channels}")


@asynccontextmanager
async def pumping(url: str, prefix: str, refresh_s: float = 1000.0) -> AsyncIterator[Pumping]:
    made = Pumping(url, prefix, refresh_s)
    await made.twisted.start()
    made.pump.start()
    try:
        yield made
    finally:
        made.pump.stop()
        await made.twisted.close()
        made.workers.close()


async def until(fact: Callable[[], bool]) -> None:
    for _ in range(2000):
        if fact():
            return
        await deferLater(reactor, 0.005)  # type: ignore[arg-type]
    raise AssertionError("it never became true")


def text(channel: str, content: str) -> Send:
    return Send(channel, codec.pack({"text": content}))


@ensureDeferred
async def test_everything_for_a_channel_comes_in_its_order(redis_url: str, prefix: str) -> None:
    """Replies, group messages and receipts keep the order in which they were performed."""
    async with pumping(redis_url, prefix) as made:
        ear, channel = Ear(), INBOX + "1"
        made.pump.register(channel, ear)
        done = SendReceipt(channel, codec.encode(Receipt("done")), 7)
        group = SendGroup("g", codec.pack({"text": "all"}))
        await made.does(
            text(channel, "1"), group, Join("g", channel), group, text(channel, "2"), done
        )
        await made.does(Leave("g", channel), group, text(channel, "3"))
        await until(lambda: len(ear.heard) == 5)
        assert ear.heard == ["1", ("g", "all"), "2", 7, "3"]


@ensureDeferred
async def test_what_a_batch_writes_goes_out_behind_it(redis_url: str, prefix: str) -> None:
    """While replies of one batch are handed on, writes are held back."""
    async with pumping(redis_url, prefix) as made:
        heard: list[object] = []

        class Writer(Ear):
            def _hear(self, what: object) -> None:
                heard.append(what)
                assert made.coalescer.is_on
                made.coalescer.join(lambda: heard.append(f"{what} is out"))

        made.pump.register(INBOX + "1", Writer())
        await made.does(text(INBOX + "1", "a"), text(INBOX + "1", "b"))
        await until(lambda: len(heard) == 4)
        assert heard == ["a", "b", "a is out", "b is out"]
        assert made.counts == []


@ensureDeferred
async def test_a_receiver_that_fails_stops_nobody(redis_url: str, prefix: str) -> None:
    """The next entry and the other members of the group are served."""
    async with pumping(redis_url, prefix) as made:
        bad, good = Ear(), Ear()
        bad.fault = RuntimeError("a fault of ours")
        for name, ear in (("1", bad), ("2", good)):
            made.pump.register(INBOX + name, ear)
            await made.does(Join("g", INBOX + name))
        group = SendGroup("g", codec.pack({"text": "all"}))
        await made.does(text(INBOX + "1", "x"), group, text(INBOX + "2", "y"))
        await until(lambda: len(good.heard) == 2)
        assert good.heard == [("g", "all"), "y"]
        assert made.counts.count("entries_failed") == 2


@ensureDeferred
async def test_a_stranger_that_joined_is_taken_out_again(redis_url: str, prefix: str) -> None:
    """A socket that ended before its join arrived does not stay a member."""
    async with pumping(redis_url, prefix) as made:
        await made.does(Join("g", INBOX + "gone"), text(INBOX + "gone", "x"))
        await until(lambda: made.counts == ["replies_to_nobody"])
        await made.until_members("g", [])
        assert made.pump.groups == 0


@ensureDeferred
async def test_what_ends_leaves_its_groups(redis_url: str, prefix: str) -> None:
    """Unregistering ends the memberships here and in the layer."""
    async with pumping(redis_url, prefix) as made:
        made.pump.register(INBOX + "1", Ear())
        await made.does(Join("g", INBOX + "1"), Join("h", INBOX + "1"))
        await until(lambda: made.pump.groups == 2)
        made.pump.unregister(INBOX + "1")
        await made.until_members("g", [])
        await made.until_members("h", [])
        assert (made.pump.groups, made.pump.receivers) == (0, 0)


@ensureDeferred
async def test_after_a_loss_of_all_data_every_membership_is_told_again(
    redis_url: str, prefix: str
) -> None:
    """The layer comes back empty; its groups fill without anybody's doing."""
    async with pumping(redis_url, prefix) as made:
        ears = [Ear() for _ in range(3)]
        channels = [f"{INBOX}{number}" for number in range(3)]
        for channel, ear in zip(channels, ears, strict=True):
            made.pump.register(channel, ear)
            await made.does(Join("g", channel))
        await made.does(text(channels[2], "behind all joins"))
        await until(lambda: bool(ears[2].heard))
        await deferToThread(made.workers.flush)
        await made.does(text(channels[0], "wakes the reader"))
        await made.until_members("g", channels)
        await made.does(SendGroup("g", codec.pack({"text": "all"})))
        await until(lambda: all(("g", "all") in ear.heard for ear in ears))
        assert "epochs" in made.counts


@ensureDeferred
async def test_memberships_are_refreshed_before_they_expire(redis_url: str, prefix: str) -> None:
    """A socket that stays for days stays a member: the joins are told again and again."""
    async with pumping(redis_url, prefix, refresh_s=0.05) as made:
        ear = Ear()
        made.pump.register(INBOX + "1", ear)
        await made.does(Join("g", INBOX + "1"))
        await until(lambda: made.pump.groups == 1)
        told: list[float] = []
        key = RedisKeys(prefix).members("g", INBOX)
        with redis.Redis.from_url(redis_url) as raw:
            while len(set(told)) < 3:
                await made.does(text(INBOX + "1", "tick"))
                told.append(await deferToThread(raw.zscore, key, INBOX + "1"))
                await deferLater(reactor, 0.06)  # type: ignore[arg-type]
        assert told == sorted(told)


@ensureDeferred
async def test_an_entry_of_a_kind_that_means_nothing_here_is_counted(
    redis_url: str, prefix: str
) -> None:
    """A group name that is no ASCII does not stop the loop."""
    async with pumping(redis_url, prefix) as made:
        made.pump.dispatch(Entry(1, Kind.JOIN, INBOX + "1", b"\xff"))
        assert made.counts == ["entries_failed"]


@ensureDeferred
async def test_members_are_left_out_and_positions_are_told(redis_url: str, prefix: str) -> None:
    """One entry for all: who is excluded hears of the position at most, the others the message."""
    async with pumping(redis_url, prefix) as made:
        ears = [Ear(), Ear()]
        for number, ear in enumerate(ears):
            made.pump.register(f"{INBOX}{number}", ear)
            await made.does(Join("g", f"{INBOX}{number}"))
        payload, history = codec.pack({"text": "a"}), History(10, 60_000)
        await made.does(
            SendGroup("g", payload, (INBOX + "0",)),
            SendGroup("g", payload, (), history),
            SendGroup("g", payload, (INBOX + "1",), history),
            SendGroup("g", payload),
        )
        await until(lambda: len(ears[0].heard) == 3 and len(ears[1].heard) == 4)
        epoch = str(ears[0].heard[0][1]).split(" ")[1]  # type: ignore[index]
        first, second = (f"g {epoch} {offset}\na" for offset in (1, 2))
        assert ears[0].heard == [("g", first), ("g", second), ("g", "a")]
        assert ears[1].heard == [("g", "a"), ("g", first), ("g", 2, "skipped"), ("g", "a")]


@ensureDeferred
async def test_who_joins_is_told_what_it_missed(redis_url: str, prefix: str) -> None:
    """The missed messages in order with their offsets, then the word; others hear none of it."""
    async with pumping(redis_url, prefix) as made:
        old, new = Ear(), Ear()
        made.pump.register(INBOX + "old", old)
        made.pump.register(INBOX + "new", new)
        history = History(10, 60_000)
        await made.does(Join("g", INBOX + "old"))
        for content in ("a", "b", "c"):
            await made.does(SendGroup("g", codec.pack({"text": content}), (), history))
        await until(lambda: len(old.heard) == 3)
        epoch = str(old.heard[0][1]).split(" ")[1]  # type: ignore[index]
        await made.does(Join("g", INBOX + "new", since=Position(epoch, 1)))
        await until(lambda: len(new.heard) == 3)
        missed = [("g", f"g {epoch} {offset}\n{text}") for offset, text in ((2, "b"), (3, "c"))]
        assert new.heard == [*missed, ("g", 3, "joined")]
        await made.does(Join("g", INBOX + "new", since=Position("another", 1)))
        await until(lambda: len(new.heard) == 4)
        assert new.heard[3] == ("g", 3, "gap")
        assert len(old.heard) == 3


@ensureDeferred
async def test_after_a_loss_members_of_a_group_with_history_are_told_of_the_gap(
    redis_url: str, prefix: str
) -> None:
    """Each once, at the position of the new history; groups without one are silent."""
    async with pumping(redis_url, prefix) as made:
        ears = [Ear() for _ in range(3)]
        for number, ear in enumerate(ears):
            made.pump.register(f"{INBOX}{number}", ear)
            await made.does(Join("g", f"{INBOX}{number}"), Join("plain", f"{INBOX}{number}"))
        await made.does(SendGroup("g", codec.pack({"text": "a"}), (), History(10, 60_000)))
        await until(lambda: all(len(ear.heard) == 1 for ear in ears))
        await deferToThread(made.workers.flush)
        await made.does(text(INBOX + "0", "wakes the reader"))
        await until(lambda: all(len(ear.heard) > 1 for ear in ears))
        assert [ear.heard[-1] for ear in ears] == [("g", 0, "gap")] * 3
        await made.does(SendGroup("g", codec.pack({"text": "b"}), (), History(10, 60_000)))
        await until(lambda: all(str(ear.heard[-1]).endswith("\\nb')") for ear in ears))


@ensureDeferred
async def test_a_broken_message_of_a_replay_does_not_hide_the_others(
    redis_url: str, prefix: str
) -> None:
    """It is logged, counted and told as skipped; strangers miss nothing."""
    async with pumping(redis_url, prefix) as made:
        ear, channel = Ear(), INBOX + "1"
        made.pump.register(channel, ear)
        pieces = [codec.pack({"text": "a"}), codec.pack({"text": 5}), codec.pack({"text": "c"})]
        missed = Replay("g", Position("e", 9), tuple(enumerate(pieces, 7)), True, True)
        for name in (channel, INBOX + "gone"):
            made.pump.dispatch(Entry(1, Kind.REPLAY, name, pack_replay(missed)))
        came = [("g", "g e 7\na"), ("g", 8, "skipped"), ("g", "g e 9\nc"), ("g", 9, "gap")]
        assert ear.heard == came
        made.pump.dispatch(Entry(2, Kind.REPLAY, channel, b"\xff"))
        made.pump.dispatch(Entry(3, Kind.GROUP_MORE, "g", b"\xff"))
        assert made.counts == ["invalid_replies", "entries_failed", "entries_failed"]
