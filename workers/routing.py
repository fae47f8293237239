"""Which handler an event belongs to: by path pattern for pages and sockets, by channel for jobs.

Pure: it decides between a match, 404 and 405; it calls no handler and builds no page.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, TypeAlias

from msgspec import Struct

from shared.channel_names import check_channel
from shared.errors import ConfigurationError, InvalidName
from workers.consumers import JobAttempt, SocketEvent
from workers.event_streams import HeldAnswer
from workers.outbox import Outbox
from workers.web import Later, Request, Response

HttpHandler: TypeAlias = Callable[[Request, Outbox], Response | Later | HeldAnswer]
SocketHandler: TypeAlias = Callable[[SocketEvent, Outbox], None]
JobHandler: TypeAlias = Callable[[dict[str, Any], Outbox, JobAttempt], None]
ErrorPage: TypeAlias = Callable[[Request | None, int, str, str], Response]
"""Builds the page of an error from (request or None, status, title, detail)."""

Params: TypeAlias = Mapping[str, str | int]

_NO_PARAMS: Params = MappingProxyType({})

HTTP_REQUEST = "http.request"
WEBSOCKET_CONNECT = "websocket.connect"
WEBSOCKET_RECEIVE = "websocket.receive"
WEBSOCKET_DISCONNECT = "websocket.disconnect"
_RESERVED = (HTTP_REQUEST, WEBSOCKET_CONNECT, WEBSOCKET_RECEIVE, WEBSOCKET_DISCONNECT)

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that may be handled again after a worker's death. Source: RFC 9110 section 9.2.1."""

HANDLER_TIMEOUT_S = 60.0
"""How long a page's or socket's handler may run: half of the server's patience for an answer."""

_PARAM = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(?::([a-z]+))?\}")
# 18 digits always fit into a database's 64-bit column; a longer number names nothing.
_CONVERTERS = {None: "[^/]+", "int": "[0-9]{1,18}", "path": ".+"}


@dataclass(frozen=True, slots=True)
class HttpRoute:
    """A page: a path pattern, its methods and its handler."""

    pattern: str
    handler: HttpHandler
    methods: tuple[str, ...] = ("GET", "HEAD")
    idempotent: bool = False
    timeout_s: float = HANDLER_TIMEOUT_S

    def is_repeatable(self, method: str) -> bool:
        """Whether a request may be handled again after a worker died with it."""
        return self.idempotent or method in SAFE_METHODS


@dataclass(frozen=True, slots=True)
class SocketRoute:
    """Sockets on a path pattern; without `connect` their handshake is refused."""

    pattern: str
    connect: SocketHandler | None = None
    receive: SocketHandler | None = None
    disconnect: SocketHandler | None = None
    timeout_s: float = HANDLER_TIMEOUT_S

    def handler_of(self, channel: str) -> SocketHandler | None:
        """What handles the events of a channel, None when nothing does."""
        if channel == WEBSOCKET_RECEIVE:
            return self.receive
        return self.connect if channel == WEBSOCKET_CONNECT else self.disconnect


@dataclass(frozen=True, slots=True)
class JobRoute:
    """A job's channel. After `retries` more tries it lies among the dead letters.

    `backoff_s` is the wait before the first retry; each further one doubles it.
    """

    channel: str
    handler: JobHandler
    retries: int = 3
    backoff_s: float = 2.0
    timeout_s: float = HANDLER_TIMEOUT_S

    @property
    def limit(self) -> int:
        """Attempts in all."""
        return self.retries + 1


Route: TypeAlias = HttpRoute | SocketRoute | JobRoute


def route(
    pattern: str,
    handler: HttpHandler,
    methods: Iterable[str] = ("GET",),
    idempotent: bool = False,
    timeout_s: float = HANDLER_TIMEOUT_S,
) -> HttpRoute:
    """A page under `pattern`; GET brings HEAD along.

    `{name}` in the pattern is one segment, `{name:int}` a number, `{name:path}` the rest.
    `idempotent` says that an unsafe request may be handled again after a worker died with it.
    """
    named = tuple(dict.fromkeys(method.upper() for method in methods))
    if "GET" in named and "HEAD" not in named:
        named = (*named, "HEAD")
    return HttpRoute(pattern, handler, named, idempotent, timeout_s)


