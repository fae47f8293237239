"""Figures as Prometheus metrics: one short call for each kind, and the page that shows them.

Knows no figure by name; what there is to tell is told by whoever collects it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from shared.times import Times

METRICS_PATH = "/metrics"

Labels = tuple[str, ...]


class WhenAsked(Collector):
    """Gives the metrics that `collected` makes, each time that somebody scrapes."""

    def __init__(self, collected: Callable[[], Iterator[Metric]]) -> None:
        self._collected = collected

    def describe(self) -> Iterable[Metric]:
        """Nothing: figures are read only when somebody scrapes."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Everything, as it is now."""
        return self._collected()


def metrics_page(registry: CollectorRegistry, accept: str) -> tuple[str, bytes]:
    """The content type and the text of all metrics, in the form that `accept` asks for."""
    encode, kind = choose_encoder(accept)
    return kind, encode(registry)


def gauge(name: str, help_: str, value: float) -> Metric:
    """One value that goes up and down."""
    return GaugeMetricFamily(name, help_, value=float(value))


def gauges(name: str, help_: str, labels: Labels, values: Mapping[Labels, float]) -> Metric:
    """Several of them, by their labels."""
    family = GaugeMetricFamily(name, help_, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family


def counter(name: str, help_: str, value: float) -> Metric:
    """One value that only grows; its name gets `_total`."""
    return CounterMetricFamily(name, help_, value=value)


def counters(name: str, help_: str, labels: Labels, values: Mapping[Any, int]) -> Metric:
    """Several of them, by their labels."""
    family = CounterMetricFamily(name, help_, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family


def histograms(name: str, help_: str, labels: Labels, values: Mapping[Labels, Times]) -> Metric:
    """Durations in seconds, by their labels."""
    family: Any = HistogramMetricFamily(name, help_, labels=labels)
    for key, times in sorted(values.items()):
        buckets = [("+Inf" if at == float("inf") else f"{at:g}", n) for at, n in times.cumulative()]
        family.add_metric(key, buckets, times.total_s)
    result: Metric = family
    return result


def labelled(values: Mapping[str, int]) -> dict[Labels, int]:
    """Values by one label, in the form that the others take."""
    return {(name,): n for name, n in values.items()}
