"""Plain reading on the reactor: waiting, giving up, and bytes that are no message."""

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor
from twisted.internet.defer import CancelledError
from twisted.internet.task import deferLater

from channel_layer.layer import Send
from channel_layer.redis_blocking import RedisLayer
from channel_layer.redis_twisted import TwistedLayer


@ensureDeferred
async def test_receiving_waits(twisted: TwistedLayer, blocking: RedisLayer) -> None:
    """`receive_twisted` fires when a message comes."""
    receiving = twisted.receive_twisted(["a", "P!"])
    await deferLater(reactor, 0.05)
    assert not receiving.called
    blocking.send("P!c", {"n": 1})
    assert await receiving == ("P!c", {"n": 1})


@ensureDeferred
async def test_a_cancelled_receive_loses_nothing(
    twisted: TwistedLayer, blocking: RedisLayer
) -> None:
    """What arrives for a reader that gave up goes to the next one, without a long wait."""
    receiving = twisted.receive_twisted(["a"])
    await deferLater(reactor, 0.05)
    receiving.cancel()
    with pytest.raises(CancelledError):
        await receiving
    blocking.send("a", {"n": 1})
    assert await twisted.receive_twisted(["a"]) == ("a", {"n": 1})
    receiving = twisted.receive_twisted(["a"])
    blocking.send("a", {"n": 2})
    receiving.cancel()
    with pytest.raises(CancelledError):
        await receiving
    assert await twisted.receive_twisted(["a"]) == ("a", {"n": 2})


@ensureDeferred
async def test_a_message_that_is_none(twisted: TwistedLayer, blocking: RedisLayer) -> None:
    """Bytes that are no message are passed over; the reader goes on to the next."""
    blocking.perform([Send("a", b"\xc1")])
    blocking.send("a", {"n": 1})
    assert await twisted.receive_twisted(["a"]) == ("a", {"n": 1})
