"""What all HTTP connections of a process share, and what is answered without a worker.

Holds the open connections so that they can be ended in order; reads no bytes.
"""

from typing import Protocol

from twisted.internet.defer import Deferred, succeed

from interface_server.content_coding import codings_of
from interface_server.gateway import Gateway
from interface_server.head_memory import HeadMemory
from interface_server.health import LIVE_PATH, READY_PATH, health
from interface_server.http_answer import CLIENT_GONE, Answer
from interface_server.http_messages import RequestHead, RequestRefused
from interface_server.http_responses import DateAndServer, ReadyResponse, hsts_line, own_page
from interface_server.http_running import RunningExchange
from interface_server.http_upload import BodyBudget
from interface_server.proxies import TrustedProxies
from interface_server.request_message import without_root
from interface_server.response_coding import ResponseCoder
from interface_server.seeing.causes import CUTS
from interface_server.static_files import FileResponse
from interface_server.wires import Call, Clock
from shared.logs import get_logger
from shared.messages import HttpResponse
from shared.process_memory import trim

AT_STOP = "http.cut_at_stop"
"""Counts what the end of the grace cuts."""

_WORTH_A_LINE = frozenset({408, 413, 414, 421, 431})
"""Refusals below 500 that a bound of ours makes: an operator may want it wider."""

_TOLD_ELSEWHERE = frozenset({"file_not_readable", "end_forced"})
"""Cuts that have a line of their own, or follow one."""

_HELD_MUCH = frozenset({"stalled", "output_overflow"})
"""Cuts of a client that did not read: up to --max-output was held for it."""

TRIM_AFTER_S = 1.0
"""What they held is given back once for all that are cut meanwhile."""

_log = get_logger("interface_server.http")

HEALTH_PATHS = frozenset({LIVE_PATH, READY_PATH})


class Drainable(Protocol):
    """A connection that can be ended."""

    def drain(self) -> None:
        """End as soon as what was asked for is answered; at once when idle."""

    def refuse_waiting(self) -> None:
        """Answer with 503 what has no answer yet."""

    def abort(self, counter: str) -> None:
        """End now."""


