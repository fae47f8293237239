"""What is awaited and nowhere any more, after Redis may have lost something."""

from pytest_twisted import ensureDeferred

from channel_layer.layer import Awaited, Done, Send, SendGroup, SendReceipt
from channel_layer.redis_blocking import RedisLayer
from channel_layer.redis_twisted import TwistedLayer

INBOX = "server.P!"
REQUESTS = "http.request"


def awaited(client: str, order: int = 0, name: str = REQUESTS) -> Awaited:
    return Awaited(name, INBOX + client, order)


@ensureDeferred
async def test_what_is_somewhere_is_not_lost(twisted: TwistedLayer, blocking: RedisLayer) -> None:
    """Queued, delayed, leased and answered events are found; all others are lost, in order."""
    for client, delay_ms in (("leased", 0), ("queued", 0), ("delayed", 60_000)):
        twisted.perform(Send(REQUESTS, b"", INBOX + client, order=3, delay_ms=delay_ms))
    await twisted.perform(Send("websocket.receive", b"", INBOX + "socket", order=7))
    blocking.take("w", [REQUESTS], 1)
    blocking.perform(
        [
            Send(INBOX + "answered", b"reply"),
            SendReceipt(INBOX + "receipted", b"done", 5),
            SendGroup("g", b""),
        ]
    )
    there = [awaited(client, 3) for client in ("leased", "queued", "delayed")]
    there += [awaited("answered"), awaited("receipted", 5)]
    there.append(awaited("socket", 7, "websocket.receive"))
    lost = [awaited("nowhere"), awaited("queued", 4), awaited("socket", 6, "websocket.receive")]
    asked = [*there[:2], lost[0], *there[2:], *lost[1:]]
    assert await twisted.find_lost(INBOX, asked) == tuple(lost)
    assert await twisted.find_lost(INBOX, ()) == ()


@ensureDeferred
async def test_what_is_pushed_to_a_socket_is_no_answer(
    twisted: TwistedLayer, blocking: RedisLayer
) -> None:
    """A socket's event is answered by the receipt of its order; others send it what they like."""
    sends = [Send(INBOX + client, b"push") for client in ("1", "2", "3", "http")]
    receipts = [SendReceipt(INBOX + "2", b"done", 5), SendReceipt(INBOX + "3", b"done", 4)]
    blocking.perform([*sends, *receipts])
    asked = [awaited(client, 5, "websocket.receive") for client in ("1", "2", "3")]
    lost = await twisted.find_lost(INBOX, [*asked, awaited("http")])
    assert lost == (asked[0], asked[2])


@ensureDeferred
async def test_what_was_sent_before_is_placed_first(twisted: TwistedLayer) -> None:
    """Sends that still wait for their turn when one asks are not taken for lost."""
    answers = [twisted.perform(Send(REQUESTS, b"", INBOX + str(n), urgent=True)) for n in range(50)]
    found = await twisted.find_lost(INBOX, [awaited(str(n)) for n in range(51)])
    assert found == (awaited("50"),)
    assert all(answer.called for answer in answers)


@ensureDeferred
async def test_a_reclaimed_worker_is_no_hindrance(
    twisted: TwistedLayer, blocking: RedisLayer
) -> None:
    """Leases are looked through whatever became of their workers."""
    await twisted.perform(Send(REQUESTS, b"", INBOX + "1"))
    blocking.take("dead", [REQUESTS], 1)
    blocking.reclaim(["dead"])
    blocking.heartbeat("dead")
    (entry,) = blocking.take("w", [REQUESTS], 1)
    assert await twisted.find_lost(INBOX, [awaited("1"), awaited("2")]) == (awaited("2"),)
    blocking.commit("w", [Done(entry.id)])
    assert await twisted.find_lost(INBOX, [awaited("1")]) == (awaited("1"),)


@ensureDeferred
async def test_delayed_events_of_many_lists_are_found(twisted: TwistedLayer) -> None:
    """Few lists are looked for by name, many all together; no other list's entry counts."""
    for count in (1, 4, 5, 9):
        names = [f"jobs.{count}.{n}" for n in range(count)]
        for name in names:
            await twisted.perform(Send(name, b"", INBOX + name, delay_ms=60_000))
            await twisted.perform(Send(name + "x", b"", INBOX + name, order=1, delay_ms=60_000))
        asked = [awaited(name, order, name) for name in names for order in (0, 1)]
        lost = await twisted.find_lost(INBOX, asked)
        assert lost == tuple(one for one in asked if one.order == 1)


@ensureDeferred
async def test_many_are_found(twisted: TwistedLayer, blocking: RedisLayer) -> None:
    """Thousands of awaited events and entries are compared in one step."""
    total = 3000
    for n in range(total):
        twisted.perform(Send(REQUESTS, b"x" * 50, INBOX + str(n), urgent=True))
    asked = [awaited(str(n)) for n in range(total + 5)]
    assert await twisted.find_lost(INBOX, asked) == tuple(asked[total:])
    assert len(blocking.take("w", [REQUESTS], total)) == total
    assert await twisted.find_lost(INBOX, asked) == tuple(asked[total:])
