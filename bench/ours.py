"""How this project is started to be measured; the other servers stand in `servers.py`."""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from bench.processes import ROOT, Running, Start, running, unused_port, wait_for_port


def valkey(folder: Path, stack: ExitStack) -> tuple[str, int]:
    """A Redis of its own: its URL and its process."""
    port = unused_port()
    options = ["--dir", str(folder / "valkey"), "--port", str(port)]
    command = [sys.executable, "-m", "channel_layer.embedded", *options]
    pid = stack.enter_context(running(command, folder / "valkey.log"))
    wait_for_port(port)
    return f"redis://127.0.0.1:{port}/0", pid


def ours(servers: int = 1, workers: int = 1, app: str = "bench.app:build", *options: str) -> Start:
    """This project with so many processes of each kind; `options` are the servers'."""

    def start(folder: Path, stack: ExitStack) -> Running:
        redis_url, redis = valkey(folder, stack)
        env = {"REDIS_URL": redis_url, **_board_variables(folder)}
        ports, pids = [], []
        for number in range(servers):
            ports.append(unused_port())
            command = [sys.executable, "-m", "interface_server", "--port", str(ports[-1])]
            command += ("--no-access-log", *options)  # as all the others
            log = folder / f"server{number}.log"
            pids.append(stack.enter_context(running(command, log, env)))
        for port in ports:
            wait_for_port(port)
        command = [sys.executable, "-m", "workers", "--app", app, "--processes", str(workers)]
        pool = stack.enter_context(running(command, folder / "workers.log", env))
        parts = {"server": tuple(pids), "workers": (pool,), "Valkey": (redis,)}
        return Running(ports[0], parts, redis_url, tuple(ports))

    return start


def ours_with_files(folder: Path, stack: ExitStack) -> Running:
    """One server that serves static files too, one worker."""
    static = folder / "static"
    write_files(static)
    return ours(1, 1, "bench.app:build", "--static", f"/static={static}")(folder, stack)


def ours_with_board(folder: Path, stack: ExitStack) -> Running:
    """One server, one worker that runs the board on SQLite, filled by `bench/boards.py`."""
    command = [sys.executable, "-m", "bench.boards"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **_board_variables(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the board cannot be filled:\n{done.stderr[-2000:]}")
    return ours(1, 1, "board.app:build")(folder, stack)


def write_files(folder: Path) -> None:
    """The static files: 1 KiB and 16 KiB. They may be read by nginx's own user."""
    folder.mkdir(parents=True, exist_ok=True)
    for each in (folder, *folder.parents[:1]):
        each.chmod(0o755)
    for name, size in (("1k.txt", 1024), ("16k.txt", 16 * 1024)):
        (folder / name).write_bytes(b"x" * size)


def _board_variables(folder: Path) -> dict[str, str]:
    return {"DATABASE_URL": f"sqlite:///{folder / 'board.sqlite3'}", "VAR_DIR": str(folder)}
