"""The servers that are measured: how each is started, and which works it can do.

Every one gets the same page, payload and machine. What it needs is installed by `environments.py`.
"""

import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import environments
from bench.ours import ours, ours_with_board, ours_with_files, valkey, write_files
from bench.processes import ROOT, Running, Start, running, unused_port, wait_for_port

PAGE, SEND, FILE, ECHO, GROUP, BOARD = "page", "body", "file", "echo", "group", "board"
PACE, JOB, GROWTH, PROCESSES, IDLE = "pace", "job", "growth", "processes", "idle"
"""What a server can do: works ask for one of them."""


@dataclass(frozen=True, slots=True)
class Server:
    """One that is measured; `name` is what `--only` and `--peers` call it."""

    name: str
    title: str
    start: Start
    does: frozenset[str]
    is_peer: bool = True


def _python(*arguments: str) -> Start:
    """A module of ours that serves alone; its port is the word PORT."""

    def start(folder: Path, stack: ExitStack) -> Running:
        port = unused_port()
        command = [sys.executable, "-m", *(each.replace("PORT", str(port)) for each in arguments)]
        pid = stack.enter_context(running(command, folder / "server.log"))
        wait_for_port(port)
        return Running(port, {"server": (pid,)})

    return start


def _channels4(*arguments: str) -> Start:
    def start(folder: Path, stack: ExitStack) -> Running:
        python = environments.python_of("channels4")
        redis_url, redis = valkey(folder, stack)
        port = unused_port()
        command = [python, "-m", *(each.replace("PORT", str(port)) for each in arguments)]
        env = {"REDIS_URL": redis_url, "PYTHONPATH": str(ROOT)}
        site = "bench.peers.channels4.site:application"
        pid = stack.enter_context(running([*command, site], folder / "server.log", env))
        wait_for_port(port)
        return Running(port, {"server": (pid,), "Valkey": (redis,)}, redis_url)

    return start


def _starlette(processes: int) -> Start:
    def start(folder: Path, stack: ExitStack) -> Running:
        port = unused_port()
        command = [
            *(environments.python_of("starlette"), "-m", "uvicorn"),
            *("--host", "127.0.0.1", "--port", str(port), "--workers", str(processes)),
            *("--no-access-log", "--log-level", "warning"),
            "bench.peers.starlette.site:application",
        ]
        env = {"PYTHONPATH": str(ROOT)}
        pid = stack.enter_context(running(command, folder / "server.log", env))
        wait_for_port(port)
        return Running(port, {"server": (pid,)})

    return start


def _node(folder: Path, stack: ExitStack) -> Running:
    modules = environments.node_modules_of("node")
    redis_url, redis = valkey(folder, stack)
    port = unused_port()
    script = environments.PEERS / "node" / "server.js"
    command = ["node", str(script), str(port), redis_url]
    env = {"NODE_PATH": str(modules)}
    pid = stack.enter_context(running(command, folder / "server.log", env))
    wait_for_port(port)
    return Running(port, {"server": (pid,), "Valkey": (redis,)}, redis_url)


def _nginx(peer: str) -> Start:
    def start(folder: Path, stack: ExitStack) -> Running:
        command = environments.nginx()
        if peer == "nchan":
            environments.nchan_module()
        port = unused_port()
        static = folder / "static"
        write_files(static)
        text = (environments.PEERS / peer / "nginx.conf").read_text(encoding="utf-8")
        for word, value in (("PORT", port), ("FOLDER", folder), ("STATIC", static)):
            text = re.sub(rf"\b{word}\b", str(value), text)
        made = folder / "nginx.conf"
        made.write_text(text, encoding="utf-8")
        arguments = [command, "-c", str(made), "-e", "stderr"]
        pid = stack.enter_context(running(arguments, folder / "server.log"))
        wait_for_port(port)
        return Running(port, {"server": (pid,)})

    return start


def _limit(folder: Path, stack: ExitStack) -> Running:
    port = unused_port()
    command = [environments.program("limit"), str(port)]
    pid = stack.enter_context(running(command, folder / "server.log"))
    wait_for_port(port)
    return Running(port, {"server": (pid,)})


_ALL = frozenset({PAGE, SEND, FILE, ECHO, GROUP, PACE, JOB, GROWTH, PROCESSES})
_STARLETTE = frozenset({PAGE, SEND, PACE})
_DJANGO = frozenset({PAGE, ECHO, GROUP})


def _counted(number: int, name: str) -> str:
    return f"{number} {name}{'s' * (number > 1)}"


SERVERS: tuple[Server, ...] = (
    Server("ours", "this project (1 server, 1 worker)", ours_with_files, _ALL, False),
    Server(
        "ours-board",
        "this project, the board",
        ours_with_board,
        frozenset({BOARD}),
        False,
    ),
    *(
        Server(
            f"ours-{servers}s-{workers}w",
            f"this project ({_counted(servers, 'server')}, {_counted(workers, 'worker')})",
            ours(servers, workers),
            frozenset({PROCESSES, IDLE} if workers == 4 and servers == 1 else {PROCESSES}),
            False,
        )
        for servers, workers in ((1, 2), (1, 4), (2, 1), (4, 1))
    ),
    Server(
        "bare",
        "bare Twisted + httptools, page ready",
        _python("bench.bare", "PORT", "ready"),
        frozenset({PAGE}),
        False,
    ),
    Server(
        "bare-rendered",
        "the same, page rendered",
        _python("bench.bare", "PORT", "rendered"),
        frozenset({PAGE}),
        False,
    ),
    Server("uvicorn", "uvicorn + Starlette, 1 process", _starlette(1), _STARLETTE),
    Server("uvicorn-2", "uvicorn + Starlette, 2 processes", _starlette(2), _STARLETTE),
    Server(
        "daphne",
        "Channels 4 + Daphne 4 + channels_redis",
        _channels4("daphne", "-b", "127.0.0.1", "-p", "PORT", "--access-log", "/dev/null"),
        _DJANGO,
    ),
    Server(
        "channels-uvicorn",
        "Channels 4 + uvicorn + channels_redis",
        _channels4(
            "uvicorn",
            "--host",
            "127.0.0.1",
            "--port",
            "PORT",
            "--no-access-log",
            "--log-level",
            "warning",
        ),
        _DJANGO,
    ),
    Server(
        "autobahn",
        "Autobahn in its own process",
        _python("bench.echo", "PORT"),
        frozenset({ECHO}),
        False,
    ),
    Server("node", "Node ws + Redis", _node, frozenset({ECHO, GROUP})),
    Server("nchan", "nginx + nchan", _nginx("nchan"), frozenset({GROUP})),
    Server("nginx", "nginx", _nginx("nginx"), frozenset({FILE})),
    Server("limit", "C: only send()", _limit, frozenset({ECHO, GROUP}), False),
)
"""In the order of the tables."""


@contextmanager
def started(server: Server, folder: Path) -> Iterator[Running]:
    """The server while the block runs. Raises: Missing."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        yield server.start(folder, stack)
