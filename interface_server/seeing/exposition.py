"""The figures of one server as Prometheus metrics: every name, type, label and help text.

Counts nothing; reads what is given to it when it is asked.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from interface_server.seeing.figures import Figures
from interface_server.seeing.vitals import Vitals
from shared.times import Times

PREFIX = "channels_server_"


class ServerCollector(Collector):
    """Gives all metrics of one server; `vitals` is asked at each scrape."""

    def __init__(self, figures: Figures, vitals: Callable[[], Vitals]) -> None:
        self._figures = figures
        self._vitals = vitals

    def describe(self) -> Iterable[Metric]:
        """Nothing: figures are read only when somebody scrapes."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Everything, as it is now."""
        vitals = self._vitals()
        yield from _http(self._figures, vitals)
        yield from _sockets(self._figures, vitals)
        yield from _layer(self._figures, vitals)


def _http(figures: Figures, vitals: Vitals) -> Iterator[Metric]:
    yield _counters(
        "http_requests",
        "Requests answered, by method and status; 499: the client left before the answer.",
        ("method", "status"),
        {(method, str(status)): n for (method, status), n in figures.requests().items()},
    )
    yield _times(
        "http_request_seconds",
        "From a request's head to the last byte of its answer, all requests.",
        (),
        {(): figures.total()},
    )
    yield _times(
        "http_stage_seconds",
        "Times of requests by stage. body: from the head to its sending, where a body may come "
        "between; "
        "answer: from the sending to the first reply, so queue and worker; stream: from the first "
        "reply to the last, where the answer comes in parts.",
        ("stage",),
        {("body",): figures.read, ("answer",): figures.waiting(), ("stream",): figures.replying},
    )
    yield _counters(
        "failures",
        "Requests and handshakes that this server ended itself, by cause and status; "
        '"cut": half an answer.',
        ("cause", "status"),
        {(cause, str(status or "cut")): n for (cause, status), n in figures.failures.items()},
    )
    yield _counter("http_received_bytes", "Bytes of HTTP/1.1 connections.", figures.http_in_bytes)
    yield _counter("http_sent_bytes", "Bytes of answers, heads included.", figures.http_out_bytes)
    yield _counters(
        "connections_opened",
        "Connections that came, by protocol; one that becomes a WebSocket counts as both.",
        ("protocol",),
        _labelled(figures.connections),
    )
    yield _gauge("http_connections", "HTTP connections that are open.", vitals.connections)
    yield _gauge("http_exchanges", "Requests that wait for workers.", vitals.exchanges)
    yield _gauge("http_held", "Event streams and long polls that wait for events.", vitals.held)
    yield _gauge("http_body_bytes", "Bytes of request bodies in hand.", vitals.bodies_bytes)


def _sockets(figures: Figures, vitals: Vitals) -> Iterator[Metric]:
    yield _gauge("websockets", "WebSockets that are open or whose end is not told.", vitals.sockets)
    yield _counters(
        "websocket_handshakes",
        'WebSocket handshakes by result: "accepted" or the status of the refusal.',
        ("result",),
        _labelled(figures.handshakes),
    )
    yield _counters(
        "websockets_closed",
        "Accepted WebSockets that ended, by cause and close code.",
        ("cause", "code"),
        figures.sockets_closed,
    )
    yield _counters(
        "websocket_frames",
        "WebSocket messages; in: from clients, out: replies, broadcasts left out.",
        ("direction",),
        {("in",): figures.frames_in, ("out",): figures.frames_out},
    )
    yield _counters(
        "websocket_frame_bytes",
        "Bytes of their content.",
        ("direction",),
        {("in",): figures.frames_in_bytes, ("out",): figures.frames_out_bytes},
    )
    yield _counter("broadcasts", "Group messages that came to this server.", vitals.broadcasts)
    yield _counter(
        "broadcast_deliveries",
        "Members that those were handed to.",
        vitals.deliveries,
    )
    yield _gauge("groups", "Groups with a member on this server.", vitals.groups)
    yield _gauge("group_members", "Memberships on this server.", vitals.members)


def _layer(figures: Figures, vitals: Vitals) -> Iterator[Metric]:
    is_ready = vitals.unready_reason is None
    yield _gauge("ready", "1 while this server takes new work, as /readyz says.", is_ready)
    yield _gauge("redis_up", "1 while Redis can be reached.", vitals.layer_up)
    yield _gauge(
        "redis_buffered_bytes",
        "Bytes of operations that are not known to be performed.",
        vitals.layer_buffered_bytes,
    )
    yield _counter("redis_operations", "Operations performed.", vitals.layer_operations)
    yield _counter("redis_reconnects", "Connections that came back.", vitals.layer_reconnects)
    yield _times(
        "redis_call_seconds",
        "From gathering a batch of operations to its answer.",
        (),
        {(): vitals.layer_times},
    )
    yield _counters(
        "events",
        "What else happened, by name: epochs of the broker, pauses, drops, late replies.",
        ("event",),
        _labelled(figures.counters),
    )
    yield _times(
        "loop_lag_seconds",
        "How late the reactor was for a call due every quarter of a second.",
        (),
        {(): figures.loop_lag},
    )
    yield _gauge("uptime_seconds", "Since this server was started.", vitals.uptime_s)


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, help_, value=float(value))


def _counter(name: str, help_: str, value: float) -> Metric:
    return CounterMetricFamily(PREFIX + name, help_, value=value)


def _counters(name: str, help_: str, labels: tuple[str, ...], values: Mapping[Any, int]) -> Metric:
    family = CounterMetricFamily(PREFIX + name, help_, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family


def _times(
    name: str, help_: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], Times]
) -> Metric:
    family: Any = HistogramMetricFamily(PREFIX + name, help_, labels=labels)
    for key, times in values.items():
        buckets = [("+Inf" if at == float("inf") else f"{at:g}", n) for at, n in times.cumulative()]
        family.add_metric(key, buckets, times.total_s)
    result: Metric = family
    return result


def _labelled(counter: Mapping[str, int]) -> dict[tuple[str, ...], int]:
    return {(name,): n for name, n in counter.items()}
