"""Per-second figures from counts in windows, and the ASGI draft's form of all figures.

Counts nothing itself; `now_ms` comes in.
"""

import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from channel_layer.answers import Statistics

SLOT_MS = 10_000
"""Length of a window: long enough that a few messages do not look like a storm."""

META = struct.Struct(">20d")
"""What Redis keeps beside a list, as `lua/common.lua` packs it."""

META_FIELDS = (
    *("bytes", "sent", "full", "slot", "sent_now", "sent_before", "full_now", "full_before"),
    *("waiting", "waiting_bytes", "capacity", "capacity_bytes", "read", "generation"),
    *("extra", "elements", "given_id", "given", "given_bytes", "given_extra"),
)
"""The names of those numbers, in order."""


TOTALS = struct.Struct(">4d")
"""What Redis keeps over all lists: the last id, entries sent and refused, when the next is due."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Counts in the window number `slot` and in the one before."""

    slot: int
    now: int
    before: int

    def per_second(self, now_ms: int) -> float:
        """The rate over one window's length; the older one counts by what remains of it."""
        passed = (now_ms % SLOT_MS) / SLOT_MS
        age = now_ms // SLOT_MS - self.slot
        if age == 0:
            counted = self.now + self.before * (1 - passed)
        elif age == 1:
            counted = self.now * (1 - passed)
        else:
            counted = 0.0
        return counted * 1000 / SLOT_MS


def unpacked_meta(packed: bytes | None) -> dict[str, int]:
    """The numbers beside a list by name; all 0 where nothing is kept."""
    numbers = META.unpack(packed) if packed else (0.0,) * len(META_FIELDS)
    return dict(zip(META_FIELDS, map(int, numbers), strict=True))


class Tally:
    """Counts of one list in the form that `statistics` reads; the caller tells the time."""

    def __init__(self) -> None:
        self.counters = dict.fromkeys(
            ("sent", "sent_now", "sent_before", "full", "full_now", "full_before", "slot"), 0
        )

    def count(self, what: str, now_ms: int) -> None:
        """Count one message `sent` or refused as `full`."""
        counters, slot = self.counters, now_ms // SLOT_MS
        if counters["slot"] != slot:
            is_next = counters["slot"] == slot - 1
            for name in ("sent", "full"):
                counters[f"{name}_before"] = counters[f"{name}_now"] if is_next else 0
                counters[f"{name}_now"] = 0
            counters["slot"] = slot
        counters[what] += 1
        counters[f"{what}_now"] += 1


def statistics(
    meta: Mapping[str, int], pending: int, oldest_sent_ms: int | None, now_ms: int
) -> Statistics:
    """The figures of one list from its counters, its length and the age of its head."""
    slot = meta.get("slot", 0)
    sent = Windows(slot, meta.get("sent_now", 0), meta.get("sent_before", 0))
    full = Windows(slot, meta.get("full_now", 0), meta.get("full_before", 0))
    return Statistics(
        messages_count=meta.get("sent", 0),
        messages_count_per_second=sent.per_second(now_ms),
        messages_pending=pending,
        messages_max_age=0.0 if oldest_sent_ms is None else max(0, now_ms - oldest_sent_ms) / 1000,
        channel_full_count=meta.get("full", 0),
        channel_full_count_per_second=full.per_second(now_ms),
    )


def summed(figures: list[Statistics]) -> Statistics:
    """The figures of several lists together; the age is that of the oldest message."""
    return Statistics(
        messages_count=sum(one.messages_count for one in figures),
        messages_count_per_second=sum(one.messages_count_per_second for one in figures),
        messages_pending=sum(one.messages_pending for one in figures),
        messages_max_age=max((one.messages_max_age for one in figures), default=0.0),
        channel_full_count=sum(one.channel_full_count for one in figures),
        channel_full_count_per_second=sum(one.channel_full_count_per_second for one in figures),
    )


def as_dict(figures: Statistics) -> dict[str, float]:
    """The dict that the ASGI draft asks for."""
    return asdict(figures)