class HttpParts:
    """Shared by all connections: the process behind them, its clock, its bounds."""

    takes_sockets = True
    """Whether a WebSocket handshake is one; else it is a request like any other."""

    def __init__(self, gateway: Gateway, clock: Clock) -> None:
        self.gateway = gateway
        self.clock = clock
        self.proxies = TrustedProxies(
            gateway.settings.trusted_proxies, gateway.settings.forwarded == "forwarded"
        )
        self.budget = BodyBudget(gateway.settings.bodies_total)
        self.hsts = hsts_line(gateway.settings.hsts, gateway.settings.hsts_subdomains)
        self._codings = codings_of(gateway.settings.compress)
        self.heads = HeadMemory(gateway.settings.max_headers, gateway.settings.root_path)
        self.is_draining = False
        self._date = DateAndServer(gateway.settings.server_header)
        self._connections: set[Drainable] = set()
        self._drained: list[Deferred[None]] = []
        self._trimming: Call | None = None

    @property
    def connection_count(self) -> int:
        """How many HTTP connections are open."""
        return len(self._connections)

    def opened(self, connection: Drainable) -> None:
        """A client came."""
        self._connections.add(connection)

    def closed(self, connection: Drainable) -> None:
        """A client left, or its connection is no HTTP connection any more."""
        self._connections.discard(connection)
        if not self._connections:
            drained, self._drained = self._drained, []
            for waiting in drained:
                waiting.callback(None)

    def drain(self) -> Deferred[None]:
        """End every connection as soon as what was asked for is answered; fires with the last."""
        self.is_draining = True
        for connection in tuple(self._connections):
            connection.drain()
        if not self._connections:
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        self._drained.append(waiting)
        return waiting

    def refuse_waiting(self) -> Deferred[None]:
        """Answer with 503 what waits still while draining; fires when no connection is left."""
        for connection in tuple(self._connections):
            connection.refuse_waiting()
        return self.drain()

    def abort_all(self) -> None:
        """End every connection now."""
        for connection in tuple(self._connections):
            connection.abort(AT_STOP)

    def date_and_server(self) -> bytes:
        """The header lines that every response carries."""
        return self._date.at(self.gateway.wall_clock())

    def answer_locally(self, answer: Answer, head: RequestHead) -> bool:
        """Answer what needs no worker: health and mounted files. False for all else."""
        path = without_root(head.path, self.gateway.settings.root_path)
        if path in HEALTH_PATHS:
            answer.respond(self._health(path, head.method))
            return True
        static = self.gateway.static
        found = static.answer(head.method, path, head.headers) if static is not None else None
        if found is None:
            return False
        if isinstance(found, ReadyResponse):
            answer.respond_ready(found)
        elif isinstance(found, FileResponse):
            pieces = found.loose_pieces if answer.http_version == "2" else found.pieces
            answer.stream(found.status, found.headers, found.length, pieces)
        else:
            answer.respond(found)
        return True

    def exchange(self, answer: Answer, head: RequestHead) -> RunningExchange:
        """The exchange with a worker that will give the answer; its caller starts it."""
        if self._codings:
            limit = self.gateway.settings.max_output
            answer.coder = ResponseCoder(head.method, head.headers, self._codings, limit)
        answer.exchange = RunningExchange(self.gateway, answer, head, self.clock, self.budget)
        return answer.exchange

    def is_local(self, head: RequestHead) -> bool:
        """Whether `answer_locally` would answer."""
        path = without_root(head.path, self.gateway.settings.root_path)
        static = self.gateway.static
        return path in HEALTH_PATHS or (static is not None and static.covers(path))

    def log(self, answer: Answer) -> None:
        """Count the answer, which is over, and write its line in the access log."""
        status, now = answer.status or CLIENT_GONE, self.clock.seconds()
        seconds = now - answer.started
        self.gateway.figures.answered(answer, status, seconds, now)
        self.gateway.access_log.http(
            answer.method,
            answer.path,
            status,
            seconds,
            answer.peer.client,
            answer.request_id,
            answer.http_version,
            answer.size_bytes,
        )

    def refused(self, refused: RequestRefused, answer: Answer) -> None:
        """Count a request that is refused without asking a worker, and say why in the log.

        The access log and the counter have what anybody can provoke by sending nonsense.
        """
        gateway, status = self.gateway, refused.status
        gateway.count(f"http.refused_{status}")
        gateway.figures.failures[refused.cause, status] += 1
        if status >= 500 or status in _WORTH_A_LINE:
            write = _log.warning if status >= 500 else _log.info
            facts = {"status": status, "cause": refused.cause, "detail": refused.detail}
            named = {"method": answer.method, "path": answer.path}
            write("request_refused", **facts, **named, request_id=answer.request_id)

    def cut(self, counter: str, path: str, request_id: str) -> None:
        """Count a connection that is cut, `http.` before the cause, and say why in the log."""
        cause = counter.removeprefix("http.")
        self.gateway.count(counter)
        if cause in CUTS:
            self.gateway.figures.failures[cause, 0] += 1
            if cause not in _TOLD_ELSEWHERE:
                _log.warning("connection_cut", cause=cause, path=path, request_id=request_id)
        if cause in _HELD_MUCH and self._trimming is None:
            # One small block that was made meanwhile and lives on keeps all that lies below it.
            self._trimming = self.clock.callLater(TRIM_AFTER_S, self._trim)

    def _trim(self) -> None:
        self._trimming = None
        trim()

    def _health(self, path: str, method: str) -> HttpResponse:
        if method not in ("GET", "HEAD"):
            return own_page(405, "Only GET and HEAD.", ((b"Allow", b"GET, HEAD"),))
        reason = self.gateway.unready_reason() if path == READY_PATH else None
        status, body = health(reason)
        headers = ((b"Content-Type", b"application/json"), (b"Cache-Control", b"no-store"))
        return HttpResponse(status, headers, body)
