"""The work of an idle system: what it asks of Redis and of the processors while nothing happens."""

import re
import socket
import time
from collections import Counter
from urllib.parse import urlsplit

from bench import tools
from bench.processes import Running, come_to_rest, cpu_of_each
from bench.servers import IDLE
from bench.tools import Figures
from bench.work import Work, check_all_open

_SOCKETS, _SECONDS = 1000, 15.0
_COMMAND = re.compile(rb'^\+[0-9.]+ \[\d+ (?!lua\])\S+\] "([^"]*)"', re.MULTILINE)


def _idle(server: Running, share: float) -> Figures:
    seconds = max(3.0, _SECONDS * share)
    with tools.Held(server.port, "/all", _SOCKETS) as said:
        check_all_open(said)
        come_to_rest([server])  # what opening left to do is no idling
        before = cpu_of_each(server.pids)
        commands = _asked_of_redis(server.redis_url, seconds)
        after = cpu_of_each(server.pids)
    shares = [100 * (s - before.get(pid, 0.0)) / seconds for pid, s in after.items()]
    named = {f"{name}/s": number / seconds for name, number in sorted(commands.items())}
    return {
        "per_s": sum(commands.values()) / seconds,
        "busiest process %": max(shares),
        "all processes %": sum(shares),
        **named,
    }


def _asked_of_redis(redis_url: str, seconds: float) -> Counter[str]:
    """The commands that clients send meanwhile, by name; those inside scripts are not counted."""
    address = urlsplit(redis_url)
    end, seen = time.monotonic() + seconds, b""
    with socket.create_connection((address.hostname or "127.0.0.1", address.port or 6379)) as link:
        link.sendall(b"MONITOR\r\n")
        while (left := end - time.monotonic()) > 0:
            link.settimeout(left)
            try:
                seen += link.recv(65536)
            except TimeoutError:
                break
    return commands(seen)


def commands(monitored: bytes) -> Counter[str]:
    """The commands of clients in what MONITOR shows, by name in lower case."""
    return Counter(name.decode().lower() for name in _COMMAND.findall(monitored))


WORKS: tuple[Work, ...] = (
    Work(
        "idle-commands",
        f"commands to Redis, {_SOCKETS:,} idle sockets, 1 server, 4 workers",
        "/s",
        IDLE,
        _idle,
        2,
        False,
    ),
)
