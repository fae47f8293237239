"""What one thread of a worker has done since its start, as plain numbers.

Raised by that thread alone, so that nothing needs a lock; `packed` gives them to other processes,
`sum` puts several together. Reads no clock and knows no exposition format.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgpack

from channel_layer.layer import Entry
from shared.times import Times

DONE = "done"
MOST_CHANNELS = 200
"""Channels that are told apart; an application with more of them has "other" for the rest."""

BATCH_BOUNDS = 11
"""Sizes of batches are told apart by doubling bounds: 1, 2, 4 up to 1,024."""


class Figures:
    """Counts by channel and outcome, times by channel, and what went wrong by name.

    `failures`: messages that failed, by (channel, outcome). `queue`: from the sending to the first
    taking, by the broker's clock. `batches` that were taken, by the number of the first bound that
    they do not pass. `commits`: from sending what was handled to reading the answer. `events`:
    what else happened, by name.
    """

    __slots__ = (
        "_failing",
        "_handling",
        "_more_done",
        "_unfinished",
        "batches",
        "commits",
        "events",
        "failures",
        "queue",
    )

    def __init__(self) -> None:
        self.failures: Counter[tuple[str, str]] = Counter()
        self.queue: dict[str, Times] = {}
        self.batches: Counter[int] = Counter()
        self.commits = Times()
        self.events: Counter[str] = Counter()
        self._handling: dict[str, Times] = {}
        """Of units in which nothing failed: they count what is done as well."""
        self._failing: dict[str, Times] = {}
        self._more_done: Counter[str] = Counter()
        """What is done besides: the further messages of such a unit, and the rest of others."""
        self._unfinished = 0

    def taken(self, entries: Sequence[Entry], now_ms: int) -> None:
        """A batch came; `now_ms` is the broker's clock at its taking."""
        if not entries:
            return
        self.batches[min((len(entries) - 1).bit_length(), BATCH_BOUNDS)] += 1
        last, times, waited_ms = None, Times(), 0
        for entry in entries:
            if entry.attempt != 1:
                self.events["taken_again"] += 1
                continue
            channel = entry.channel
            if channel is not last:
                times.total_s += waited_ms / 1000
                last, waited_ms = channel, 0
                times = self.queue.get(channel) or _of(self.queue, channel)
            wait_ms = now_ms - entry.sent_ms
            if wait_ms > 0:
                # Times.add without its call: each message passes here.
                times.counts[(wait_ms << 2).bit_length()] += 1
                waited_ms += wait_ms
            else:
                times.counts[0] += 1
        times.total_s += waited_ms / 1000

    def failed(self, channel: str, outcome: str) -> None:
        """The message in hand failed."""
        self.failures[self._known(channel), outcome] += 1
        self._unfinished += 1

    def handled(self, channel: str, messages: int, seconds: float) -> None:
        """A unit of so many messages was handled; those that did not fail are done."""
        times = self._handling.get(channel)
        if times is None or messages != 1 or self._unfinished:
            self._handled(channel, messages, seconds)
            return
        # Times.add without its call: each message passes here.
        times.counts[int(seconds * 4000.0).bit_length()] += 1
        times.total_s += seconds

    def messages(self) -> Counter[tuple[str, str]]:
        """Messages that were handled, by (channel, outcome): "done" or why they failed."""
        counted = Counter(dict(self.failures))
        counted.update({(channel, DONE): n for channel, n in dict(self._more_done).items()})
        for channel, times in dict(self._handling).items():
            counted[channel, DONE] += times.count
        return counted

    def handling(self) -> dict[str, Times]:
        """How long the handling took by channel; chained events of one socket are one."""
        return _summed([self._handling, self._failing])

    def packed(self) -> bytes:
        """All figures in a form that `unpacked` reads; may be asked for by another thread."""
        by_channel = (self.queue, self._handling, self._failing)
        parts = [
            [[*key, n] for key, n in dict(self.failures).items()],
            [[_packed(times, name) for name, times in dict(each).items()] for each in by_channel],
            dict(self._more_done),
            dict(self.batches),
            _packed(self.commits, ""),
            dict(self.events),
        ]
        return bytes(msgpack.packb(parts))

    @classmethod
    def unpacked(cls, packed: bytes) -> "Figures":
        """The figures in `packed`; empty bytes hold none."""
        figures = cls()
        if packed:
            failures, by_channel, more_done, batches, commits, events = msgpack.unpackb(
                packed, strict_map_key=False
            )
            figures.failures.update({(channel, name): n for channel, name, n in failures})
            queue, handling, failing = (dict(map(_unpacked, each)) for each in by_channel)
            figures.queue, figures._handling, figures._failing = queue, handling, failing
            figures._more_done.update(more_done)
            figures.batches.update(batches)
            figures.commits = _unpacked(commits)[1]
            figures.events.update(events)
        return figures

    @classmethod
    def sum(cls, parts: Iterable["Figures"]) -> "Figures":
        """All of several together."""
        whole, parts = cls(), tuple(parts)
        for part in parts:
            whole.failures.update(dict(part.failures))
            whole._more_done.update(dict(part._more_done))
            whole.batches.update(dict(part.batches))
            whole.events.update(dict(part.events))
        whole.queue = _summed([part.queue for part in parts])
        whole._handling = _summed([part._handling for part in parts])
        whole._failing = _summed([part._failing for part in parts])
        whole.commits = Times.sum(part.commits for part in parts)
        return whole

    def _handled(self, channel: str, messages: int, seconds: float) -> None:
        known = self._known(channel)
        done = max(0, messages - self._unfinished)
        of_channels = self._failing if self._unfinished else self._handling
        more = done if self._unfinished else done - 1
        self._unfinished = 0
        if more:
            self._more_done[known] += more
        _of(of_channels, known).add(seconds)

    def _known(self, channel: str) -> str:
        has_room = channel in self._handling or len(self._handling) < MOST_CHANNELS
        return channel if has_room else "other"


def _of(by_channel: dict[str, Times], channel: str) -> Times:
    """The times of a channel that may have none yet."""
    if channel not in by_channel and len(by_channel) >= MOST_CHANNELS:
        channel = "other"
    return by_channel.setdefault(channel, Times())


def _summed(parts: list[dict[str, Times]]) -> dict[str, Times]:
    parts = [dict(part) for part in parts]
    names = {name for part in parts for name in part}
    return {name: Times.sum(part[name] for part in parts if name in part) for name in names}


def _packed(times: Times, name: str) -> list[Any]:
    counts = [[at, n] for at, n in enumerate(times.counts) if n]
    return [name, times.total_s, counts]


def _unpacked(packed: list[Any]) -> tuple[str, Times]:
    name, total_s, counts = packed
    times = Times()
    times.total_s = total_s
    for at, n in counts:
        times.counts[at] = n
    return name, times
