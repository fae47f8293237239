"""The figures of one server as Prometheus metrics: every name, type, label and help text.

Counts nothing; reads what is given to it when it is asked.
"""

from collections.abc import Callable, Iterator

from prometheus_client.core import Metric

from interface_server.seeing.figures import Figures
from interface_server.seeing.vitals import Vitals
from shared.metric_families import (
    WhenAsked,
    counter,
    counters,
    gauge,
    histograms,
    labelled,
)

PREFIX = "channels_server_"

_OWN_METRICS = ("connections.", "tls.")
"""How the names of counters begin that are a metric of their own, with the rest as label."""


def server_collector(figures: Figures, vitals: Callable[[], Vitals]) -> WhenAsked:
    """All metrics of one server; `vitals` is asked at each scrape."""

    def collected() -> Iterator[Metric]:
        now = vitals()
        yield from _http(figures, now)
        yield from _connections(figures, now)
        yield from _sockets(figures, now)
        yield from _layer(figures, now)

    return WhenAsked(collected)


def _http(figures: Figures, vitals: Vitals) -> Iterator[Metric]:
    yield counters(
        PREFIX + "http_requests",
        "Requests answered, by method and status; 499: the client left before the answer.",
        ("method", "status"),
        {(method, str(status)): n for (method, status), n in figures.requests().items()},
    )
    yield histograms(
        PREFIX + "http_request_seconds",
        "From a request's head to the last byte of its answer, all requests.",
        (),
        {(): figures.total()},
    )
    yield histograms(
        PREFIX + "http_stage_seconds",
        "Times of requests by stage. body: from the head to its sending, where a body may come "
        "between; answer: from the sending to the first reply, so queue and worker; stream: from "
        "the first reply to the last, where the answer comes in parts.",
        ("stage",),
        {("body",): figures.read, ("answer",): figures.waiting(), ("stream",): figures.replying},
    )
    yield counters(
        PREFIX + "failures",
        "Requests and handshakes that this server ended itself, by cause and status; "
        '"cut": half an answer.',
        ("cause", "status"),
        {(cause, str(status or "cut")): n for (cause, status), n in figures.failures.items()},
    )
    yield counter(
        PREFIX + "http_received_bytes",
        "Bytes of HTTP connections, TLS taken off; those of HTTP/2 with the sockets on it.",
        figures.http_in_bytes,
    )
    yield counter(
        PREFIX + "http_sent_bytes", "Bytes of answers, heads included.", figures.http_out_bytes
    )
    yield gauge(PREFIX + "http_exchanges", "Requests that wait for workers.", vitals.exchanges)
    yield gauge(
        PREFIX + "http_held", "Event streams and long polls that wait for events.", vitals.held
    )
    yield gauge(PREFIX + "http_body_bytes", "Bytes of request bodies in hand.", vitals.bodies_bytes)


def _connections(figures: Figures, vitals: Vitals) -> Iterator[Metric]:
    yield counters(
        PREFIX + "connections_opened",
        "Connections that came, by protocol; one that becomes a WebSocket counts as both.",
        ("protocol",),
        labelled(figures.connections),
    )
    yield counters(
        PREFIX + "connections_refused",
        "Connections that were closed at the door, by cause.",
        ("cause",),
        labelled(_of_kind(figures, "connections.")),
    )
    yield counters(
        PREFIX + "tls_handshakes",
        "TLS handshakes by result.",
        ("result",),
        labelled({"accepted": figures.connections["tls"]} | _of_kind(figures, "tls.")),
    )
    yield gauge(PREFIX + "http_connections", "HTTP connections that are open.", vitals.connections)


def _sockets(figures: Figures, vitals: Vitals) -> Iterator[Metric]:
    yield gauge(
        PREFIX + "websockets", "WebSockets that are open or whose end is not told.", vitals.sockets
    )
    yield counters(
        PREFIX + "websocket_handshakes",
        'WebSocket handshakes by result: "accepted" or the status of the refusal.',
        ("result",),
        labelled(figures.handshakes),
    )
    yield counters(
        PREFIX + "websockets_closed",
        "Accepted WebSockets that ended, by cause and close code.",
        ("cause", "code"),
        figures.sockets_closed,
    )
    yield counters(
        PREFIX + "websocket_frames",
        "WebSocket messages; in: from clients, out: replies, broadcasts left out.",
        ("direction",),
        {("in",): figures.frames_in, ("out",): figures.frames_out},
    )
    yield counters(
        PREFIX + "websocket_frame_bytes",
        "Bytes of their content.",
        ("direction",),
        {("in",): figures.frames_in_bytes, ("out",): figures.frames_out_bytes},
    )
    yield counter(
        PREFIX + "broadcasts", "Group messages that came to this server.", vitals.broadcasts
    )
    yield counter(
        PREFIX + "broadcast_deliveries",
        "Members that those were handed to.",
        vitals.deliveries,
    )
    yield gauge(PREFIX + "groups", "Groups with a member on this server.", vitals.groups)
    yield gauge(PREFIX + "group_members", "Memberships on this server.", vitals.members)


def _layer(figures: Figures, vitals: Vitals) -> Iterator[Metric]:
    is_ready = vitals.unready_reason is None
    yield gauge(PREFIX + "ready", "1 while this server takes new work, as /readyz says.", is_ready)
    yield gauge(PREFIX + "redis_up", "1 while Redis can be reached.", vitals.layer_up)
    yield gauge(
        PREFIX + "redis_buffered_bytes",
        "Bytes of operations that are not known to be performed.",
        vitals.layer_buffered_bytes,
    )
    yield counter(PREFIX + "redis_operations", "Operations performed.", vitals.layer_operations)
    yield counter(
        PREFIX + "redis_reconnects", "Connections that came back.", vitals.layer_reconnects
    )
    yield histograms(
        PREFIX + "redis_call_seconds",
        "From gathering a batch of operations to its answer.",
        (),
        {(): vitals.layer_times},
    )
    yield counters(
        PREFIX + "events",
        "What else happened, by name: epochs of the broker, pauses, drops, late replies.",
        ("event",),
        labelled(
            {name: n for name, n in figures.counters.items() if not name.startswith(_OWN_METRICS)}
        ),
    )
    yield histograms(
        PREFIX + "loop_lag_seconds",
        "How late the reactor was for a call due every quarter of a second.",
        (),
        {(): figures.loop_lag},
    )
    yield gauge(PREFIX + "uptime_seconds", "Since this server was started.", vitals.uptime_s)


def _of_kind(figures: Figures, kind: str) -> dict[str, int]:
    """The counters whose names begin so, by the rest of their names."""
    return {name[len(kind) :]: n for name, n in figures.counters.items() if name.startswith(kind)}
