"""The works: what is asked of each server, and the figures that come of it.

Starts nothing. A work is measured many times in turns with the other servers', so that a busy
minute of the machine hits all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bench import tools
from bench.page import MIB
from bench.processes import cpu_s, memory_kib
from bench.servers import ECHO, FILE, GROUP, PAGE, SEND, Running
from bench.tools import Figures, Unsound

BYTES = 100
"""Of each message that is told or echoed."""


@dataclass(frozen=True, slots=True)
class Work:
    """`measure(server, share)` gives figures, the first of which is the one that ratios are made
    of; `share` (0 to 1) makes it shorter. `wants` is what a server must be able to do."""

    name: str
    title: str
    unit: str
    wants: str
    measure: Callable[[Running, float], Figures]
    rounds: int = 5
    more_is_better: bool = True
    without: frozenset[str] = frozenset()
    """Servers that are not asked: they cannot, and it is known why."""


def _requests(path: str, connections: int, server: Running, share: float) -> Figures:
    seconds = max(1, round(5 * share))
    before = {part: cpu_s(pids) for part, pids in server.parts.items()}
    upload = MIB if path == "/upload" else b""
    figures = tools.wrk(f"http://127.0.0.1:{server.port}{path}", connections, seconds, upload)
    requests = figures["per_s"] * seconds
    spent = {
        f"cpu_us {part}": (cpu_s(pids) - before[part]) / requests * 1e6
        for part, pids in server.parts.items()
    }
    return {**figures, **spent}


def _echo(sockets: int, server: Running, share: float) -> Figures:
    said = tools.load("echo", server.port, "/echo", sockets, 4 * share, BYTES)
    _all_open(said)
    return {name: said[name] for name in ("per_s", "p50_ms", "p99_ms")}


def _tell(sockets: int, server: Running, share: float) -> Figures:
    times = max(2, round(8 * share))
    said = tools.load("tell", server.port, "/all", sockets, "/tell", times, BYTES)
    _all_open(said)
    told = sorted(said["told"], key=lambda one: float(one[2]))
    middle = told[len(told) // 2]
    lost = sum(one[3] for one in told)
    return {"ms": middle[2], "first_ms": middle[0], "median_ms": middle[1], "lost": lost}


def _flood(sockets: int, server: Running, share: float) -> Figures:
    times = max(10, round(60 * share))
    said = tools.load("flood", server.port, "/all", sockets, "/tell", times, BYTES)
    _all_open(said)
    return {"per_s": said["per_s"], "lost": said["missing"]}


def _open(sockets: int, server: Running, _: float) -> Figures:
    said = tools.load("open", server.port, "/all", sockets)
    return {"ms": said["open_ms"], "lost": said["failed"]}


def _idle(sockets: int, server: Running, share: float) -> Figures:
    sockets = round(sockets * share)
    before = {part: memory_kib(pids) for part, pids in server.parts.items()}
    with tools.Held(server.port, "/all", sockets) as said:
        _all_open(said)
        each = {
            part: (memory_kib(pids) - before[part]) / sockets for part, pids in server.parts.items()
        }
    return {"KiB": each["server"], **{f"KiB {part}": kib for part, kib in each.items()}}


def _all_open(said: dict[str, float]) -> None:
    if said["failed"]:
        raise Unsound(f"{said['failed']} handshakes failed")


def _page_work(path: str, title: str, connections: int, wants: str = PAGE) -> Work:
    name = f"{path.strip('/').replace('/', '-')}-{connections}"
    measure = partial(_requests, path, connections)
    return Work(name, f"{title}, {connections} connections", "/s", wants, measure)


_PAGE_OF_1_KB = "page of 1 KB"

WORKS: tuple[Work, ...] = (
    _page_work("/page", _PAGE_OF_1_KB, 1),
    _page_work("/page", _PAGE_OF_1_KB, 64),
    _page_work("/page", _PAGE_OF_1_KB, 512),
    _page_work("/static/1k.txt", "file of 1 KiB", 64, FILE),
    _page_work("/static/16k.txt", "file of 16 KiB", 64, FILE),
    _page_work("/upload", "upload of 1 MiB", 8, SEND),
    _page_work("/download", "download of 1 MiB", 8, SEND),
    Work("echo-1", "echo over 1 socket", "/s", ECHO, partial(_echo, 1), 3),
    Work("echo-100", "echo over 100 sockets", "/s", ECHO, partial(_echo, 100)),
    Work("echo-1000", "echo over 1,000 sockets", "/s", ECHO, partial(_echo, 1000), 3),
    Work("tell-1000", "broadcast, last of 1,000", "ms", GROUP, partial(_tell, 1000), 5, False),
    Work("tell-5000", "broadcast, last of 5,000", "ms", GROUP, partial(_tell, 5000), 3, False),
    Work("tell-15000", "broadcast, last of 15,000", "ms", GROUP, partial(_tell, 15000), 3, False),
    Work(
        "flood-5000",
        "broadcasts back to back to 5,000, deliveries",
        "/s",
        GROUP,
        partial(_flood, 5000),
        3,
    ),
    Work(
        "open-1000",
        "1,000 handshakes at once, last open",
        "ms",
        GROUP,
        partial(_open, 1000),
        5,
        False,
    ),
    Work(
        "idle-15000",
        "memory of an idle socket of 15,000",
        "KiB",
        GROUP,
        partial(_idle, 15000),
        1,
        False,
    ),
)
