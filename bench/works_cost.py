"""Works of cost and its growth: CPU of all parts for a page, for a message to a group.

What a delivery costs with more sockets is told beside the broadcasts (`works_socket.py`).
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

from bench import tools
from bench.processes import Running, Spent
from bench.servers import GROWTH, PROCESSES
from bench.tools import Figures, Unsound
from bench.work import BYTES, Work, check_all_open

_CONNECTIONS = 64
_MESSAGES = 20
"""Told by one request, so that the request itself is little of their cost."""


def _page(server: Running, share: float) -> Figures:
    """The same 64 connections, spread over all servers."""
    seconds = max(1, round(5 * share))
    each = _CONNECTIONS // len(server.ports)
    spent = Spent(server)
    with ThreadPoolExecutor(len(server.ports)) as threads:
        urls = [f"http://127.0.0.1:{port}/page" for port in server.ports]
        said = list(threads.map(lambda url: tools.wrk(url, each, seconds), urls))
    spent.end()
    per_s = sum(one["per_s"] for one in said)
    requests = per_s * seconds
    return {"cpu_us": spent.all(requests), **spent.each(requests), "per_s": per_s}


def _groups(groups: int, server: Running, share: float) -> Figures:
    """As many sockets, each in a group of its own; messages go to groups by chance."""
    times, spent = max(50, round(1000 * share)), Spent(server)
    path = f"/tell/{_MESSAGES}/{groups}"
    said = tools.load(
        *("flood", server.port, "/group/#", groups, path, times, BYTES, _MESSAGES), spent=spent
    )
    check_all_open(said)
    if said["missing"]:
        raise Unsound(f"{said['missing']} of {times * _MESSAGES} messages did not come")
    messages = times * _MESSAGES
    return {"cpu_us": spent.all(messages), **spent.each(messages), "per_s": said["per_s"]}


def _groups_work(groups: int) -> Work:
    title = f"CPU of a message to one of {groups:,} groups"
    return Work(f"groups-{groups}", title, "µs", GROWTH, partial(_groups, groups), 3, False)


WORKS: tuple[Work, ...] = (
    Work(
        "cost-page",
        "CPU of a page of 1 KB, all parts, 64 connections",
        "µs",
        PROCESSES,
        _page,
        3,
        False,
    ),
    _groups_work(100),
    _groups_work(1000),
    _groups_work(10000),
)
