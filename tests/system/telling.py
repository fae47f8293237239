"""A program beside the workers that sends numbered messages through the layer at a fixed rate.

It counts what it was told became of each; what arrived is counted by those who listen. Run by
`aside.py`.
"""

import time
from typing import NamedTuple

import channel_layer
from channel_layer.layer import History, SendGroup
from channel_layer.redis_blocking import RedisLayer
from shared import codec
from shared.errors import ChannelFull, LayerUnavailable
from tests.system.aside import Mouth


class Plan(NamedTuple):
    """What to send: `rate` messages a second, to the targets in turn.

    A target is a group, or `"channel NAME"` for a plain send of `{"number": …}`. `history`: what
    the groups keep. Each target's messages are numbered from 0.
    """

    redis_url: str
    rate: float
    targets: tuple[str, ...]
    history: History | None = None


class Told(NamedTuple):
    """One message. `at`: seconds since 1970, when its sending began; `done` when it returned.

    `error`: empty when the layer took it, else why it may or may not have.
    """

    target: str
    number: int
    at: float
    done: float
    error: str


def run(mouth: Mouth, plan: Plan) -> None:
    """Send until "stop", then say the list of Told."""
    layer = channel_layer.connect(plan.redis_url)
    told: list[Told] = []
    begin, index = time.monotonic(), 0
    while mouth.heard(max(0.0, begin + index / plan.rate - time.monotonic())) is None:
        number, place = divmod(index, len(plan.targets))
        target = plan.targets[place]
        at, error = time.time(), ""
        try:
            _send(layer, target, number, plan.history)
        except (LayerUnavailable, ChannelFull) as raised:
            error = f"{type(raised).__name__}: {raised}"
        told.append(Told(target, number, at, time.time(), error))
        index += 1
    layer.close()
    mouth.say(told)


def _send(layer: RedisLayer, target: str, number: int, history: History | None) -> None:
    channel = target.removeprefix("channel ")
    if channel != target:
        layer.send(channel, {"number": number})
    else:
        layer.perform([SendGroup(target, codec.pack({"text": str(number)}), history=history)])


def numbers_of(told: list[Told], target: str) -> list[int]:
    """The numbers of the messages that were sent to one target."""
    return [one.number for one in told if one.target == target]
