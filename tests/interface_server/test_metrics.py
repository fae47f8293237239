"""What the metrics listener says of a real server, and that the document tells all of it."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from websockets.sync.client import connect

from interface_server.seeing.exposition import PREFIX, server_collector
from interface_server.seeing.figures import Figures
from interface_server.seeing.opening import place_of
from interface_server.seeing.vitals import Vitals
from shared.addresses import TcpPlace, UnixPlace
from shared.times import Times
from tests.interface_server.real_server import (
    ServerProcess,
    accept,
    echo,
    nothing,
    reply,
    start_server,
    start_worker,
)
from tests.parts import ROOT, Part

HANDLERS = {
    "http.request": lambda message, _: [reply(message, status=200, content=b"page")],
    "websocket.connect": accept,
    "websocket.receive": echo,
    "websocket.disconnect": nothing,
}
PREFIX_OF_KEYS = "metrics"


@pytest.fixture(scope="module")
def seen(redis_url: str) -> Iterator[ServerProcess]:
    """A server with JSON logs and a worker."""
    with ExitStack() as started:
        server = start_server(started, redis_url, PREFIX_OF_KEYS, "--log-json")
        start_worker(started, redis_url, PREFIX_OF_KEYS, HANDLERS)
        yield server


def samples(server: ServerProcess) -> dict[str, float]:
    """Each sample as `name{label="value",…}`."""
    text = httpx.get(server.metrics + "/metrics").text
    return {
        sample.name + ("" if not sample.labels else json.dumps(sample.labels)): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_requests_are_counted_and_timed_by_stage(seen: ServerProcess) -> None:
    """A page is one request, one time in all and one at the stage of the answer."""
    before = samples(seen)
    assert httpx.get(seen.http + "/page").content == b"page"
    assert httpx.post(seen.http + "/page", content=b"x" * 9).status_code == 200
    after = samples(seen)

    def more(name: str) -> float:
        return after[PREFIX + name] - before.get(PREFIX + name, 0)

    assert more('http_requests_total{"method": "GET", "status": "200"}') == 1
    assert more('http_requests_total{"method": "POST", "status": "200"}') == 1
    assert more("http_request_seconds_count") == 2
    assert more('http_stage_seconds_count{"stage": "answer"}') == 2
    assert more('http_stage_seconds_count{"stage": "body"}') == 1
    assert more("http_received_bytes_total") > 9
    assert more("http_sent_bytes_total") > 8
    assert after[PREFIX + "redis_up"] == after[PREFIX + "ready"] == 1
    assert after[PREFIX + "redis_call_seconds_count"] > 0
    assert after["process_open_fds"] > 3


def test_the_request_id_is_the_same_everywhere(seen: ServerProcess) -> None:
    """Header, access line and the worker's message name a request by the same id."""
    response = httpx.get(seen.http + "/named")
    (named,) = response.headers.get_list("x-request-id")
    line = seen.part.wait_for(rf'\{{"time".*"path": "/named".*"request_id": "{named}".*\}}')[0]
    said = json.loads(line)
    assert said["client"].startswith("127.0.0.1:")
    assert (said["event"], said["status"], said["http_version"]) == ("http", 200, "1.1")
    assert said["bytes"] > len(b"page")


def test_strangers_hear_nothing_but_the_status(seen: ServerProcess) -> None:
    """The public port has health without figures, and no metrics."""
    assert httpx.get(seen.http + "/healthz").json() == {"status": "ok"}
    assert httpx.get(seen.http + "/readyz").json() == {"status": "ok"}
    assert httpx.get(seen.http + "/metrics").content == b"page"
    assert "counters" in httpx.get(seen.metrics + "/healthz").json()
    assert httpx.get(seen.metrics + "/readyz").json() == {"status": "ok"}
    assert httpx.get(seen.metrics + "/other").status_code == 404


