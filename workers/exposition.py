"""The figures of a pool of workers as Prometheus metrics: every name, type, label and help text.

Counts nothing; reads what is given to it when it is asked.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.core import HistogramMetricFamily, Metric

from shared.metric_families import Labels, WhenAsked, counters, gauge, gauges, histograms, labelled
from shared.times import Times
from workers.figures import BATCH_BOUNDS
from workers.pool_figures import PoolNow

PREFIX = "channels_worker_"


@dataclass(frozen=True, slots=True)
class Lists:
    """What the broker says of the lists: waiting messages and the oldest one's age, by channel."""

    is_up: bool = False
    waiting: Mapping[str, float] = field(default_factory=dict)
    oldest_s: Mapping[str, float] = field(default_factory=dict)
    dead_letters: int = 0


def pool_collector(now: Callable[[], PoolNow], lists: Callable[[], Lists]) -> WhenAsked:
    """All metrics of one pool; `lists` asks the broker, once a scrape."""

    def collected() -> Iterator[Metric]:
        pool = now()
        yield from _messages(pool)
        yield from _batches(pool)
        yield from _lists(lists())

    return WhenAsked(collected)


def _messages(pool: PoolNow) -> Iterator[Metric]:
    figures = pool.figures
    yield counters(
        PREFIX + "messages",
        "Messages handled, by channel and outcome: done, or why the handling failed.",
        ("channel", "outcome"),
        figures.messages(),
    )
    stages: dict[Labels, Times] = {}
    for stage, by_channel in (("queue", figures.queue), ("worker", figures.handling())):
        stages |= {(stage, channel): times for channel, times in by_channel.items()}
    yield histograms(
        PREFIX + "stage_seconds",
        "Times of messages by stage. queue: from the sending to the taking by a worker, both by "
        "the broker's clock, first attempts only, delays that were asked for included; worker: "
        "the handling, where the events of one socket that came together are one.",
        ("stage", "channel"),
        stages,
    )
    yield counters(
        PREFIX + "events",
        "What else happened in the pool, by name.",
        ("event",),
        labelled(figures.events),
    )
    yield gauge(PREFIX + "processes", "Processes of the pool that are ready.", pool.ready)


def _batches(pool: PoolNow) -> Iterator[Metric]:
    figures = pool.figures
    sizes: Any = HistogramMetricFamily(PREFIX + "batch_messages", "Messages taken at once.")
    seen, buckets = 0, []
    for at in range(BATCH_BOUNDS):
        seen += figures.batches[at]
        buckets.append((f"{2**at}", seen))
    buckets.append(("+Inf", seen + figures.batches[BATCH_BOUNDS]))
    sizes.add_metric((), buckets, sum(times.count for times in figures.queue.values()))
    yield sizes
    yield histograms(
        PREFIX + "commit_seconds",
        "From sending what was handled, with its effects, to reading the broker's answer, "
        "behind what was handled meanwhile.",
        (),
        {(): figures.commits},
    )


def _lists(lists: Lists) -> Iterator[Metric]:
    yield gauge(PREFIX + "redis_up", "1 when the broker answered this scrape.", lists.is_up)
    yield gauges(
        PREFIX + "list_messages",
        "Messages that wait on the list of a channel that this pool consumes.",
        ("channel",),
        {(channel,): n for channel, n in lists.waiting.items()},
    )
    yield gauges(
        PREFIX + "list_oldest_seconds",
        "Age of the oldest of them.",
        ("channel",),
        {(channel,): age_s for channel, age_s in lists.oldest_s.items()},
    )
    yield gauge(PREFIX + "dead_letters", "Dead letters that lie there.", lists.dead_letters)
