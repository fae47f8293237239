"""The work of a job channel: jobs a second, and how long a single job takes to be handled."""

import http.client
import json
import time

from bench.processes import Running, Spent
from bench.servers import JOB
from bench.tools import Figures, Unsound
from bench.work import Work

_IN_ONE, _POSTS, _SINGLE = 200, 20, 200
"""Jobs of a request, its number (all fit into the channel's capacity), and jobs sent alone."""
_PATIENCE_S = 30.0


def _jobs(server: Running, share: float) -> Figures:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    _asked(connection, "GET", "/jobs")  # forgets those of the turn before
    times, singles = max(4, round(_POSTS * share)), max(20, round(_SINGLE * share))
    spent, begin = Spent(server), time.monotonic()
    for _ in range(times):
        _asked(connection, "POST", f"/jobs/{_IN_ONE}")
    at, _ = _handled(connection, times * _IN_ONE)
    spent.end()
    for _ in range(singles):
        _asked(connection, "POST", "/jobs/1")
    _, taken_s = _handled(connection, singles)
    connection.close()
    return {
        "per_s": times * _IN_ONE / (at - begin),
        "p50_ms": taken_s[len(taken_s) // 2] * 1000,
        "p99_ms": taken_s[len(taken_s) * 99 // 100] * 1000,
        **spent.each(times * _IN_ONE),
    }


def _handled(connection: http.client.HTTPConnection, number: int) -> tuple[float, list[float]]:
    """When the last of so many jobs was handled, and how long each was under way."""
    at, taken_s, end = 0.0, list[float](), time.monotonic() + _PATIENCE_S
    while len(taken_s) < number and time.monotonic() < end:
        time.sleep(0.05)
        said = json.loads(_asked(connection, "GET", "/jobs"))
        at, taken_s = max(at, said["at"]), sorted(taken_s + said["taken_s"])
    if len(taken_s) != number:
        raise Unsound(f"{len(taken_s)} of {number} jobs were handled")
    return at, taken_s


def _asked(connection: http.client.HTTPConnection, method: str, path: str) -> bytes:
    connection.request(method, path)
    reply = connection.getresponse()
    content = reply.read()
    if reply.status >= 300:
        raise Unsound(f"{method} {path} was answered with {reply.status}")
    return content


WORKS: tuple[Work, ...] = (Work("jobs", "jobs of one channel, one worker", "/s", JOB, _jobs, 3),)
