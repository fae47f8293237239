"""Works of requests: the page of 1 KB in a closed loop and at a fixed rate, files, bodies."""

from functools import partial

from bench import tools
from bench.page import MIB
from bench.processes import Running, Spent
from bench.servers import FILE, PACE, PAGE, SEND
from bench.tools import Figures
from bench.work import Work

_CAPACITY_S = 2.0
_CONNECTIONS = 64


def requests(
    path: str,
    connections: int,
    server: Running,
    share: float,
    has_cookies: bool = False,
    takes_gzip: bool = False,
) -> Figures:
    """Requests a second in a closed loop, and what one costs each part."""
    seconds = max(1, round(5 * share))
    upload = MIB if path == "/upload" else b""
    url = f"http://127.0.0.1:{server.port}{path}"
    spent = Spent(server)
    figures = tools.wrk(url, connections, seconds, upload, has_cookies, takes_gzip)
    spent.end()
    return {**figures, **spent.each(figures["per_s"] * seconds)}


def _paced(load: float, server: Running, share: float) -> Figures:
    """At a part of what this server has done just before in a closed loop."""
    url = f"http://127.0.0.1:{server.port}/page"
    most = tools.wrk(url, _CONNECTIONS, max(1, round(_CAPACITY_S * share)))["per_s"]
    said = tools.at_rate(server.port, "/page", load * most, max(1.0, 6 * share))
    return {"p99_ms": said["p99_ms"], "p50_ms": said["p50_ms"], "at_per_s": load * most}


def _work(path: str, title: str, connections: int, wants: str = PAGE) -> Work:
    name = f"{path.strip('/').replace('/', '-')}-{connections}"
    measure = partial(requests, path, connections)
    return Work(name, f"{title}, {connections} connections", "/s", wants, measure)


def _pace(load: float) -> Work:
    name = f"pace-{load:.0%}".rstrip("%")
    title = f"page of 1 KB at {load:.0%} of a server's own capacity, 99th percentile"
    return Work(name, title, "ms", PACE, partial(_paced, load), 5, False)


_PAGE = "page of 1 KB"

WORKS: tuple[Work, ...] = (
    _work("/page", _PAGE, 1),
    _work("/page", _PAGE, 64),
    Work(
        "page-cookie-64",
        "page of 1 KB, each request with another cookie, 64 connections",
        "/s",
        PAGE,
        partial(requests, "/page", 64, has_cookies=True),
    ),
    _work("/page", _PAGE, 512),
    _pace(0.5),
    _pace(0.8),
    _work("/static/1k.txt", "file of 1 KiB", 64, FILE),
    _work("/static/16k.txt", "file of 16 KiB", 64, FILE),
    _work("/upload", "upload of 1 MiB", 8, SEND),
    _work("/download", "download of 1 MiB", 8, SEND),
)
