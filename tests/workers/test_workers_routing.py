"""Routes: which handler a path or a channel belongs to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ConfigurationError
from workers.routing import (
    App,
    HttpMatch,
    MethodNotAllowed,
    NotFound,
    SocketMatch,
    get,
    include,
    job,
    post,
    route,
    websocket,
)


def handler(*_):
    """Does nothing; routes are compared by pattern."""


ROUTES = [
    get("/", handler),
    get("/about", handler),
    get("/{board}/", handler),
    get("/{board}/{page:int}", handler),
    get("/{board}/thread/{no:int}.json", handler),
    get("/{board}/thread/{no:int}/{slug}", handler),
    post("/{board}/post", handler, idempotent=True),
    get("/files/{rest:path}", handler),
]


@pytest.mark.parametrize(
    ("path", "pattern", "params"),
    [
        ("/", "/", {}),
        ("/about", "/about", {}),
        ("/b/", "/{board}/", {"board": "b"}),
        ("/b/10", "/{board}/{page:int}", {"board": "b", "page": 10}),
        ("/b/thread/7.json", "/{board}/thread/{no:int}.json", {"board": "b", "no": 7}),
        (
            "/b/thread/7/ö 中",
            "/{board}/thread/{no:int}/{slug}",
            {"board": "b", "no": 7, "slug": "ö 中"},
        ),
        ("/files/a/b/c", "/files/{rest:path}", {"rest": "a/b/c"}),
    ],
)
def test_match(path, pattern, params):
    """A path finds the first pattern that fits as a whole, and its parts."""
    match = App(ROUTES).match_http("GET", path)
    assert isinstance(match, HttpMatch)
    assert (match.route.pattern, match.params) == (pattern, params)


@pytest.mark.parametrize(
    "path", ["", "/b", "/b/x1", "/b/-1", "/b/１", f"/b/{'9' * 19}", "/b/thread/7xjson"]
)
def test_not_found(path):
    """A path that no pattern fits as a whole is unknown; numbers are short and ASCII."""
    assert App(ROUTES).match_http("GET", path) == NotFound()


def test_first_fit_wins():
    """A path that a pattern names whole goes to an earlier pattern that fits it, as others do."""
    whole, early, late = (route(path, handler) for path in ("/a/new", "/a/{name}", "/{rest:path}"))
    for routes, expected in (([whole, early], whole), ([early, whole], early), ([late], late)):
        match = App(routes).match_http("GET", "/a/new")
        assert isinstance(match, HttpMatch)
        assert match.route is expected
    reading, writing = route("/{rest:path}", handler), route("/a", handler, ["POST"])
    app = App([reading, writing])
    assert app.match_http("POST", "/a").route is writing
    assert app.match_http("GET", "/a").route is reading
    sockets = [websocket(path, handler) for path in ("/{name}", "/live")]
    assert App(sockets).match_socket("/live") == SocketMatch(sockets[0], {"name": "live"})
    assert App(sockets[::-1]).match_socket("/live") == SocketMatch(sockets[1], {})


def test_methods():
    """A known path with another method is 405 with all methods it has; GET brings HEAD."""
    app = App([*ROUTES, get("/{board}/post", handler), route("/x", handler, ("put", "PUT"))])
    assert app.match_http("DELETE", "/b/post") == MethodNotAllowed(("POST", "GET", "HEAD"))
    assert app.match_http("GET", "/x") == MethodNotAllowed(("PUT",))
    assert isinstance(app.match_http("HEAD", "/b/post"), HttpMatch)


def test_repeatable():
    """Safe methods may be handled again; others only where the route says so."""
    plain, safe = post("/x", handler), post("/x", handler, idempotent=True)
    assert [plain.is_repeatable(method) for method in ("GET", "HEAD", "OPTIONS", "POST")] == [
        *(True, True, True, False)
    ]
    assert safe.is_repeatable("POST")


def test_sockets_and_jobs():
    """Sockets are found by path, jobs by channel."""
    app = App([websocket("/thread/{no:int}/", connect=handler), job("board.picture", handler)])
    match = app.match_socket("/thread/3/")
    assert isinstance(match, SocketMatch)
    assert match.params == {"no": 3}
    assert app.match_socket("/thread/x/") == NotFound()
    assert app.job("board.picture").limit == 4
    assert app.job("other") is None


def test_channels():
    """An application consumes the channels of what it has."""
    assert App([]).channels == ()
    assert App([job("a", handler), get("/", handler)]).channels == ("http.request", "a")
    assert App([websocket("/")]).channels == (
        *("websocket.connect", "websocket.receive", "websocket.disconnect"),
    )


def test_include():
    """Included routes lie below the prefix; jobs keep their channels."""
    inner = [get("/{x}", handler), websocket("/s/", handler), job("j", handler)]
    app = App(include("/mod", inner))
    assert app.match_http("GET", "/mod/1").params == {"x": "1"}
    assert isinstance(app.match_socket("/mod/s/"), SocketMatch)
    assert app.job("j") is not None
    assert app.match_http("GET", "/1") == NotFound()


@pytest.mark.parametrize(
    "routes",
    [
        [get("no-slash", handler)],
        [get("/{a", handler)],
        [get("/a}", handler)],
        [get("/{a:float}", handler)],
        [get("/{a}/{a}", handler)],
        [get("/{1a}", handler)],
        [get("/", None)],
        [websocket("/", receive="x")],
        [job("a", handler), job("a", handler)],
        [job("http.request", handler)],
        [job("a!", handler)],
        [job("a?b", handler)],
        [job("ä", handler)],
        [job("a", None)],
        [handler],
    ],
)
def test_impossible_routes(routes):
    """A route that cannot work is refused when the application is built."""
    with pytest.raises(ConfigurationError):
        App(routes)


@given(st.text())
def test_any_path(path):
    """No path makes matching fail; literal parts of a pattern mean themselves."""
    app = App([get("/a.b/{x}+", handler)])
    match = app.match_http("GET", path)
    expected = path.startswith("/a.b/") and path.endswith("+")
    expected = expected and len(path) > 6 and "/" not in path[5:-1]
    assert isinstance(match, HttpMatch) == expected
