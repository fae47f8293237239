"""Starts and ends the servers that are measured; it measures nothing."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def unused_port() -> int:
    """A TCP port of the loopback that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str], log: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The process while the block runs; it is ended behind it. Its lines go to `log`."""
    with log.open("ab") as lines:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=lines,
            stderr=lines,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def wait_for_port(port: int, process: subprocess.Popen[bytes], timeout_s: float = 30.0) -> None:
    """Return when something listens on `port`. Raises: RuntimeError."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"nothing listens on port {port}; see the logs under var/bench")


@contextmanager
def bare(kind: str, logs: Path) -> Iterator[int]:
    """The bare responder; gives its port."""
    port = unused_port()
    command = [sys.executable, "-m", "bench.bare", str(port), kind]
    with running(command, logs / f"bare-{kind}.log") as process:
        wait_for_port(port, process)
        yield port


@contextmanager
def valkey(folder: Path, logs: Path) -> Iterator[str]:
    """A fresh bundled Valkey; gives its address."""
    port = unused_port()
    command = [sys.executable, "-m", "channel_layer.embedded"]
    options = ["--dir", str(folder), "--port", str(port)]
    with running([*command, *options], logs / "valkey.log") as process:
        wait_for_port(port, process)
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def hop(redis_url: str, logs: Path) -> Iterator[int]:
    """Our interface server with one worker process; gives its port."""
    port = unused_port()
    env = {"REDIS_URL": redis_url}
    server = [sys.executable, "-m", "interface_server", "--port", str(port)]
    workers = [sys.executable, "-m", "workers", "--app", "bench.app:build", "--processes", "1"]
    with ExitStack() as stack:
        process = stack.enter_context(running(server, logs / "server.log", env))
        stack.enter_context(running(workers, logs / "workers.log", env))
        wait_for_port(port, process)
        yield port


@contextmanager
def channels4(redis_url: str, python: Path, logs: Path) -> Iterator[int]:
    """Channels 4 on Daphne with channels_redis; gives its port."""
    port = unused_port()
    command = [
        *(str(python), "-m", "daphne", "-b", "127.0.0.1", "-p", str(port)),
        *("--access-log", "/dev/null", "bench.peers.channels4.site:application"),
    ]
    env = {"REDIS_URL": redis_url, "PYTHONPATH": str(ROOT)}
    with running(command, logs / "channels4.log", env) as process:
        wait_for_port(port, process)
        yield port