def get(pattern: str, handler: HttpHandler, timeout_s: float = HANDLER_TIMEOUT_S) -> HttpRoute:
    """A page that is read with GET or HEAD."""
    return route(pattern, handler, ("GET",), timeout_s=timeout_s)


def post(
    pattern: str,
    handler: HttpHandler,
    idempotent: bool = False,
    timeout_s: float = HANDLER_TIMEOUT_S,
) -> HttpRoute:
    """A page that takes POST; see `route` for `idempotent`."""
    return route(pattern, handler, ("POST",), idempotent, timeout_s)


def websocket(
    pattern: str,
    connect: SocketHandler | None = None,
    receive: SocketHandler | None = None,
    disconnect: SocketHandler | None = None,
    timeout_s: float = HANDLER_TIMEOUT_S,
) -> SocketRoute:
    """Sockets under `pattern`; `connect` must accept them, the other two may be left out."""
    return SocketRoute(pattern, connect, receive, disconnect, timeout_s)


def job(
    channel: str,
    handler: JobHandler,
    retries: int = 3,
    backoff_s: float = 2.0,
    timeout_s: float = HANDLER_TIMEOUT_S,
) -> JobRoute:
    """A job that runs for each message on `channel`."""
    return JobRoute(channel, handler, retries, backoff_s, timeout_s)


def include(prefix: str, routes: Iterable[Route]) -> tuple[Route, ...]:
    """The routes with `prefix` before their patterns; jobs keep their channels."""
    return tuple(
        known if isinstance(known, JobRoute) else replace(known, pattern=prefix + known.pattern)
        for known in routes
    )


class HttpMatch(Struct, frozen=True):
    """The page that a request is for, with what its pattern found in the path."""

    route: HttpRoute
    params: Params


class SocketMatch(Struct, frozen=True):
    """The sockets that a handshake is for, with what their pattern found in the path."""

    route: SocketRoute
    params: Params


@dataclass(frozen=True, slots=True)
class NotFound:
    """No page has this path: 404."""


@dataclass(frozen=True, slots=True)
class MethodNotAllowed:
    """The path is known, but not with this method: 405 with these in `Allow`."""

    allow: tuple[str, ...]


