"""Every cause of `seeing/causes.py` that HTTP/1.1 can show: provoked, counted, told in one line."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import structlog
from pytest_twisted import ensureDeferred

from channel_layer.answers import Verdict
from interface_server.seeing.causes import (
    CUTS,
    HTTP_CAUSES,
    SOCKET_CAUSES,
    cause_of_status,
    code_label,
)
from interface_server.settings import Mount
from shared.errors import LayerUnavailable
from shared.messages import HttpRequest
from tests.interface_server.answering import Client, Site, answer, page, serving

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
QUIET = frozenset({400, 403, 417, 426})
"""What anybody can provoke by sending nonsense: the access log and the counter have it."""

ELSEWHERE = {"end_forced": "takes 5 s and follows a refusal that has its line"}

Act = Callable[[Site, Client, Path], Awaitable[None]]


def post(content: bytes, length: int | None = None) -> bytes:
    """A request with a body, or with less of it than it says."""
    size = len(content) if length is None else length
    return b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (size, content)


def never(site: Site, request: HttpRequest) -> None:
    """A worker that does not answer."""


def begun(site: Site, request: HttpRequest) -> None:
    """A worker that gives half of its answer."""
    site.reply(request, answer(b"half", more_content=True))


def begun_and_done(site: Site, request: HttpRequest) -> None:
    """A worker that ends in the middle."""
    begun(site, request)
    site.receipt(request, "done")


def flood(site: Site, request: HttpRequest) -> None:
    """A worker that gives more than anybody takes at once."""
    begun(site, request)
    for _ in range(14):
        site.reply(request, {"content": b"x" * 1_000_000, "more_content": True})


def lost(site: Site, request: HttpRequest) -> None:
    """The layer lost the request."""
    site.receivers[request.reply_channel].lost(0)


def missed(site: Site, request: HttpRequest) -> None:
    """The layer lost data behind half of an answer."""
    begun(site, request)
    site.receivers[request.reply_channel].missed()


async def full(site: Site, client: Client, _: Path) -> None:
    """All lists are full."""
    site.verdicts = [Verdict.FULL] * 99


async def away(site: Site, client: Client, _: Path) -> None:
    """The layer is away."""
    site.failure = LayerUnavailable("away")


async def unread(site: Site, client: Client, _: Path) -> None:
    """The client reads nothing."""
    client.transport.pauseProducing()


async def stop(site: Site, client: Client, _: Path) -> None:
    """The grace is nearly over when the request is there."""
    site.until(lambda: bool(site.requests)).addCallback(lambda _: site.parts.refuse_waiting())


async def cut(site: Site, client: Client, _: Path) -> None:
    """The grace is over when the request is there."""
    site.until(lambda: bool(site.requests)).addCallback(lambda _: site.parts.abort_all())


async def shrinking(site: Site, client: Client, folder: Path) -> None:
    """The file becomes shorter once its head is out."""
    client.until(lambda: bool(client.received)).addCallback(
        lambda _: (folder / "large").write_bytes(b"")
    )


def never_enough(_: bytes) -> bool:
    """A client that waits for the end."""
    return False


class Case(NamedTuple):
    """How a cause is provoked; `outcome` is the status, 0 for half an answer."""

    cause: str
    outcome: int
    request: bytes
    worker: Callable[[Site, HttpRequest], None] = page
    settings: dict[str, Any] = {}  # noqa: RUF012  read only
    act: Act | None = None


CASES = [
    Case("malformed", 400, b"GET /a HTTP/1.1\r\n\r\n"),
    Case("head_late", 408, GET[:-1], settings={"head_timeout_s": 0.05}),
    Case("body_late", 408, post(b"", 5), settings={"body_timeout_s": 0.05}),
    Case("body_too_large", 413, post(b"", 99), settings={"max_body": 10}),
    Case("target_too_long", 414, b"GET /" + b"a" * 300, settings={"max_head": 200}),
    Case("expectation_unknown", 417, GET[:-2] + b"Expect: x\r\n\r\n"),
    Case("misdirected", 421, GET.replace(b"/a", b"https://x/a")),
    Case("head_too_large", 431, GET, settings={"max_headers": 1, "max_head": 20}),
    Case("not_implemented", 501, GET.replace(b"GET /a", b"CONNECT x:1")),
    Case("version_unknown", 505, GET.replace(b"1.1", b"3.0")),
    Case("bodies_full", 503, post(b"x" * 9), settings={"bodies_total": 5}),
    Case(
        "body_list_full",
        503,
        post(b"x" * 99),
        settings={"inline_body": 9, "http_timeout_s": 0.05},
        act=full,
    ),
    Case("body_not_sent", 503, post(b"x" * 99), settings={"inline_body": 9}, act=away),
    Case("request_list_full", 503, GET, act=full),
    Case("layer_unavailable", 503, GET, act=away),
    Case("request_deadline_passed", 503, GET, never, {"http_timeout_s": 0.05}),
    Case("request_given_up", 503, GET, lambda site, request: site.receipt(request, "dead")),
    Case("request_lost", 503, post(b"x" * 70_000), lost),
    Case("replies_lost", 0, GET, missed),
    Case("request_unanswered_at_stop", 503, GET, never, act=stop),
    Case("request_not_answered", 500, GET, lambda site, request: site.receipt(request, "done")),
    Case("bad_reply", 500, GET, lambda site, request: site.reply(request, {"status": 42})),
    Case("response_not_finished", 0, GET, begun_and_done),
    Case("response_stopped", 0, GET, begun, {"http_timeout_s": 0.05}),
    Case("stalled", 0, GET, flood, {"stall_timeout_s": 0.1}, unread),
    Case("output_overflow", 0, GET, flood, {"max_output": 1_000_000}, unread),
    Case("cut_at_stop", 0, GET, never, act=cut),
    Case("file_not_readable", 0, GET.replace(b"/a", b"/s/large"), act=shrinking),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.cause)
@ensureDeferred
async def test_a_cause_is_counted_and_has_one_line(case: Case, tmp_path: Path) -> None:
    """One line names cause, request and what the client saw; one counter has cause and status."""
    mounts: dict[str, Any] = {}
    if b"/s/" in case.request:
        (tmp_path / "large").write_bytes(b"x" * 30_000_000)
        mounts = {"static": (Mount("/s", tmp_path),)}
    async with serving(case.worker, **mounts, **case.settings) as (site, connect):
        client = await connect()
        if case.act is not None:
            await case.act(site, client, tmp_path)
        with structlog.testing.capture_logs() as lines:
            client.send(case.request)
            if case.act is unread:
                await site.until(lambda: f"http.{case.cause}" in site.counters)
                client.transport.resumeProducing()
            sees = bool if case.outcome else never_enough
            await client.until(lambda: client.is_closed or sees(client.received))
        assert dict(site.figures.failures) == {(case.cause, case.outcome): 1}
    told = [line for line in lines if case.cause in (line["event"], line.get("cause"))]
    assert len(told) == len(lines) == (0 if case.outcome in QUIET else 1), lines
    for line in told:
        if case.cause != "file_not_readable":
            assert {"path", "request_id"} <= set(line)
    if case.outcome:
        assert f" {case.outcome} [" in site.lines.getvalue()


def test_every_cause_is_provoked() -> None:
    """No cause of HTTP is without its case, but those that say why."""
    walked = {case.cause for case in CASES} | set(ELSEWHERE) | {"upgrade_refused"}
    of_http1 = {cause.name for cause in HTTP_CAUSES if not cause.name.startswith("h2_")}
    assert walked == of_http1
    assert walked > CUTS


def test_names_are_used_once_and_each_status_has_a_cause() -> None:
    """The lists are closed: nothing is counted under a name that is not in them."""
    for causes in (HTTP_CAUSES, SOCKET_CAUSES):
        names = [cause.name for cause in causes]
        assert len(names) == len(set(names))
    known = {cause.name for cause in HTTP_CAUSES}
    assert {cause_of_status(status) for status in range(400, 600)} <= known


@pytest.mark.parametrize(
    ("code", "label"),
    [(1000, "1000"), (1015, "1015"), (1016, "1xxx"), (3999, "3xxx"), (4001, "4xxx"), (7, "other")],
)
def test_close_codes_of_clients_make_few_labels(code: int, label: str) -> None:
    """A client that closes with all codes there are makes a handful of series."""
    assert code_label(code) == label
