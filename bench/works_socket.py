"""Works of WebSockets: echoes, broadcasts, handshakes, the memory of idle ones."""

from functools import partial

from bench import tools
from bench.processes import Running, Spent, memory_kib
from bench.servers import ECHO, GROUP, GROWTH
from bench.tools import Figures
from bench.work import BYTES, LOST, Work, check_all_open


def _echo(sockets: int, server: Running, share: float) -> Figures:
    spent, seconds = Spent(server), 4 * share
    said = tools.load("echo", server.port, "/echo", sockets, seconds, BYTES, spent=spent)
    check_all_open(said)
    figures = {name: said[name] for name in ("per_s", "p50_ms", "p99_ms")}
    return {**figures, LOST: said["missing"], **spent.each(said["echoed"])}


def _tell(sockets: int, server: Running, share: float) -> Figures:
    times = max(2, round(8 * share))
    said = tools.load("tell", server.port, "/all", sockets, "/tell", times, BYTES)
    check_all_open(said)
    told = sorted(said["told"], key=lambda one: float(one[2]))
    middle = told[len(told) // 2]
    lost = sum(one[3] for one in told)
    return {"ms": middle[2], "first_ms": middle[0], "median_ms": middle[1], LOST: lost}


def _flood(sockets: int, server: Running, share: float) -> Figures:
    times, spent = max(10, round(300_000 * share / sockets)), Spent(server)
    said = tools.load("flood", server.port, "/all", sockets, "/tell", times, BYTES, spent=spent)
    check_all_open(said)
    deliveries = times * sockets - said["missing"]
    figures = {"per_s": said["per_s"], LOST: said["missing"], "cpu_us": spent.all(deliveries)}
    return {**figures, **spent.each(deliveries)}


def _open(sockets: int, server: Running, _: float) -> Figures:
    said = tools.load("open", server.port, "/all", sockets)
    return {"ms": said["open_ms"], LOST: said["failed"]}


def _connect(at_once: int, server: Running, share: float) -> Figures:
    spent = Spent(server)
    said = tools.load("connect", server.port, "/all", at_once, 4 * share)
    spent.end()
    check_all_open(said)
    figures = {name: said[name] for name in ("per_s", "p50_ms", "p99_ms")}
    return {**figures, **spent.each(said["opened"])}


def _idle(sockets: int, server: Running, share: float) -> Figures:
    sockets = round(sockets * share)
    before = {part: memory_kib(pids) for part, pids in server.parts.items()}
    with tools.Held(server.port, "/all", sockets) as said:
        check_all_open(said)
        each = {
            part: (memory_kib(pids) - before[part]) / sockets for part, pids in server.parts.items()
        }
    return {"KiB": each["server"], **{f"KiB {part}": kib for part, kib in each.items()}}


def _tell_work(sockets: int, rounds: int) -> Work:
    title = f"broadcast, last of {sockets:,}"
    return Work(f"tell-{sockets}", title, "ms", GROUP, partial(_tell, sockets), rounds, False)


def _flood_work(sockets: int, wants: str) -> Work:
    title = f"broadcasts back to back to {sockets:,}, deliveries"
    return Work(f"flood-{sockets}", title, "/s", wants, partial(_flood, sockets), 3)


WORKS: tuple[Work, ...] = (
    Work("echo-1", "echo over 1 socket", "/s", ECHO, partial(_echo, 1), 3),
    Work("echo-100", "echo over 100 sockets", "/s", ECHO, partial(_echo, 100)),
    Work("echo-1000", "echo over 1,000 sockets", "/s", ECHO, partial(_echo, 1000), 3),
    _tell_work(1000, 5),
    _tell_work(5000, 3),
    _tell_work(15000, 3),
    _flood_work(1000, GROWTH),
    _flood_work(5000, GROUP),
    _flood_work(15000, GROWTH),
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
        "connect-50",
        "handshakes one behind the other, 50 at once",
        "/s",
        GROUP,
        partial(_connect, 50),
        3,
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