class App:
    """All routes of an application; the first that fits wins.

    `error_page` builds the pages for 404, 405, 500 and the like; without it they are plain.

    Raises: ConfigurationError for a pattern, channel or handler that cannot work.
    """

    def __init__(self, routes: Iterable[Route], error_page: ErrorPage | None = None) -> None:
        self.routes = tuple(routes)
        self.error_page = error_page
        self._pages: list[tuple[re.Pattern[str], tuple[str, ...], HttpRoute]] = []
        self._sockets: list[tuple[re.Pattern[str], tuple[str, ...], SocketRoute]] = []
        self._jobs: dict[str, JobRoute] = {}
        for known in self.routes:
            self._add(known)
        self._whole_pages = dict(self._pages_of_whole_paths())
        self._whole_sockets = dict(self._sockets_of_whole_paths())
        """What is found for paths that a pattern names whole: by (method and) path."""

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that this application consumes."""
        pages = (HTTP_REQUEST,) if self._pages else ()
        sockets = _RESERVED[1:] if self._sockets else ()
        return (*pages, *sockets, *self._jobs)

    def match_http(self, method: str, path: str) -> HttpMatch | NotFound | MethodNotAllowed:
        """The page for a request, or why there is none. `path` is decoded."""
        return self._whole_pages.get((method, path)) or self._search_http(method, path)

    def match_socket(self, path: str) -> SocketMatch | NotFound:
        """The sockets for a path, or that there are none. `path` is decoded."""
        return self._whole_sockets.get(path) or self._search_socket(path)

    def job(self, channel: str) -> JobRoute | None:
        """The job that runs for messages of `channel`, None for an unknown one."""
        return self._jobs.get(channel)

    def _search_http(self, method: str, path: str) -> HttpMatch | NotFound | MethodNotAllowed:
        allow: dict[str, None] = {}
        for pattern, numbers, known in self._pages:
            found = pattern.fullmatch(path)
            if found is None:
                continue
            if method in known.methods:
                return HttpMatch(known, _params(found, numbers))
            allow.update(dict.fromkeys(known.methods))
        return MethodNotAllowed(tuple(allow)) if allow else NotFound()

    def _search_socket(self, path: str) -> SocketMatch | NotFound:
        for pattern, numbers, known in self._sockets:
            found = pattern.fullmatch(path)
            if found is not None:
                return SocketMatch(known, _params(found, numbers))
        return NotFound()

    def _pages_of_whole_paths(self) -> Iterator[tuple[tuple[str, str], HttpMatch]]:
        for pattern, _, known in self._pages:
            for method in known.methods if pattern.groups == 0 else ():
                found = self._search_http(method, known.pattern)
                if isinstance(found, HttpMatch) and found.route is known:
                    yield (method, known.pattern), HttpMatch(known, _NO_PARAMS)

    def _sockets_of_whole_paths(self) -> Iterator[tuple[str, SocketMatch]]:
        for pattern, _, known in self._sockets:
            found = self._search_socket(known.pattern)
            if pattern.groups == 0 and isinstance(found, SocketMatch) and found.route is known:
                yield known.pattern, SocketMatch(known, _NO_PARAMS)

    def _add(self, known: Route) -> None:
        if isinstance(known, JobRoute):
            self._jobs[_job_channel(known, self._jobs)] = known
        elif isinstance(known, HttpRoute):
            _check_handler(known.pattern, known.handler)
            self._pages.append((*_compiled(known.pattern), known))
        elif isinstance(known, SocketRoute):
            for handler in (known.connect, known.receive, known.disconnect):
                if handler is not None:
                    _check_handler(known.pattern, handler)
            self._sockets.append((*_compiled(known.pattern), known))
        else:
            raise ConfigurationError(f"expected a route, got {known!r}")


def _compiled(pattern: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """The pattern as a regular expression, and which of its names are numbers."""
    if not pattern.startswith("/"):
        raise ConfigurationError(f"route {pattern!r}: expected a pattern that begins with '/'")
    parts, numbers, names, at = [], [], set(), 0
    for found in _PARAM.finditer(pattern):
        name, converter = found.groups()
        if converter not in _CONVERTERS or name in names:
            raise ConfigurationError(f"route {pattern!r}: cannot use {found.group()!r}")
        names.add(name)
        numbers += [name] * (converter == "int")
        parts += [re.escape(pattern[at : found.start()]), f"(?P<{name}>{_CONVERTERS[converter]})"]
        at = found.end()
    rest = pattern[at:]
    if "{" in "".join(parts[::2]) + rest or "}" in rest:
        raise ConfigurationError(f"route {pattern!r}: a brace without its other half")
    return re.compile("".join((*parts, re.escape(rest))), re.ASCII | re.DOTALL), tuple(numbers)


def _params(found: re.Match[str], numbers: tuple[str, ...]) -> Params:
    params: dict[str, str | int] = dict(found.groupdict())
    for name in numbers:
        params[name] = int(params[name])
    return params


def _check_handler(where: str, handler: object) -> None:
    if not callable(handler):
        raise ConfigurationError(f"route {where!r}: expected a callable handler, got {handler!r}")


def _job_channel(known: JobRoute, others: Mapping[str, JobRoute]) -> str:
    _check_handler(known.channel, known.handler)
    try:
        channel = check_channel(known.channel)
    except InvalidName as error:
        raise ConfigurationError(f"job {known.channel!r}: {error}") from error
    if channel in others or channel in _RESERVED or not {"!", "?"}.isdisjoint(channel):
        raise ConfigurationError(f"job {channel!r}: the channel is taken or not a normal one")
    return channel