def test_metrics_can_be_at_a_unix_socket(
    started: ExitStack, redis_url: str, tmp_path: Path
) -> None:
    """unix:PATH is a socket that goes with the server; a place that is taken is said clearly."""
    path = tmp_path / "m"
    environment = {"REDIS_URL": redis_url, "CHANNELS_PREFIX": "metrics-unix"}
    part = Part.module(
        "interface_server", "--port", "0", "--metrics", f"unix:{path}", env=environment
    )
    started.callback(part.stop)
    part.wait_for(r"metrics at unix:.*/m/metrics")
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
        assert PREFIX + "uptime_seconds" in client.get("http://m/metrics").text
    assert part.stop() == 0
    assert not path.exists()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        part = Part.module("interface_server", "--port", "0", "--metrics", port, env=environment)
        assert part.wait(10) == 1
    assert f"cannot listen on 127.0.0.1:{port}" in part.text
    assert "choose another with --metrics" in part.text


def test_each_of_several_processes_has_its_place() -> None:
    """The next port, or a path with the index behind; a free port stays a free port."""
    assert place_of(TcpPlace("::1", 9100), 2) == TcpPlace("::1", 9102)
    assert place_of(TcpPlace("::1", 0), 2) == TcpPlace("::1", 0)
    assert place_of(UnixPlace("/run/m"), 0) == UnixPlace("/run/m")
    assert place_of(UnixPlace("/run/m"), 1) == UnixPlace("/run/m.1")


def test_the_document_tells_every_metric() -> None:
    """The table in docs/operating.md has each name with its kind, and no other."""
    vitals = Vitals(**{each.name: 0 for each in fields(Vitals)} | {"layer_times": Times()})
    registry = CollectorRegistry(auto_describe=False)
    registry.register(server_collector(Figures(), lambda: vitals))
    exposed = {
        (family.name + ("_total" if family.type == "counter" else ""), family.type)
        for family in registry.collect()
    }
    text = (ROOT / "docs" / "operating.md").read_text()
    told = set(re.findall(rf"^\| `({PREFIX}\w+)` \| (\w+) \|", text, re.MULTILINE))
    assert told == exposed


def test_the_document_tells_every_cause() -> None:
    """The tables in docs/operating.md have each cause, and no other."""
    from interface_server.seeing.causes import HTTP_CAUSES, SOCKET_CAUSES

    text = (ROOT / "docs" / "operating.md").read_text()
    rows = set(re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", text, re.MULTILINE))
    expected = {
        (cause.name, ", ".join(cause.outcomes), cause.meaning)
        for cause in (*HTTP_CAUSES, *SOCKET_CAUSES)
    }
    assert {row for row in rows if not row[0].startswith(PREFIX)} == expected


def test_no_client_makes_the_figures_grow() -> None:
    """Methods that are none of the known ones are one label."""

    class Answered:
        method, size_bytes, replied_at, is_safe, has_parts = "X", 1, 0.0, True, False

    figures = Figures()
    for number in range(100):
        Answered.method = f"M{number}"
        figures.answered(Answered(), 200, 0.1, 0.1)  # type: ignore[arg-type]
    assert figures.requests() == {("other", 200): 100}


def test_a_handshake_has_an_id_too(seen: ServerProcess) -> None:
    """The 101 has it in its head, and so have the lines of the socket's life."""
    with connect(seen.ws + "/socket", proxy=None) as client:
        assert client.response is not None
        named = client.response.headers["x-request-id"]
    line = seen.part.wait_for(rf'\{{.*"websocket_disconnect".*"request_id": "{named}".*\}}')[0]
    said = json.loads(line)
    assert (said["code"], said["cause"]) == (1000, "peer")
    assert f'{PREFIX}websockets_closed_total{{"cause": "peer", "code": "1000"}}' in samples(seen)


def test_doors_and_handshakes_have_metrics_of_their_own() -> None:
    """What the door refused and how TLS handshakes ended are labels, not events."""
    figures = Figures()
    figures.counters.update({"connections.address_full": 2, "tls.plain_http": 1, "epochs": 3})
    figures.connections["tls"] = 4
    vitals = Vitals(**{each.name: 0 for each in fields(Vitals)} | {"layer_times": Times()})
    registry = CollectorRegistry(auto_describe=False)
    registry.register(server_collector(figures, lambda: vitals))

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(PREFIX + name, labels)

    assert value("connections_refused_total", cause="address_full") == 2
    assert value("tls_handshakes_total", result="accepted") == 4
    assert value("tls_handshakes_total", result="plain_http") == 1
    assert value("events_total", event="epochs") == 3
    assert value("events_total", event="tls.plain_http") is None
